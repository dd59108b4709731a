//! Clients that vanish, and a signal that comes before anybody could.

use super::{
    Doing, Entry, Exit, Need, Script, Setup, Step, UPLOAD, UPLOAD_BEFORE, content, halves, part,
    whole,
};
use crate::drill::fact::Fact;
use crate::drill::stage::Act;

/// The situation in which there is no client.
pub(super) const START_UP: &str = "start-up";

const VANISH: &[Act] = &[
    Act::InPlace,
    Act::Open,
    Act::InPlace,
    Act::Confirm(Fact::Gone),
    Act::Signal,
    Act::Open,
];

/// What the two have in common.
const VANISHING: Entry = Entry {
    acts: VANISH,
    exit: Exit::Prompt,
    passed: "nobody waits for clients that have gone, whatever they were doing",
    failed: "clients that have gone are waited for",
    mend: "count a connection out however it ends",
    ..Entry::PLAIN
};

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        id: "vanish-fin",
        title: "Clients that vanish, by FIN",
        clients: |setup| vanishing(setup, &Step::Vanish),
        ..VANISHING
    },
    Entry {
        id: "vanish-rst",
        title: "Clients that vanish, by RST",
        clients: |setup| vanishing(setup, &Step::Reset),
        ..VANISHING
    },
    Entry {
        id: START_UP,
        title: "Signal while it starts",
        needs: &[Need::Start],
        exit: Exit::Prompt,
        passed: "a server that is told to stop while it starts stops",
        failed: "a signal during the start is lost: the server goes on, until it is killed",
        mend: "install the handler before anything else, and look at its flag before serving",
        ..Entry::PLAIN
    },
];

/// For each stage of a connection, one that goes before the signal, and one that goes after it.
fn vanishing(setup: &Setup<'_>, end: &Step) -> Vec<(Script, usize)> {
    let mut stages = stages(setup);
    let both = stages.drain(..).flat_map(|(label, steps)| {
        let go = |gates: &[Step]| {
            let steps = [
                vec![Step::Connect],
                steps.clone(),
                gates.to_vec(),
                vec![end.clone()],
            ];
            (setup.script(label, 0, steps.concat()), 1)
        };
        [go(&[Step::Gate]), go(&[Step::Gate, Step::Gate])]
    });
    both.collect()
}

fn stages(setup: &Setup<'_>) -> Vec<(&'static str, Vec<Step>)> {
    let probe = setup.probe;
    let [half, _] = halves(&setup.fast());
    let mut stages = vec![
        ("silent", Vec::new()),
        ("half a head", vec![part(half, Doing::SendingHead)]),
    ];
    if probe.keeps_alive {
        stages.push(("idle", vec![Step::Warm(setup.fast())]));
    }
    if probe.slow.is_some() {
        stages.push(("waiting", vec![whole(setup.slow())]));
    }
    if probe.stream.is_some() {
        stages.push(("receiving", vec![whole(setup.stream()), Step::Begin]));
    }
    if probe.upload.is_some() {
        let head = setup.upload_head(&probe.upload_path(), UPLOAD);
        let half = part(content(UPLOAD_BEFORE), Doing::SendingContent);
        stages.push(("uploading", vec![part(head, Doing::SendingHead), half]));
    }
    stages
}
