//! Breaks neap on purpose, one guard at a time, and fails if the test that should notice does not.
//!
//! `cargo run -p neap-tests --example mutations` does all of it on two copies of the workspace in
//! `target/mutations`; an argument chooses those whose guard or file contains it. What counts as
//! noticed is that the named test fails, not that something else does or that nothing compiles.

mod connection;
mod connections;
mod content;
mod embedding;
mod input;
mod lifecycle;
mod lingering;
mod listeners;
mod probe;
mod runtime;
mod sealing;
mod serving;
mod test;
mod threads;
mod upgraded;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use test::{
    Target, Test, drain, exchange, in_core, in_core_itself, in_model, in_runtime,
    in_runtime_itself, in_runtime_with_features, in_seam, in_tests,
};

/// How long a test may take, which a mutation may well keep from coming to its end: so many times
/// as long as with nothing broken, and a while.
const PATIENCE: (u32, Duration) = (5, Duration::from_secs(15));

/// How long a test may take with nothing broken.
const LONGEST: Duration = Duration::from_secs(300);

/// What is copied of the workspace: all that its tests read.
const COPIED: [&str; 8] = [
    "Cargo.toml",
    "Cargo.lock",
    "README.md",
    "docs",
    "core",
    "runtime-smol",
    "cli",
    "tests",
];

/// A guard, what deleting it looks like, and who should notice.
struct Mutation {
    /// What the guard is for, with the section of the specification where that has one.
    guard: &'static str,
    /// The file, and the text in it that stands there exactly once.
    file: &'static str,
    from: &'static str,
    to: &'static str,
    test: Test,
}

/// How a run of tests ended.
#[derive(PartialEq, Eq)]
enum Verdict {
    Passed,
    Failed,
    DoesNotCompile,
    Hangs,
}

/// A copy of the workspace, and where its builds go.
struct Copy {
    root: PathBuf,
    target: PathBuf,
}

impl Copy {
    fn new(end: End) -> io::Result<Copy> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let target = std::env::var_os("CARGO_TARGET_DIR");
        let target = target.map_or_else(|| source.join("target"), PathBuf::from);
        let folder = match end {
            End::Front => target.join("mutations/front"),
            End::Back => target.join("mutations/back"),
        };
        let copy = Copy {
            root: folder.join("sources"),
            target: folder.join("target"),
        };
        if copy.root.exists() {
            std::fs::remove_dir_all(&copy.root)?;
        }
        std::fs::create_dir_all(&copy.root)?;
        for name in COPIED {
            copy_all(&source.join(name), &copy.root.join(name))?;
        }
        Ok(copy)
    }

    /// Runs these tests, all of one target.
    fn run(&self, tests: &[Test], patience: Duration) -> io::Result<Verdict> {
        let Some(program) = self.build(&tests[0])? else {
            return Ok(Verdict::DoesNotCompile);
        };
        let mut run = Command::new(program);
        // Where cargo would run it, too.
        run.current_dir(self.root.join(tests[0].folder()))
            .arg("--exact")
            .args(tests.iter().map(|test| test.name))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // A group of its own, so that a test that hangs can be ended with it.
        wait(run.process_group(0).spawn()?, patience)
    }

    /// Builds what the test is in; nothing if that fails.
    fn build(&self, test: &Test) -> io::Result<Option<PathBuf>> {
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.target)
            // Half of the time would go into what only a debugger reads.
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .args(["test", "--no-run", "--quiet", "--locked"])
            .args(["--message-format=json", "-p", test.package]);
        if test.has_features {
            cargo.arg("--all-features");
        }
        match test.target {
            Some(target) => cargo.args(["--test", target]),
            None => cargo.arg("--lib"),
        };
        let built = cargo.stderr(Stdio::null()).output()?;
        if !built.status.success() {
            return Ok(None);
        }
        let messages = String::from_utf8_lossy(&built.stdout);
        // Cargo builds a package's programs for its integration tests, too.
        let tests = messages
            .lines()
            .filter(|message| !message.contains("\"kind\":[\"bin\"]"));
        let mut programs = tests.filter_map(|message| {
            let (_, rest) = message.split_once("\"executable\":\"")?;
            rest.split_once('"').map(|(program, _)| program.into())
        });
        Ok(programs.next_back())
    }

    /// Makes the mutation, runs its test, takes it back. An error says what is wrong with it.
    fn try_out(
        &self,
        mutation: &Mutation,
        patience: Duration,
    ) -> io::Result<Result<(), &'static str>> {
        let path = self.root.join(mutation.file);
        let text = std::fs::read_to_string(&path)?;
        if text.matches(mutation.from).count() != 1 {
            return Ok(Err("the original text does not stand there exactly once"));
        }
        std::fs::write(&path, text.replace(mutation.from, mutation.to))?;
        let verdict = self.run(&[mutation.test], patience);
        std::fs::write(&path, text)?;
        Ok(match verdict? {
            Verdict::Failed | Verdict::Hangs => Ok(()),
            Verdict::Passed => Err("the test does not notice"),
            Verdict::DoesNotCompile => Err("it does not compile"),
        })
    }
}

fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        return std::fs::copy(from, to).map(|_| ());
    }
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let name = entry?.file_name();
        if name != "target" {
            copy_all(&from.join(&name), &to.join(&name))?;
        }
    }
    Ok(())
}

fn wait(mut child: Child, patience: Duration) -> io::Result<Verdict> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            let failed = Ok(Verdict::Failed);
            return if status.success() {
                Ok(Verdict::Passed)
            } else {
                failed
            };
        }
        if begun.elapsed() > patience {
            if let Some(group) = rustix::process::Pid::from_raw(child.id().cast_signed()) {
                let kill = rustix::process::Signal::KILL;
                rustix::process::kill_process_group(group, kill)?;
            }
            child.wait()?;
            return Ok(Verdict::Hangs);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The mutations that are left. Neighbours share what has been built, so that one hand takes them
/// from the front and the other from the back.
struct Left(Mutex<VecDeque<&'static Mutation>>);

/// Which end of the list is one's own.
#[derive(Clone, Copy)]
enum End {
    Front,
    Back,
}

impl Left {
    fn take(&self, end: End) -> Option<&'static Mutation> {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match end {
            End::Front => left.pop_front(),
            End::Back => left.pop_back(),
        }
    }
}

/// Tries out mutations until none is left, and counts those that went unnoticed.
struct Hand<'a> {
    copy: Copy,
    /// All tests that are to notice something.
    tests: &'a BTreeSet<Test>,
    /// How long the tests of each target may take; nothing if one fails with nothing broken.
    allowed: BTreeMap<Target, Option<Duration>>,
}

impl Hand<'_> {
    fn work(mut self, left: &Left, end: End) -> io::Result<usize> {
        let mut failures = 0;
        while let Some(mutation) = left.take(end) {
            let name = mutation.test.name;
            let tried = match self.allowed(mutation.test.of())? {
                Some(allowed) => self.copy.try_out(mutation, allowed)?,
                None => Err("its target's tests fail with nothing broken"),
            };
            match tried {
                Ok(()) => println!("noticed: {}: {name}", mutation.guard),
                Err(error) => {
                    failures += 1;
                    let file = mutation.file;
                    println!("FAILED: {} ({file}): {name}: {error}", mutation.guard);
                }
            }
        }
        Ok(failures)
    }

    /// Every test has to pass as long as nothing is broken. Says how long it may take when
    /// something is.
    fn allowed(&mut self, target: Target) -> io::Result<Option<Duration>> {
        if let Some(allowed) = self.allowed.get(&target) {
            return Ok(*allowed);
        }
        let tests = self.tests.iter().filter(|test| test.of() == target);
        let tests: Vec<Test> = tests.copied().collect();
        self.copy.build(&tests[0])?;
        let begun = Instant::now();
        let passes = self.copy.run(&tests, LONGEST)? == Verdict::Passed;
        let (times, while_others_run) = PATIENCE;
        let allowed = passes.then(|| begun.elapsed() * times + while_others_run);
        self.allowed.insert(target, allowed);
        Ok(allowed)
    }
}

fn main() -> io::Result<ExitCode> {
    let chosen = std::env::args().nth(1).unwrap_or_default();
    let lists = [
        lifecycle::MUTATIONS,
        connection::MUTATIONS,
        lingering::MUTATIONS,
        upgraded::MUTATIONS,
        input::MUTATIONS,
        listeners::MUTATIONS,
        sealing::MUTATIONS,
        connections::MUTATIONS,
        content::MUTATIONS,
        probe::MUTATIONS,
        runtime::MUTATIONS,
        embedding::MUTATIONS,
        threads::MUTATIONS,
        serving::MUTATIONS,
    ];
    let all = lists.iter().copied().flatten();
    let mut mutations: Vec<&Mutation> = all
        .filter(|mutation| [mutation.guard, mutation.file].concat().contains(&chosen))
        .collect();
    mutations.sort_by_key(|mutation| (mutation.test.package, mutation.test.target, mutation.file));
    let count = mutations.len();
    let tests = mutations.iter().map(|mutation| mutation.test).collect();
    let left = Left(Mutex::new(mutations.into()));
    let begun = Instant::now();
    let hand = |end| -> io::Result<usize> {
        let hand = Hand {
            copy: Copy::new(end)?,
            tests: &tests,
            allowed: BTreeMap::new(),
        };
        hand.work(&left, end)
    };
    let failures = std::thread::scope(|scope| -> io::Result<usize> {
        let other = scope.spawn(|| hand(End::Back));
        let mine = hand(End::Front)?;
        Ok(mine
            + other
                .join()
                .map_err(|_| io::Error::other("a hand panicked"))??)
    })?;
    let seconds = begun.elapsed().as_secs();
    println!("{count} mutations, {failures} failures, {seconds} s");
    Ok(if failures == 0 && count > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
