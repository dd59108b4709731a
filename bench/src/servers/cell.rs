//! What a probe's end means for the table.

use std::io;
use std::process::Output;
use std::thread::{self, ScopedJoinHandle};

use neap_tests::page::{FLAG, Kind, NO, Probe, Server, YES};

use super::stage::{Place, Stage};
use crate::figures::median;

/// How often a figure is taken that is told as a multiple of neap's.
const ROUNDS: usize = 5;

/// What the probe finds of each of the servers.
///
/// # Errors
///
/// If there is no place to try it.
pub fn cells(stage: &Stage, probe: &Probe, servers: &[&Server]) -> io::Result<Vec<String>> {
    if probe.is_ratio {
        return ratios(stage, probe, servers);
    }
    if probe.kind != Kind::Yes {
        return servers
            .iter()
            .map(|server| try_once(stage, probe, server))
            .collect();
    }
    // What takes no measure need not wait for another.
    thread::scope(|scope| {
        let attempts: Vec<_> = servers
            .iter()
            .map(|server| scope.spawn(|| try_once(stage, probe, server)))
            .collect();
        let ends = attempts.into_iter().map(ScopedJoinHandle::join);
        ends.map(|end| end.map_err(|_| io::Error::other("an attempt ended"))?)
            .collect()
    })
}

fn try_once(stage: &Stage, probe: &Probe, server: &Server) -> io::Result<String> {
    let place = match stage.place(server, probe) {
        Ok(place) if place.is_empty() => return Ok(NO.into()),
        Ok(place) => place,
        Err(error) => {
            eprintln!("{}: {}: {error}", probe.id, server.name);
            return Ok("?".into());
        }
    };
    let end = place.run(&probe.command)?;
    Ok(match (probe.kind, end.status.success()) {
        (_, false) => NO.into(),
        (Kind::Yes, true) if is_flagged(probe, server) => FLAG.into(),
        (Kind::Yes, true) => YES.into(),
        (Kind::Least | Kind::Most, true) => figure(&end).unwrap_or_else(|| NO.into()),
    })
}

/// Whether the server was told to do it.
fn is_flagged(probe: &Probe, server: &Server) -> bool {
    let asks = server.command(&probe.setup);
    !probe.starts_it && probe.setup != "plain" && asks.is_some() && asks != server.command("plain")
}

/// The last line, which is a figure.
fn figure(end: &Output) -> Option<String> {
    let told = String::from_utf8_lossy(&end.stdout);
    let last = told.lines().next_back()?.trim();
    let is_figure = last.split(' ').next()?.parse::<f64>().is_ok();
    is_figure.then(|| last.to_owned())
}

/// Takes figures of all of them in turns, so that what else the machine does meets all alike.
fn ratios(stage: &Stage, probe: &Probe, servers: &[&Server]) -> io::Result<Vec<String>> {
    let places: io::Result<Vec<Place<'_>>> = servers
        .iter()
        .map(|server| stage.place(server, probe))
        .collect();
    let places = places?;
    let mut taken = vec![Vec::new(); places.len()];
    for _ in 0..ROUNDS {
        for (place, taken) in places.iter().zip(&mut taken) {
            let end = place.run(&probe.command)?;
            let figure = figure(&end).filter(|_| end.status.success());
            taken.extend(figure.and_then(|figure| figure.parse::<f64>().ok()));
        }
    }
    let medians: Vec<Option<f64>> = taken.iter().map(|taken| median(taken)).collect();
    let of_neap = servers.iter().position(|server| server.name == "neap");
    let unit = of_neap.and_then(|neap| medians[neap]);
    eprintln!("  neap: {unit:?}");
    let told = medians.iter().map(|median| match (median, unit) {
        (Some(median), Some(unit)) => format!("{:.2}", median / unit),
        (Some(median), None) => format!("{median:.0} (not a multiple of neap's)"),
        (None, _) => NO.into(),
    });
    Ok(told.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Server {
        let commands = [
            ("plain", "serve"),
            ("spa", "serve --spa"),
            ("cors", "serve"),
        ];
        Server {
            name: "one".into(),
            commands: commands
                .map(|(setup, line)| (setup.into(), line.into()))
                .into(),
        }
    }

    #[test]
    fn a_flag_is_told_apart_from_what_a_server_does_unasked() {
        let probe = |setup: &str| Probe {
            setup: setup.into(),
            ..Probe::default()
        };
        assert!(is_flagged(&probe("spa"), &server()));
        for unasked in ["plain", "cors", "unknown"] {
            assert!(!is_flagged(&probe(unasked), &server()), "{unasked}");
        }
    }
}
