//! Scripts drawn from seeds.

use fastrand::Rng;

use super::script::{
    AcceptError, Command, Listing, MS, Micros, Net, Owner, SECOND, Script, Seal, ServerScript,
    Windows,
};

mod clients;

/// One of these.
fn pick<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(0..from.len())]
}

/// True once in so many times.
fn once_in(rng: &mut Rng, times: u32) -> bool {
    rng.u32(0..times) == 0
}

/// The script of a seed.
#[must_use]
pub fn draw(seed: u64) -> Script {
    let mut rng = Rng::with_seed(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5DEE_CE66);
    let net = net(&mut rng);
    let windows = windows(&mut rng);
    let drain = rng.u64(50 * MS..1_500 * MS);
    let servers = servers(&mut rng, &net, &windows, drain);
    let clients = clients::draw(&mut rng, &windows, drain);
    Script {
        seed,
        net,
        windows,
        servers,
        clients,
    }
}

fn net(rng: &mut Rng) -> Net {
    let owner = match rng.u32(0..10) {
        0 | 1 => Owner::Grouped,
        2 => Owner::Shared,
        3 => Owner::Unix,
        _ => Owner::Sole,
    };
    let first = match rng.u32(0..6) {
        0 => Seal::Filter,
        1 => Seal::Plain,
        _ => Seal::Interface,
    };
    let listing = match rng.u32(0..6) {
        0 => Listing::Unknown,
        1 => Listing::Slow(rng.u64(1..20 * MS)),
        _ => Listing::Known,
    };
    Net {
        owner,
        first,
        interface: !once_in(rng, 4),
        filter: !once_in(rng, 3),
        migrate: owner == Owner::Grouped && rng.bool(),
        cookies: owner == Owner::Sole && once_in(rng, 6),
        listing,
        listing_lag: rng.u64(0..900),
        backlog: if once_in(rng, 6) { 3 } else { 4_096 },
        descriptors: if once_in(rng, 6) {
            rng.usize(1..4)
        } else {
            1_000
        },
        max_connections: if once_in(rng, 8) { 3 } else { 1_000 },
        accept_errors: accept_errors(rng),
        lag: if once_in(rng, 3) {
            rng.u64(0..5 * MS)
        } else {
            0
        },
        short: once_in(rng, 3),
        send_buffer: pick(rng, &[600, 4_096, 65_536, 262_144]),
        receive_buffer: pick(rng, &[2_000, 16_384, 131_072]),
    }
}

fn accept_errors(rng: &mut Rng) -> Vec<(u32, AcceptError)> {
    if once_in(rng, 12) {
        // They are gone, by the fault of others in the process.
        let from = rng.u32(1..6);
        let gone = |number| (number, AcceptError::ProcessFiles);
        return (from..from + 40).map(gone).collect();
    }
    if !once_in(rng, 5) {
        return Vec::new();
    }
    let count = rng.usize(1..4);
    let mut errors: Vec<_> = (0..count)
        .map(|_| (rng.u32(1..12), pick(rng, &AcceptError::ALL)))
        .collect();
    errors.sort();
    errors.dedup_by_key(|(number, _)| *number);
    errors
}

fn windows(rng: &mut Rng) -> Windows {
    let mut windows = Windows::by_default();
    windows.interrupt_closes = once_in(rng, 4);
    if once_in(rng, 2) {
        windows.deadline = rng.u64(500 * MS..8 * SECOND);
    }
    if once_in(rng, 3) {
        windows.lame_duck = rng.u64(MS..windows.deadline.min(5 * SECOND));
    }
    for window in [
        &mut windows.close_grace,
        &mut windows.seal_max,
        &mut windows.seal_max_group,
        &mut windows.quiet,
        &mut windows.first_byte_grace,
        &mut windows.head_grace,
        &mut windows.half_close_grace,
        &mut windows.linger_max,
        &mut windows.linger_short,
        &mut windows.debounce,
    ] {
        match rng.u32(0..12) {
            0 => *window = MS,
            1 | 2 => *window = rng.u64(MS..2 * SECOND),
            _ => {}
        }
    }
    for window in [
        &mut windows.head,
        &mut windows.content,
        &mut windows.write,
        &mut windows.idle,
    ] {
        if once_in(rng, 6) {
            *window = rng.u64(200 * MS..3 * SECOND);
        }
    }
    if once_in(rng, 5) {
        windows.pipeline = rng.u32(0..4);
    }
    windows
}

/// Whatever else they are told, in the end they are told to drain.
fn servers(rng: &mut Rng, net: &Net, windows: &Windows, drain: Micros) -> Vec<ServerScript> {
    let mut first = ServerScript {
        start: 0,
        commands: commands(rng, windows, drain),
        stalls: stalls(rng, drain),
    };
    first.commands.push((60 * SECOND, Command::Drain));
    let mut servers = vec![first];
    if matches!(net.owner, Owner::Grouped | Owner::Shared) {
        let start = if rng.bool() {
            0
        } else {
            rng.u64(0..drain + SECOND)
        };
        let mut commands = vec![(20 * SECOND, Command::Drain)];
        if once_in(rng, 4) && start < drain {
            // Both at once.
            commands.insert(0, (drain, Command::Terminate));
        }
        servers.push(ServerScript {
            start,
            commands,
            stalls: Vec::new(),
        });
    }
    servers
}

fn commands(rng: &mut Rng, windows: &Windows, drain: Micros) -> Vec<(Micros, Command)> {
    const FIRST: [Command; 6] = [
        Command::Terminate,
        Command::Terminate,
        Command::Interrupt,
        Command::Drain,
        Command::Drain,
        Command::CloseNow,
    ];
    const LATER: [Command; 7] = [
        Command::Terminate,
        Command::Terminate,
        Command::Interrupt,
        Command::Drain,
        Command::CloseNow,
        Command::CancelDrain,
        Command::Drop,
    ];
    let mut first = pick(rng, &FIRST);
    if first == Command::CloseNow && rng.bool() {
        first = Command::Terminate;
    }
    let mut commands = vec![(drain, first)];
    if once_in(rng, 3) {
        // A duplicate, as supervisors deliver it.
        commands.push((drain + rng.u64(0..10 * MS), first));
    }
    let reach = windows.lame_duck + 3 * SECOND;
    while once_in(rng, 2) && commands.len() < 6 {
        let mut later = pick(rng, &LATER);
        if windows.lame_duck > 0 && rng.bool() {
            later = Command::CancelDrain;
        }
        commands.push((drain + rng.u64(0..reach), later));
    }
    if once_in(rng, 8) {
        // Somebody who does not want to wait.
        let pace = rng.u64(200 * MS..500 * MS);
        commands.extend((1..5).map(|number| (drain + number * pace, Command::Terminate)));
    }
    if once_in(rng, 30) {
        commands.push((
            drain.saturating_sub(rng.u64(0..100 * MS)),
            Command::CancelDrain,
        ));
    }
    commands.sort();
    commands
}

fn stalls(rng: &mut Rng, drain: Micros) -> Vec<(Micros, Micros)> {
    if !once_in(rng, 4) {
        return Vec::new();
    }
    let from = if rng.bool() {
        drain.saturating_sub(rng.u64(0..50 * MS))
    } else {
        drain + rng.u64(0..SECOND)
    };
    vec![(from, from + rng.u64(1..600 * MS))]
}
