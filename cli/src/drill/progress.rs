//! What is shown while a drill is held: a bar on a terminal, a line for each situation elsewhere.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::record::{Situation, Verdict};
use super::situation::Entry;

/// Shown on standard error: standard output is for what was found.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    all: usize,
    done: usize,
}

impl Progress {
    pub(crate) fn new(all: usize) -> Progress {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(all as u64);
            let style = ProgressStyle::with_template("{spinner} {pos}/{len} {wide_msg} {elapsed}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Progress { bar, all, done: 0 }
    }

    pub(crate) fn begin(&self, entry: &Entry) {
        if let Some(bar) = &self.bar {
            bar.set_message(entry.title);
        }
    }

    pub(crate) fn end(&mut self, situation: &Situation) {
        self.done += 1;
        let (done, all) = (self.done, self.all);
        match &self.bar {
            Some(bar) => bar.inc(1),
            None if situation.verdict == Verdict::NotApplicable => {}
            None => {
                let (id, verdict) = (situation.id, situation.verdict.name());
                // Nobody may be listening, which is no reason to stop.
                let _ = writeln!(io::stderr(), "[{done}/{all}] {id}: {verdict}");
            }
        }
    }

    pub(crate) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
