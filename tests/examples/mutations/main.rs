//! Breaks neap on purpose, one guard at a time, and fails if the test that should notice does not.
//!
//! `cargo run -p neap-tests --example mutations` does all of it on a copy of the workspace in
//! `target/mutations`; an argument chooses those whose guard or file contains it. What counts as
//! noticed is that the named test fails, not that something else does or that nothing compiles.

mod connection;
mod connections;
mod embedding;
mod input;
mod lifecycle;
mod listeners;
mod runtime;
mod sealing;
mod serving;
mod threads;
mod upgraded;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

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

/// A test, as cargo finds it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Test {
    package: &'static str,
    /// The integration test that it is in, or none for the library's own.
    target: Option<&'static str>,
    /// Whether it takes the package's features beyond the default ones.
    has_features: bool,
    name: &'static str,
}

const fn in_core(target: &'static str, name: &'static str) -> Test {
    Test {
        package: "neap-core",
        target: Some(target),
        has_features: false,
        name,
    }
}

const fn in_core_itself(name: &'static str) -> Test {
    Test {
        package: "neap-core",
        target: None,
        has_features: false,
        name,
    }
}

const fn in_runtime(target: &'static str, name: &'static str) -> Test {
    Test {
        package: "neap-smol",
        target: Some(target),
        has_features: false,
        name,
    }
}

/// For what only a feature brings.
const fn in_runtime_with_features(target: &'static str, name: &'static str) -> Test {
    Test {
        has_features: true,
        ..in_runtime(target, name)
    }
}

const fn in_runtime_itself(name: &'static str) -> Test {
    Test {
        package: "neap-smol",
        target: None,
        has_features: false,
        name,
    }
}

const fn in_model(name: &'static str) -> Test {
    in_tests("model", name)
}

/// For what only the command shows, which the test builds.
const fn in_tests(target: &'static str, name: &'static str) -> Test {
    Test {
        package: "neap-tests",
        target: Some(target),
        has_features: false,
        name,
    }
}

/// A package, and the integration test in it or none for the library's own.
type Target = (&'static str, Option<&'static str>);

/// How long the tests of each target may take.
type Allowed = BTreeMap<Target, Duration>;

impl Test {
    fn of(&self) -> Target {
        (self.package, self.target)
    }

    /// The package's folder.
    fn folder(&self) -> &'static str {
        match self.package {
            "neap-core" => "core",
            "neap-smol" => "runtime-smol",
            _ => "tests",
        }
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

/// Every test has to pass as long as nothing is broken. Says how long each target may take when
/// something is; `None` if one does not pass.
fn check_baseline(copy: &Copy, mutations: &[&Mutation]) -> io::Result<Option<Allowed>> {
    let tests: BTreeSet<Test> = mutations.iter().map(|mutation| mutation.test).collect();
    let mut by_target: BTreeMap<Target, Vec<Test>> = BTreeMap::new();
    for test in tests {
        by_target.entry(test.of()).or_default().push(test);
    }
    let mut allowed = Some(Allowed::new());
    for (target, tests) in by_target {
        copy.build(&tests[0])?;
        let begun = Instant::now();
        if copy.run(&tests, LONGEST)? != Verdict::Passed {
            println!("{} {:?}: fails with nothing broken", target.0, target.1);
            allowed = None;
        }
        let (times, while_others_run) = PATIENCE;
        let patience = begun.elapsed() * times + while_others_run;
        if let Some(allowed) = &mut allowed {
            allowed.insert(target, patience);
        }
    }
    Ok(allowed)
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
        embedding::MUTATIONS,
        threads::MUTATIONS,
        serving::MUTATIONS,
    ];
    let all = lists.iter().copied().flatten();
    let mut mutations: Vec<&Mutation> = all
        .filter(|mutation| [mutation.guard, mutation.file].concat().contains(&chosen))
        .collect();
    // Neighbours share what has been built.
    mutations.sort_by_key(|mutation| (mutation.test.package, mutation.test.target, mutation.file));
    let begun = Instant::now();
    let copy = Copy::new()?;
    let Some(allowed) = check_baseline(&copy, &mutations)? else {
        return Ok(ExitCode::FAILURE);
    };
    let mut failures = 0;
    for mutation in &mutations {
        let name = mutation.test.name;
        match copy.try_out(mutation, allowed[&mutation.test.of()])? {
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
