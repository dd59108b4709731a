//! Explores shutdowns on the virtual kernel.

use neap_tests::simulation::faults::Fault;
use neap_tests::simulation::{draw, judge::judge, world::run};

fn main() {
    let mut bad = std::collections::BTreeMap::<&str, (u32, u64, String)>::new();
    let from: u64 = std::env::args().nth(1).map_or(0, |s| s.parse().unwrap());
    let count: u64 = std::env::args().nth(2).map_or(100, |s| s.parse().unwrap());
    let tracing = count == 1;
    let mut panics = 0;
    for seed in from..from + count {
        let script = draw(seed);
        if tracing { println!("{script:#?}"); }
        let begun = std::time::Instant::now();
        let ran = std::panic::catch_unwind(|| run(&script, Fault::None, tracing));
        let Ok(run) = ran else { println!("seed {seed} panicked"); panics += 1; continue };
        if tracing { for l in &run.trace { println!("{l}"); } for s in &run.servers { println!("{:?} {:?} {:?}", s.steps, s.ended, s.account);} }
        let took = begun.elapsed(); if took.as_millis() > 100 { println!("slow {seed} {took:?}"); }
        for v in judge(&run) {
            if tracing { println!("{v}"); }
            let e = bad.entry(v.rule).or_insert((0, seed, v.text.clone()));
            e.0 += 1;
        }
    }
    println!("{panics} panics");
    for (rule, (n, seed, text)) in bad { println!("{n:>6} {rule}: seed {seed}: {text}"); }
}
