//! What a request costs: neap, its peers and the limit, side by side.
//!
//! `cargo run --release --manifest-path bench/Cargo.toml --bin speed`

use std::error::Error;
use std::fs;
use std::io;
use std::path::PathBuf;

use clap::Parser;
use neap_bench::figures::Table;
use neap_bench::machine::Machine;
use neap_bench::server::{Server, Workshop};
use neap_bench::speed::idle::{self, Idle};
use neap_bench::speed::rounds::Rounds;
use neap_bench::speed::slices::{self, Running, Series, Slice};
use neap_bench::speed::workload::ALL;
use neap_bench::speed::{LIMIT, REFERENCE, start, syscalls};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;

/// What repeats the measurement.
const COMMAND: &str = "cargo run --release --manifest-path bench/Cargo.toml --bin speed";

/// neap on each of its reactors.
const NEAP: [(&str, &str); 2] = [
    ("neap", "peer-neap"),
    ("neap (async-io)", "peer-neap-async-io"),
];

/// Measures what a request costs neap and its peers
#[derive(Debug, Parser)]
struct Arguments {
    /// Only these servers
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Only these workloads
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    workload: Vec<String>,
    /// How often each server has its turn
    #[arg(long, value_name = "N", default_value_t = 11)]
    rounds: usize,
    /// Write all figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// All that was measured.
#[derive(Debug, Serialize)]
struct Record {
    command: &'static str,
    machine: Machine,
    servers: Vec<(&'static str, String)>,
    series: Vec<Series>,
    syscalls: Vec<(&'static str, Syscalls)>,
    idle: Rounds<Idle>,
}

/// How many system calls a server makes for a request.
#[derive(Clone, Copy, Debug, Serialize)]
struct Syscalls {
    of_64: Option<f64>,
    of_1: Option<f64>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    // Before this thread keeps to one of the cores.
    let machine = Machine::this();
    raise_open_files_limit()?;
    let workshop = Workshop::open()?;
    let servers = roster(&workshop, &arguments.only);
    let started: io::Result<Vec<_>> = servers
        .iter()
        .map(|server| {
            let process = start(server)?;
            let server = server.clone();
            Ok(Running { server, process })
        })
        .collect();
    let running = started?;
    let mut series = Vec::new();
    let wanted = &arguments.workload;
    for workload in ALL {
        if wanted.is_empty() || wanted.iter().any(|name| name == workload.name) {
            eprintln!("{}: {}", workload.name, workload.what);
            series.push(slices::measure(&running, workload, arguments.rounds)?);
        }
    }
    eprintln!("system calls");
    let syscalls = running.iter().map(count_syscalls).collect();
    // The servers end here: for the idle connections there are new ones.
    drop(running);
    eprintln!("idle connections");
    let idle = idle::measure(&servers);
    let record = Record {
        command: COMMAND,
        machine,
        servers: servers
            .into_iter()
            .map(|server| (server.name, server.version))
            .collect(),
        series,
        syscalls,
        idle,
    };
    print(&record);
    if let Some(file) = arguments.json {
        fs::write(file, serde_json::to_string_pretty(&record)?)?;
    }
    Ok(())
}

/// Connections are open files, of the servers' as well as of ours.
fn raise_open_files_limit() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    Ok(setrlimit(Resource::Nofile, raised)?)
}

fn roster(workshop: &Workshop, wanted: &[String]) -> Vec<Server> {
    let mut all: Vec<_> = NEAP
        .iter()
        .map(|(name, binary)| Ok(workshop.peer(name, binary, "neap-smol")))
        .collect();
    all.extend([
        Ok(workshop.peer(LIMIT, "peer-epoll", "neap-bench")),
        Ok(workshop.peer(REFERENCE, "peer-hyper", "hyper")),
        Ok(workshop.peer("axum", "peer-axum", "axum")),
        Ok(workshop.peer("actix-web", "peer-actix", "actix-web")),
        Ok(workshop.peer("may_minihttp", "peer-may", "may_minihttp")),
        Ok(workshop.peer("trillium-smol", "peer-trillium", "trillium-smol")),
        workshop.go(),
        workshop.nginx(),
    ]);
    let mut servers = Vec::new();
    for server in all {
        match server {
            Ok(server) => servers.push(server),
            Err(skipped) => eprintln!("skipped: {}: {}", skipped.name, skipped.reason),
        }
    }
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|other| other == name);
    servers.retain(|server| is_wanted(server.name));
    servers
}

fn count_syscalls(running: &Running) -> (&'static str, Syscalls) {
    let count = |workload| {
        syscalls::count(&running.process, workload)
            .inspect_err(|error| eprintln!("n/a: {}: {error}", running.server.name))
            .ok()
    };
    let syscalls = Syscalls {
        of_64: count(ALL[0]),
        of_1: count(ALL[3]),
    };
    (running.server.name, syscalls)
}

fn print(record: &Record) {
    let cpu = |slice: &Slice| slice.cpu_per_request;
    let throughput = |slice: &Slice| slice.requests_per_second;
    println!("{}\n{}\n", record.machine, record.command);
    println!("CPU time per request, to that of {REFERENCE}:\n");
    println!(
        "{}",
        by_workload(record, 2, |series, name| series.ratio(name, cpu))
    );
    println!("Throughput, to that of {REFERENCE}:\n");
    println!(
        "{}",
        by_workload(record, 2, |series, name| series.ratio(name, throughput))
    );
    println!("CPU time per request, µs:\n");
    println!(
        "{}",
        by_workload(record, 1, |series, name| series.median(name, cpu))
    );
    let mut table = Table::new([
        "server",
        "system calls per request, 64 connections",
        "1 connection",
        "bytes per idle connection",
        "drain of 10,000, ms",
        "to the limit's",
    ]);
    let bytes = |idle: &Idle| Some(idle.bytes_per_connection);
    let drain = |idle: &Idle| idle.drain_ms;
    for (name, syscalls) in &record.syscalls {
        table.row([
            (*name).to_owned(),
            figure(syscalls.of_64, 2),
            figure(syscalls.of_1, 2),
            figure(record.idle.median(name, bytes), 0),
            figure(record.idle.median(name, drain), 0),
            figure(record.idle.ratio(name, LIMIT, drain), 2),
        ]);
    }
    println!("{table}");
}

fn by_workload(
    record: &Record,
    decimals: usize,
    look_up: impl Fn(&Series, &str) -> Option<f64>,
) -> Table {
    let workloads = record.series.iter().map(|series| series.workload.name);
    let mut table = Table::new(["server"].into_iter().chain(workloads));
    for (name, version) in &record.servers {
        let cells = record.series.iter();
        let cells = cells.map(|series| figure(look_up(series, name), decimals));
        table.row([format!("{name} {version}")].into_iter().chain(cells));
    }
    table
}

fn figure(figure: Option<f64>, decimals: usize) -> String {
    figure.map_or("–".into(), |figure| format!("{figure:.decimals$}"))
}
