//! Explores shutdowns on the virtual kernel:
//! `simulate [--seeds N] [--from SEED] [--seed SEED]`.
//!
//! Runs N seeds, 10,000 if nothing is said, from SEED on. A seed that breaks a rule is made smaller
//! and printed, with how to repeat it; so is what was not met. `--seed` runs one and shows what
//! happens.

use std::process::ExitCode;
use std::time::Instant;

use neap_tests::simulation::coverage::Coverage;
use neap_tests::simulation::draw;
use neap_tests::simulation::faults::Fault;
use neap_tests::simulation::judge::judge;
use neap_tests::simulation::shrink::shrink;
use neap_tests::simulation::world::run;

/// How many failing seeds are shown.
const SHOWN: usize = 5;

/// What the command line asks for.
struct Asked {
    seeds: u64,
    from: u64,
    seed: Option<u64>,
}

fn asked() -> Result<Asked, String> {
    let mut asked = Asked {
        seeds: 10_000,
        from: 0,
        seed: None,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let number = words.next().and_then(|number| number.parse().ok());
        let number = number.ok_or_else(|| format!("{word} needs a number"))?;
        match word.as_str() {
            "--seeds" => asked.seeds = number,
            "--from" => asked.from = number,
            "--seed" => asked.seed = Some(number),
            _ => return Err(format!("{word} is not known")),
        }
    }
    Ok(asked)
}

fn main() -> ExitCode {
    match asked() {
        Err(error) => {
            eprintln!("{error}; usage: simulate [--seeds N] [--from SEED] [--seed SEED]");
            ExitCode::from(2)
        }
        Ok(Asked {
            seed: Some(seed), ..
        }) => show(seed),
        Ok(asked) => explore(&asked),
    }
}

/// Runs one seed and shows what happens.
fn show(seed: u64) -> ExitCode {
    let script = draw(seed);
    println!("{script:#?}");
    let run = run(&script, Fault::None, true);
    println!("{}", run.trace.join("\n"));
    for server in &run.servers {
        println!("{:?}\n{:?}", server.steps, server.account);
    }
    let violations = judge(&run);
    for violation in &violations {
        println!("{violation}");
    }
    ExitCode::from(u8::from(!violations.is_empty()))
}

fn explore(asked: &Asked) -> ExitCode {
    let begun = Instant::now();
    let mut coverage = Coverage::default();
    let mut failed = Vec::new();
    for seed in asked.from..asked.from.saturating_add(asked.seeds) {
        let run = run(&draw(seed), Fault::None, false);
        coverage.add(&run);
        if let Some(violation) = judge(&run).into_iter().next() {
            println!("seed {seed}: {violation}");
            failed.push(seed);
        }
    }
    for seed in failed.iter().take(SHOWN) {
        println!(
            "seed {seed} made smaller: {:#?}",
            shrink(&draw(*seed), Fault::None)
        );
        println!("repeat it: cargo run --release -p neap-tests --bin simulate -- --seed {seed}");
    }
    print!("{}", coverage.lines());
    let missing = coverage.missing();
    for what in &missing {
        println!("never met: {what}");
    }
    let (seeds, took) = (asked.seeds, begun.elapsed());
    println!(
        "{seeds} seeds, {} failed, in {:.1} s",
        failed.len(),
        took.as_secs_f64()
    );
    ExitCode::from(u8::from(!(failed.is_empty() && missing.is_empty())))
}
