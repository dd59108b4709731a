//! Shutdowns simulated: the shipped driver on a virtual kernel, in virtual time, with every kind of
//! client, signal and system, judged by what each client must have seen.
//!
//! What fails here is repeated by `cargo run --release -p neap-tests --bin simulate -- --seed
//! SEED`, which shows every packet. More seeds are explored by the same command with `--seeds N`.

use neap_tests::simulation::coverage::Coverage;
use neap_tests::simulation::draw;
use neap_tests::simulation::faults::Fault;
use neap_tests::simulation::judge::judge;
use neap_tests::simulation::kernel::End;
use neap_tests::simulation::script::{
    AcceptError, ClientScript, Command, Handler, Kind, MS, Micros, Net, Owner, Reading,
    RequestScript, SECOND, Script, ServerScript, Step, Windows,
};
use neap_tests::simulation::shrink::{shrink, violation};
use neap_tests::simulation::world::{Run, run};

/// How many seeds a test without optimization has time for.
const SEEDS: u64 = 1_000;

/// No rule is broken by this script; if one is, it is made smaller and shown.
fn assert_holds(script: &Script, what: &str) {
    if let Some(violation) = violation(script, Fault::None) {
        let smaller = shrink(script, Fault::None);
        panic!("{what}: {violation}\n{smaller:#?}");
    }
}

#[test]
fn who_is_reached_and_cooperative_is_answered_whole() {
    let mut coverage = Coverage::default();
    for seed in 0..SEEDS {
        let script = draw(seed);
        let run = run(&script, Fault::None, false);
        coverage.add(&run);
        if !judge(&run).is_empty() {
            let repeat = "cargo run --release -p neap-tests --bin simulate -- --seed";
            assert_holds(&script, &format!("repeat it: {repeat} {seed}"));
        }
    }
    let missing = coverage.missing();
    assert!(missing.is_empty(), "never met: {missing:?}");
}

#[test]
fn a_seed_repeats_exactly() {
    for seed in 0..50 {
        let [one, other] = [(); 2].map(|()| run(&draw(seed), Fault::None, true));
        assert!(!one.trace.is_empty());
        assert_eq!(one.trace, other.trace, "seed {seed}");
    }
}

/// Seeds within which each planted fault has to be noticed.
const WITHIN: u64 = 1_000;

#[test]
fn the_judge_notices_each_planted_fault() {
    let mut unnoticed = Vec::new();
    for fault in Fault::ALL {
        let mut scripts = (0..WITHIN)
            .map(draw)
            .chain([a_request_that_crosses_an_eviction()]);
        match scripts.find_map(|script| Some((script.seed, violation(&script, fault)?))) {
            Some((seed, violation)) => println!("{fault:?}: seed {seed}: {violation}"),
            None => unnoticed.push(fault),
        }
    }
    assert!(unnoticed.is_empty(), "{unnoticed:?}");
}

/// An idle connection is given up because its descriptor is needed, while the server has not heard
/// yet that its next request is there.
fn a_request_that_crosses_an_eviction() -> Script {
    let mut script = quiet();
    script.net.descriptors = 1;
    script.net.lag = 4 * MS;
    let get = RequestScript::get(Handler::Instant(20));
    let first = client(0, &[get, get], &[]).ends()[0].1;
    let steps = [
        Step::Send(first),
        Step::AwaitResponses(1),
        Step::Wait(100 * MS),
        Step::Send(usize::MAX),
    ];
    let mut idle = client(0, &[get, get], &steps);
    idle.delay = 5 * MS;
    // Its first request arrives at 15 ms and is heard of at 19 ms; it has the response at 24 ms,
    // and the second request arrives at 129 ms. The server hears of it at 133 ms, and of the other
    // client at 131 ms.
    let mut other = client(116 * MS, &[get], &[Step::Send(usize::MAX)]);
    (other.id, other.delay) = (1, 5 * MS);
    script.clients = vec![idle, other];
    script
}

#[test]
fn a_request_that_crosses_the_eviction_of_an_idle_connection_is_answered() {
    let script = a_request_that_crosses_an_eviction();
    assert_holds(&script, "evicted");
    let record = &run(&script, Fault::None, false).records[0];
    let (second, _) = *record.arrivals.last().expect("it was sent");
    assert_eq!(second, 129 * MS);
    let found = violation(&script, Fault::LastLookIsBlind);
    assert!(found.is_some_and(|found| found.rule.starts_with("I0")));
}

#[test]
fn a_failing_script_is_made_smaller_and_still_fails() {
    let fails = |seed: &u64| violation(&draw(*seed), Fault::NobodyIsHalfOpen).is_some();
    let seed = (0..WITHIN).find(fails).expect("it is noticed");
    let script = draw(seed);
    let smaller = shrink(&script, Fault::NobodyIsHalfOpen);
    assert!(violation(&smaller, Fault::NobodyIsHalfOpen).is_some());
    assert!(violation(&smaller, Fault::None).is_none());
    assert_eq!(smaller.clients.len(), 1, "{smaller:#?}");
}

