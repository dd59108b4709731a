//! What becomes of clients when a server is told to stop: neap and its peers, in four situations.
//!
//! `cargo run --release --manifest-path bench/Cargo.toml --bin restarts`

use std::error::Error;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use neap_bench::figures::{Table, median};
use neap_bench::machine::Machine;
use neap_bench::restarts::{Tally, backlog, keep_alive, rolling, round_trip};
use neap_bench::server::{Server, Workshop};
use serde::Serialize;

/// What repeats the measurement.
const COMMAND: &str = "cargo run --release --manifest-path bench/Cargo.toml --bin restarts";

/// Stops neap and its peers in four situations, and counts who is lost
#[derive(Debug, Parser)]
struct Arguments {
    /// Only these servers
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// How often each situation is tried
    #[arg(long, value_name = "N", default_value_t = 5)]
    times: usize,
    /// How many restarts a rolling one consists of
    #[arg(long, value_name = "N", default_value_t = 20)]
    restarts: usize,
    /// Write all figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// All that was tried.
#[derive(Debug, Serialize)]
struct Record {
    command: &'static str,
    machine: Machine,
    servers: Vec<Column>,
}

/// What was tried with one server.
#[derive(Debug, Serialize)]
struct Column {
    server: &'static str,
    version: String,
    backlog: Vec<Tally>,
    rolling: Vec<Tally>,
    rolling_hesitant: Vec<Tally>,
    keep_alive: Vec<Tally>,
    round_trip: Vec<Tally>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let workshop = Workshop::open()?;
    let mut servers = Vec::new();
    for server in [
        Ok(workshop.neap()),
        workshop.go(),
        Ok(workshop.peer("hyper-util", "peer-hyper", "hyper-util")),
        Ok(workshop.peer("axum", "peer-axum", "axum")),
        Ok(workshop.peer("trillium-smol", "peer-trillium", "trillium-smol")),
        Ok(workshop.peer("actix-web", "peer-actix", "actix-web")),
        workshop.nginx(),
    ] {
        match server {
            Ok(server) => servers.push(server),
            Err(skipped) => eprintln!("skipped: {}: {}", skipped.name, skipped.reason),
        }
    }
    let wanted = &arguments.only;
    servers.retain(|server| wanted.is_empty() || wanted.iter().any(|name| name == server.name));
    let has_link = round_trip::obstacle().map(|obstacle| eprintln!("skipped: {obstacle}"));
    let columns: Result<Vec<_>, _> = servers
        .iter()
        .map(|server| try_all(server, &arguments, has_link.is_none()))
        .collect();
    let record = Record {
        command: COMMAND,
        machine: Machine::this(),
        servers: columns?,
    };
    print(&record, arguments.restarts);
    if let Some(file) = arguments.json {
        fs::write(file, serde_json::to_string_pretty(&record)?)?;
    }
    Ok(())
}

fn try_all(server: &Server, arguments: &Arguments, has_link: bool) -> io::Result<Column> {
    let times = arguments.times;
    let repeat = |what: &str, times: usize, attempt: &dyn Fn() -> io::Result<Tally>| {
        eprintln!("{} {}, {what}", server.name, server.version);
        (0..times)
            .map(|_| attempt())
            .collect::<io::Result<Vec<_>>>()
    };
    Ok(Column {
        server: server.name,
        version: server.version.clone(),
        backlog: repeat("backlog", times, &|| backlog::run(server))?,
        rolling: repeat("rolling", 1, &|| {
            rolling::run(server, arguments.restarts, Duration::ZERO)
        })?,
        rolling_hesitant: repeat("rolling, hesitant clients", 1, &|| {
            rolling::run(server, arguments.restarts, rolling::HESITATION)
        })?,
        keep_alive: repeat("keep-alive", times, &|| keep_alive::run(server))?,
        round_trip: if has_link {
            repeat("round trip", times, &|| round_trip::run(server))?
        } else {
            Vec::new()
        },
    })
}

fn print(record: &Record, restarts: usize) {
    let servers = &record.servers;
    let names = servers
        .iter()
        .map(|column| format!("{} {}", column.server, column.version));
    let mut table = Table::new([String::new()].into_iter().chain(names));
    let mut row = |title: &str, cell: &dyn Fn(&Column) -> String| {
        let cells = servers.iter().map(cell);
        table.row([title.to_owned()].into_iter().chain(cells));
    };
    let lost = |tallies: &[Tally]| range(tallies.iter().map(Tally::lost));
    let exits = |tallies: &[Tally]| {
        let all = tallies.iter().flat_map(|tally| &tally.exit_ms).copied();
        all.collect::<Option<Vec<_>>>()
            .map_or("had to be killed".into(), range)
    };
    let clients = backlog::CLIENTS;
    row(
        &format!("(a) lost of {clients} in the backlog"),
        &|column| lost(&column.backlog),
    );
    row(
        &format!("(b) lost in {restarts} rolling restarts"),
        &|column| lost(&column.rolling),
    );
    let hesitation = rolling::HESITATION.as_millis();
    row(
        &format!("(b) the same, clients ask {hesitation} ms later"),
        &|column| lost(&column.rolling_hesitant),
    );
    let clients = keep_alive::CLIENTS;
    row(&format!("(c) lost of {clients} kept alive"), &|column| {
        lost(&column.keep_alive)
    });
    row("(d) lost in a restart, round trip 50 ms", &|column| {
        lost(&column.round_trip)
    });
    row("(b) slowest answer, ms", &|column| {
        range(
            column
                .rolling
                .iter()
                .filter_map(|tally| tally.slowest_answer_ms),
        )
    });
    row("(b) signal to exit, ms", &|column| exits(&column.rolling));
    row("(c) signal to exit, ms", &|column| {
        exits(&column.keep_alive)
    });
    println!("{}\n{}\n\n{table}", record.machine, record.command);
}

/// The median, and from where to where the figures go if they differ.
fn range(figures: impl IntoIterator<Item = impl TryInto<u32>>) -> String {
    let figures = figures
        .into_iter()
        .filter_map(|figure| figure.try_into().ok());
    let figures: Vec<f64> = figures.map(f64::from).collect();
    let least = figures.iter().copied().reduce(f64::min);
    let most = figures.iter().copied().reduce(f64::max);
    match (median(&figures), least, most) {
        (Some(median), Some(least), Some(most)) if least < most => {
            format!("{median:.0} ({least}–{most})")
        }
        (Some(median), ..) => median.to_string(),
        _ => "–".into(),
    }
}
