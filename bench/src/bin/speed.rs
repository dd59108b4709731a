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
use neap_bench::speed::slices::{self, Running, Series, Slice};
use neap_bench::speed::workload::ALL;
use neap_bench::speed::{REFERENCE, start, syscalls};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;

/// What repeats the measurement.
const COMMAND: &str = "cargo run --release --manifest-path bench/Cargo.toml --bin speed";

/// neap on each of its reactors.
const NEAP: [(&str, &str); 2] = [
    ("neap", "peer-neap"),
    ("neap (async-io)", "peer-neap-async-io"),
];

/// How often idle connections are measured.
const IDLE_TIMES: usize = 3;

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
    costs: Vec<(&'static str, Costs)>,
}

/// What a server costs apart from CPU time.
#[derive(Clone, Copy, Debug, Serialize)]
struct Costs {
    syscalls_of_64: Option<f64>,
    syscalls_of_1: Option<f64>,
    idle: Option<Idle>,
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
    let costs = costs(running)?;
    let record = Record {
        command: COMMAND,
        machine,
        servers: servers
            .into_iter()
            .map(|server| (server.name, server.version))
            .collect(),
        series,
        costs,
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
        Ok(workshop.peer("limit", "peer-epoll", "neap-bench")),
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

/// Counts system calls, ends the servers, and measures idle connections with new ones.
fn costs(running: Vec<Running>) -> io::Result<Vec<(&'static str, Costs)>> {
    eprintln!("system calls");
    let count = |running: &Running, workload| {
        syscalls::count(&running.process, workload)
            .inspect_err(|error| eprintln!("n/a: {}: {error}", running.server.name))
            .ok()
    };
    let counted: Vec<_> = running
        .iter()
        .map(|running| [count(running, ALL[0]), count(running, ALL[3])])
        .collect();
    let servers: Vec<Server> = running.into_iter().map(|running| running.server).collect();
    eprintln!("idle connections");
    let both = servers.iter().zip(counted);
    Ok(both
        .map(|(server, [syscalls_of_64, syscalls_of_1])| {
            let idle = idle::measure(server, IDLE_TIMES)
                .inspect_err(|error| eprintln!("n/a: {}: {error}", server.name))
                .ok();
            let costs = Costs {
                syscalls_of_64,
                syscalls_of_1,
                idle,
            };
            (server.name, costs)
        })
        .collect())
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
    ]);
    for (name, costs) in &record.costs {
        table.row([
            (*name).to_owned(),
            figure(costs.syscalls_of_64, 2),
            figure(costs.syscalls_of_1, 2),
            figure(costs.idle.map(|idle| idle.bytes_per_connection), 0),
            figure(costs.idle.and_then(|idle| idle.drain_ms), 0),
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
