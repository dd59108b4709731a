//! Making a script smaller while it still breaks a rule.

use super::faults::Fault;
use super::judge::{Violation, judge};
use super::script::{Listing, Reading, Script, Step};
use super::world::run;

/// The first rule that a script breaks.
#[must_use]
pub fn violation(script: &Script, fault: Fault) -> Option<Violation> {
    judge(&run(script, fault, false)).into_iter().next()
}

/// The smallest script found that breaks the same rule as this one does.
///
/// # Panics
///
/// If it breaks none.
#[must_use]
pub fn shrink(script: &Script, fault: Fault) -> Script {
    let rule = violation(script, fault).expect("it breaks a rule").rule;
    let breaks = |script: &Script| {
        let found = judge(&run(script, fault, false));
        found.iter().any(|violation| violation.rule == rule)
    };
    let mut smallest = script.clone();
    loop {
        let smaller = candidates(&smallest)
            .into_iter()
            .find(|candidate| *candidate != smallest && breaks(candidate));
        match smaller {
            Some(smaller) => smallest = smaller,
            None => return smallest,
        }
    }
}

/// Scripts with a little less in them.
fn candidates(script: &Script) -> Vec<Script> {
    let mut all = Vec::new();
    let mut with = |change: &dyn Fn(&mut Script)| {
        let mut smaller = script.clone();
        change(&mut smaller);
        all.push(smaller);
    };
    for client in 0..script.clients.len() {
        with(&|script| {
            script.clients.remove(client);
        });
    }
    if script.servers.len() > 1 {
        with(&|script| script.servers.truncate(1));
    }
    for server in 0..script.servers.len() {
        // The last one is what lets it end.
        for command in 0..script.servers[server].commands.len().saturating_sub(1) {
            with(&|script| {
                script.servers[server].commands.remove(command);
            });
        }
        with(&|script| script.servers[server].stalls.clear());
    }
    with(&|script| script.net.accept_errors.clear());
    with(&|script| script.net.lag = 0);
    with(&|script| script.net.short = false);
    with(&|script| script.net.cookies = false);
    with(&|script| script.net.listing = Listing::Known);
    with(&|script| script.net.listing_lag = 0);
    with(&|script| script.net.descriptors = 1_000);
    with(&|script| script.net.max_connections = 1_000);
    with(&|script| script.net.backlog = 4_096);
    with(&|script| script.net.send_buffer = 262_144);
    with(&|script| script.net.receive_buffer = 131_072);
    with(&|script| script.windows.lame_duck = 0);
    for index in 0..script.clients.len() {
        let client = &script.clients[index];
        with(&|script| script.clients[index].jitter = 0);
        with(&|script| script.clients[index].ack_delay = 0);
        with(&|script| script.clients[index].leaves = false);
        with(&|script| script.clients[index].reading = Reading::AtOnce);
        with(&|script| script.clients[index].receive_buffer = 262_144);
        for step in 0..client.steps.len() {
            with(&|script| {
                script.clients[index].steps.remove(step);
            });
            if let Step::Wait(time) = client.steps[step] {
                with(&|script| script.clients[index].steps[step] = Step::Wait(time / 2));
            }
        }
        if client.requests.len() > 1 {
            let most = client.requests.len() - 1;
            with(&|script| script.clients[index].requests.truncate(most));
        }
    }
    all
}