/// A network without losses, a server that is told to drain after a second, and nobody yet.
fn quiet() -> Script {
    let mut script = draw(0);
    script.net = Net::plain();
    script.windows = Windows::by_default();
    script.servers = vec![ServerScript {
        start: 0,
        commands: vec![(SECOND, Command::Drain)],
        stalls: Vec::new(),
    }];
    script.clients = Vec::new();
    script
}

fn client(start: Micros, requests: &[RequestScript], steps: &[Step]) -> ClientScript {
    ClientScript {
        requests: requests.to_vec(),
        steps: steps.to_vec(),
        ..ClientScript::new(0, Kind::Script, start, 5 * MS)
    }
}

/// What was said through the handle was kept in a flag for each command, and `cancel_drain` took
/// back a drain that was asked for after it, as long as the server had heard of neither.
#[test]
fn a_drain_that_is_asked_for_behind_one_that_is_called_off_begins() {
    let mut script = quiet();
    script.windows.lame_duck = SECOND;
    let server = &mut script.servers[0];
    server.commands = vec![
        (100 * MS, Command::CancelDrain),
        (101 * MS, Command::Drain),
        (60 * SECOND, Command::Drain),
    ];
    server.stalls = vec![(50 * MS, 200 * MS)];
    assert_holds(&script, "cancelled, then drained");
    let ended = run(&script, Fault::None, false).servers[0].ended;
    assert!(ended.is_some_and(|(at, _)| at < 2 * SECOND), "{ended:?}");
}

/// Dropping the server's future ended each connection with a FIN, by which content that only the
/// end of the connection delimits looks whole.
#[test]
fn a_dropped_server_does_not_make_a_cut_response_look_whole() {
    let mut script = quiet();
    script.servers[0].commands = vec![(SECOND, Command::Drop)];
    let mut request = RequestScript::get(Handler::Stream(10, 100, 200 * MS));
    request.old = true;
    script.clients = vec![client(0, &[request], &[Step::Send(usize::MAX)])];
    assert_holds(&script, "dropped");
    let end = run(&script, Fault::None, false).records[0].end;
    assert!(matches!(end, Some((_, End::Reset))), "{end:?}");
}

/// A large response that had been handed out to its last byte, and was on its way when the server
/// began to close, was reported as truncated and lost although its client got all of it.
#[test]
fn a_response_that_was_handed_out_whole_before_the_server_closes_counts_as_whole() {
    const SIZE: usize = 200_000;
    let mut script = quiet();
    script.servers[0].commands = vec![(SECOND, Command::CloseNow)];
    let mut slow = client(
        0,
        &[RequestScript::get(Handler::Instant(SIZE))],
        &[Step::Send(usize::MAX)],
    );
    slow.receive_buffer = 4_096;
    slow.reading = Reading::Paced(4_096, 30 * MS);
    script.clients = vec![slow];
    script.windows.close_grace = 2 * SECOND;
    assert_holds(&script, "closed");
    let run = run(&script, Fault::None, false);
    let account = run.servers[0].account.as_ref().expect("it was done");
    assert!(run.records[0].got.len() > SIZE, "{account:?}");
    assert_eq!((account.completed, account.lost), (1, 0), "{account:?}");
}

/// Clients in the queue of a listener that was closed by force were reported as lost although the
/// system hands them to a sibling, which answers them.
#[test]
fn who_waits_at_a_listener_that_is_closed_by_force_is_not_lost_where_a_sibling_takes_it() {
    let mut script = quiet();
    (script.net.owner, script.net.migrate) = (Owner::Grouped, true);
    // Each listener gives one connection, and no more.
    script.net.accept_errors = (2..99)
        .map(|number| (number, AcceptError::ProcessFiles))
        .collect();
    script.servers[0].commands = vec![(SECOND, Command::CloseNow)];
    script.servers.push(ServerScript {
        start: 0,
        commands: vec![(20 * SECOND, Command::Drain)],
        stalls: Vec::new(),
    });
    let asks = |id, handler, start| ClientScript {
        id,
        ..client(
            start,
            &[RequestScript::get(handler)],
            &[Step::Send(usize::MAX)],
        )
    };
    let queued = |run: &Run| {
        run.records
            .iter()
            .all(|record| record.answered.is_some_and(|(_, l)| l == 0))
    };
    let mut runs = (1..20).map(|id| {
        let stays = asks(0, Handler::Never, 0);
        script.clients = vec![stays, asks(id, Handler::Instant(10), 100 * MS)];
        assert_holds(&script, "closed by force");
        run(&script, Fault::None, false)
    });
    let run = runs.find(queued).expect("one comes to the same listener");
    let account = run.servers[0].account.as_ref().expect("it was done");
    assert_eq!(account.lost_in_queue, 0, "{account:?}");
    assert!(
        run.records[1].migrated && !run.records[1].got.is_empty(),
        "{account:?}"
    );
}

