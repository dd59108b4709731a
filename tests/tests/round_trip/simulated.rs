//! The same trial on the virtual kernel.

use std::time::Duration;

use neap_tests::simulation::faults::Fault;
use neap_tests::simulation::judge::judge;
use neap_tests::simulation::kernel::{End, Record};
use neap_tests::simulation::script::{
    ClientScript, Command, Handler, Kind, Micros, Net, Owner, RequestScript, SECOND, Script, Seal,
    ServerScript, Step, Windows,
};
use neap_tests::simulation::world::run;

use crate::trial::{Servers, Trial};
use neap_tests::link::HELD;

/// How many clients came to which end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ends {
    pub(crate) answered: usize,
    pub(crate) refused: usize,
    pub(crate) lost: usize,
}

impl Ends {
    fn count(&mut self, record: &Record) {
        if record.connected.is_none() {
            self.refused += 1;
        } else if matches!(record.end, Some((_, End::Own))) {
            self.answered += 1;
        } else {
            self.lost += 1;
        }
    }
}

/// What becomes of the trial's clients on the virtual kernel, which the judge has to agree with.
pub(crate) fn simulate(trial: &Trial) -> Ends {
    let run = run(&script(trial), Fault::None, false);
    let violations = judge(&run);
    assert!(violations.is_empty(), "{trial}: {violations:?}");
    let mut ends = Ends::default();
    run.records.iter().for_each(|record| ends.count(record));
    ends
}

fn micros(time: Duration) -> Micros {
    Micros::try_from(time.as_micros()).expect("trials are short")
}

fn script(trial: &Trial) -> Script {
    let setting = |name: &str| trial.setting.is_some_and(|(set, _)| set.ends_with(name));
    let mut windows = Windows::by_default();
    if let Some(window) = trial.window {
        windows.seal_max = micros(window);
        windows.seal_max_group = micros(window);
    }
    let signal = micros(trial.signal());
    let stopped = vec![(signal, Command::Terminate), (60 * SECOND, Command::Drain)];
    let commands = match trial.servers {
        Servers::Sole | Servers::Adopted => vec![stopped],
        Servers::Pair => vec![stopped, vec![(60 * SECOND, Command::Drain)]],
        Servers::PairStopped => vec![stopped.clone(), stopped],
    };
    let server = |commands| ServerScript {
        start: 0,
        commands,
        stalls: Vec::new(),
    };
    Script {
        seed: 0,
        net: Net {
            owner: if commands.len() > 1 {
                Owner::Grouped
            } else {
                Owner::Sole
            },
            first: match trial.rung {
                "interface" => Seal::Interface,
                "filter" => Seal::Filter,
                _ => Seal::Plain,
            },
            migrate: setting("tcp_migrate_req"),
            cookies: setting("tcp_syncookies"),
            ..Net::plain()
        },
        windows,
        servers: commands.into_iter().map(server).collect(),
        clients: clients(trial),
    }
}

/// Each asks once, and closes when it has its answer. Every so many of those that come around the
/// signal are held.
fn clients(trial: &Trial) -> Vec<ClientScript> {
    let (signal, delay) = (trial.signal(), trial.round_trip / 2);
    let let_go = signal + trial.hold;
    let mut begun = 0;
    let client = |(number, start): (usize, Duration)| {
        let id = u32::try_from(number).expect("there are few");
        let mut client = ClientScript::new(id, Kind::Plain, micros(start), micros(delay));
        let syn = start + delay;
        if syn >= signal - trial.holding() && syn < let_go {
            begun += 1;
            if begun % HELD == 0 {
                let ack = start + 3 * delay;
                client.ack_delay = micros(let_go.saturating_sub(ack));
            }
        }
        client.requests = vec![RequestScript::get(Handler::Instant(1_000))];
        client.steps = vec![Step::Send(usize::MAX), Step::AwaitBytes(1_050), Step::Close];
        client
    };
    trial.starts().into_iter().enumerate().map(client).collect()
}
