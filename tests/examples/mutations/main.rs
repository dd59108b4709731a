//! Breaks neap on purpose, one guard at a time, and fails if the test that should notice does not.
//!
//! `cargo run -p neap-tests --example mutations` does all of it on a copy of the workspace in
//! `target/mutations`; an argument chooses those whose guard or file contains it. What counts as
//! noticed is that the named test fails, not that something else does or that nothing compiles.

mod connection;
mod connections;
mod input;
mod lifecycle;
mod listeners;
mod runtime;
mod sealing;
mod upgraded;

use std::collections::BTreeSet;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// How long one test may take. A mutation may well keep it from coming to its end.
const PATIENCE: Duration = Duration::from_secs(120);

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

/// A test, as cargo finds it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Test {
    package: &'static str,
    /// The integration test that it is in, or none for the library's own.
    target: Option<&'static str>,
    name: &'static str,
}

const fn in_core(target: &'static str, name: &'static str) -> Test {
    Test {
        package: "neap-core",
        target: Some(target),
        name,
    }
}

const fn in_core_itself(name: &'static str) -> Test {
    Test {
        package: "neap-core",
        target: None,
        name,
    }
}

const fn in_runtime(target: &'static str, name: &'static str) -> Test {
    Test {
        package: "neap-smol",
        target: Some(target),
        name,
    }
}

const fn in_runtime_itself(name: &'static str) -> Test {
    Test {
        package: "neap-smol",
        target: None,
        name,
    }
}

const fn in_model(name: &'static str) -> Test {
    Test {
        package: "neap-tests",
        target: Some("model"),
        name,
    }
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
    fn new() -> io::Result<Copy> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let target = std::env::var_os("CARGO_TARGET_DIR");
        let target = target.map_or_else(|| source.join("target"), PathBuf::from);
        let copy = Copy {
            root: target.join("mutations/sources"),
            target: target.join("mutations/target"),
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
    fn run(&self, tests: &[Test]) -> io::Result<Verdict> {
        let build = self.cargo(&tests[0], &["--no-run"]).spawn()?;
        if wait(build)? != Verdict::Passed {
            return Ok(Verdict::DoesNotCompile);
        }
        let mut run = self.cargo(&tests[0], &["--", "--exact"]);
        run.args(tests.iter().map(|test| test.name));
        wait(run.spawn()?)
    }

    fn cargo(&self, test: &Test, rest: &[&str]) -> Command {
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.target)
            .args(["test", "--quiet", "--locked", "-p", test.package]);
        match test.target {
            Some(target) => cargo.args(["--test", target]),
            None => cargo.arg("--lib"),
        };
        // A group of its own, so that a test that hangs can be ended with it.
        cargo
            .args(rest)
            .process_group(0)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        cargo
    }

    /// Makes the mutation, runs its test, takes it back. An error says what is wrong with it.
    fn try_out(&self, mutation: &Mutation) -> io::Result<Result<(), &'static str>> {
        let path = self.root.join(mutation.file);
        let text = std::fs::read_to_string(&path)?;
        if text.matches(mutation.from).count() != 1 {
            return Ok(Err("the original text does not stand there exactly once"));
        }
        std::fs::write(&path, text.replace(mutation.from, mutation.to))?;
        let verdict = self.run(&[mutation.test]);
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

fn wait(mut child: Child) -> io::Result<Verdict> {
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
        if begun.elapsed() > PATIENCE {
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

/// Every test has to pass as long as nothing is broken.
fn check_baseline(copy: &Copy, mutations: &[&Mutation]) -> io::Result<bool> {
    let tests: BTreeSet<Test> = mutations.iter().map(|mutation| mutation.test).collect();
    let targets: BTreeSet<_> = tests
        .iter()
        .map(|test| (test.package, test.target))
        .collect();
    let mut passed = true;
    for target in targets {
        let of_target = tests
            .iter()
            .filter(|test| (test.package, test.target) == target);
        let of_target: Vec<Test> = of_target.copied().collect();
        if copy.run(&of_target)? != Verdict::Passed {
            println!("{} {:?}: fails with nothing broken", target.0, target.1);
            passed = false;
        }
    }
    Ok(passed)
}

fn main() -> io::Result<ExitCode> {
    let chosen = std::env::args().nth(1).unwrap_or_default();
    let lists = [
        lifecycle::MUTATIONS,
        connection::MUTATIONS,
        upgraded::MUTATIONS,
        input::MUTATIONS,
        listeners::MUTATIONS,
        sealing::MUTATIONS,
        connections::MUTATIONS,
        runtime::MUTATIONS,
    ];
    let all = lists.iter().copied().flatten();
    let mutations: Vec<&Mutation> = all
        .filter(|mutation| [mutation.guard, mutation.file].concat().contains(&chosen))
        .collect();
    let begun = Instant::now();
    let copy = Copy::new()?;
    let mut failures = u32::from(!check_baseline(&copy, &mutations)?);
    for mutation in &mutations {
        let name = mutation.test.name;
        match copy.try_out(mutation)? {
            Ok(()) => println!("noticed: {}: {name}", mutation.guard),
            Err(error) => {
                failures += 1;
                let file = mutation.file;
                println!("FAILED: {} ({file}): {name}: {error}", mutation.guard);
            }
        }
    }
    let seconds = begun.elapsed().as_secs();
    println!(
        "{} mutations, {failures} failures, {seconds} s",
        mutations.len()
    );
    Ok(if failures == 0 && !mutations.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