/// Exchanges with something of everything, in few bytes.
fn exchanges() -> Vec<(&'static str, Vec<RequestScript>, Vec<Step>)> {
    let all = Step::Send(usize::MAX);
    let get = RequestScript::get(Handler::Instant(20));
    let post = RequestScript::post(Handler::Collect, 20);
    let mut chunked = RequestScript::post(Handler::Echo, 20);
    chunked.chunked = true;
    let mut expecting = RequestScript::post(Handler::Collect, 20);
    expecting.expect = true;
    let head = client(0, &[expecting], &[]).ends()[0].0;
    let mut old = RequestScript::get(Handler::Stream(3, 10, MS));
    old.old = true;
    let ignored = RequestScript::post(Handler::Ignore(20), 20);
    vec![
        ("content, then another request", vec![post, get], vec![all]),
        ("chunks", vec![chunked], vec![all]),
        (
            "a delay",
            vec![RequestScript::get(Handler::Delay(3 * MS))],
            vec![all],
        ),
        (
            "100 (Continue)",
            vec![expecting],
            vec![Step::Send(head), Step::AwaitContinue, all],
        ),
        ("content that nobody reads", vec![ignored, get], vec![all]),
        ("HTTP/1.0", vec![old], vec![all]),
    ]
}

/// The client's side of an exchange up to its byte `end`, and no further.
fn up_to(steps: &[Step], end: usize) -> Vec<Step> {
    let cut = |step: &Step| match *step {
        Step::Send(until) => Step::Send(until.min(end)),
        other => other,
    };
    steps.iter().map(cut).collect()
}

#[test]
fn a_client_may_vanish_at_every_byte_that_it_sends() {
    for (name, requests, steps) in exchanges() {
        let length = client(0, &requests, &steps).bytes().len();
        for end in 0..=length {
            for way in [Step::Close, Step::Reset] {
                for drain in [80 * MS, 200 * MS] {
                    let mut steps = up_to(&steps, end);
                    steps.retain(|step| !matches!(step, Step::AwaitContinue));
                    steps.extend([Step::Wait(100 * MS), way]);
                    let mut script = quiet();
                    script.clients = vec![client(0, &requests, &steps)];
                    script.servers[0].commands[0].0 = drain;
                    assert_holds(&script, &format!("{name}: {way:?} after {end} bytes"));
                }
            }
        }
    }
}

/// A client that takes its response byte by byte.
fn sipping(requests: &[RequestScript], steps: &[Step]) -> ClientScript {
    ClientScript {
        delay: 50,
        receive_buffer: 1,
        ..client(0, requests, steps)
    }
}

#[test]
fn a_client_may_vanish_at_every_byte_that_it_gets() {
    for (name, requests, steps) in exchanges() {
        let mut script = quiet();
        script.clients = vec![sipping(&requests, &steps)];
        let length = run(&script, Fault::None, false).records[0].got.len();
        assert!(length > 80, "{name}: {length}");
        for end in 1..=length {
            for way in [Step::Close, Step::Reset] {
                for drain in [500, SECOND] {
                    let mut steps = steps.clone();
                    steps.extend([Step::AwaitBytes(end), way]);
                    script.clients = vec![sipping(&requests, &steps)];
                    script.servers[0].commands[0].0 = drain;
                    assert_holds(&script, &format!("{name}: {way:?} at byte {end}"));
                }
            }
        }
    }
}

/// Everything that happens when such a client comes alone, a byte at a time in both directions, and
/// the server is told at each of these moments, before it and after it.
#[test]
fn a_server_may_be_told_to_stop_at_every_step_of_an_exchange() {
    for (name, requests, steps) in exchanges() {
        let mut dripping = Vec::new();
        let mut sent = 0;
        for step in &steps {
            if let Step::Send(end) = *step {
                let end = end.min(client(0, &requests, &steps).bytes().len());
                dripping.extend((sent..end).flat_map(|at| [Step::Send(at + 1), Step::Wait(300)]));
                sent = end;
            } else {
                dripping.push(*step);
            }
        }
        let mut script = quiet();
        script.clients = vec![sipping(&requests, &dripping)];
        let undisturbed = run(&script, Fault::None, true);
        let mut moments: Vec<Micros> = (undisturbed.trace.iter())
            .filter_map(|line| line.split_whitespace().next()?.parse().ok())
            .filter(|at| *at > 0 && *at < SECOND)
            .collect();
        moments.dedup();
        assert!(moments.len() > 200, "{name}: {}", moments.len());
        for moment in moments {
            for at in [moment, moment + 1] {
                for command in [Command::Drain, Command::CloseNow] {
                    script.servers[0].commands = vec![(at, command)];
                    assert_holds(&script, &format!("{name}: {command:?} at {at}"));
                }
            }
        }
    }
}
