//! What `neap drill` says about neap and its peers, in one table.
//!
//! `cargo run --release --manifest-path bench/Cargo.toml --bin drills`

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser;
use neap_bench::drill::{Peer, Yard};
use neap_bench::figures::Table;
use neap_bench::machine::Machine;
use neap_bench::server::Workshop;
use serde::Deserialize;

/// What repeats the table.
const COMMAND: &str = "cargo run --release --manifest-path bench/Cargo.toml --bin drills";

/// Drills neap and its peers, and makes one table of it
#[derive(Debug, Parser)]
struct Arguments {
    /// Only these servers
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    servers: Vec<String>,
    /// Only these situations
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    only: Vec<String>,
    /// Seconds that a server may take from the signal to its exit
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    deadline: String,
    /// Keep each drill's page and figures in this folder
    #[arg(long, value_name = "FOLDER", default_value = "target/drills")]
    keep: PathBuf,
}

/// What a drill's file says, as far as the table needs it.
#[derive(Debug, Deserialize)]
struct File {
    situations: Vec<Situation>,
}

#[derive(Debug, Deserialize)]
struct Situation {
    id: String,
    verdict: String,
    attempts: usize,
    lost: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let workshop = Workshop::open()?;
    let yard = Yard::open(&workshop)?;
    fs::create_dir_all(&arguments.keep)?;
    let mut columns = Vec::new();
    for peer in yard.peers(&workshop) {
        match peer {
            Ok(peer) if arguments.wants(&peer) => {
                let file = drill(&workshop.binary("neap"), &peer, &arguments)?;
                columns.push((peer, file.situations));
            }
            Ok(_) => {}
            Err(skipped) => eprintln!("skipped: {}: {}", skipped.name, skipped.reason),
        }
    }
    print!("{}\n{COMMAND}\n\n{}", Machine::this(), table(&columns));
    Ok(())
}

impl Arguments {
    fn wants(&self, peer: &Peer) -> bool {
        self.servers.is_empty() || self.servers.iter().any(|name| name == peer.preset)
    }
}

fn drill(neap: &Path, peer: &Peer, arguments: &Arguments) -> io::Result<File> {
    eprintln!("{} {}", peer.name, peer.version);
    let kept = |end: &str| arguments.keep.join(format!("{}.{end}", peer.preset));
    let json = kept("json");
    let mut command = Command::new(neap);
    command.args(["drill", "--preset", peer.preset]);
    command.args(["--deadline", &arguments.deadline, "--fast", "/"]);
    command.args(["--slow", "/delay/MS", "--stream", "/stream/10/100"]);
    command.args(["--upload", "/echo", "--download", "/bytes/16000000"]);
    command
        .arg("--json")
        .arg(&json)
        .arg("--html")
        .arg(kept("html"));
    if let Some(pair) = peer.pair {
        command.arg(format!("--pair-arg={pair}"));
    }
    if !arguments.only.is_empty() {
        command.arg("--only").arg(arguments.only.join(","));
    }
    command.arg("--").args(&peer.command);
    // That something failed is a finding; that there are no figures is not.
    let _ = fs::remove_file(&json);
    command.status()?;
    Ok(serde_json::from_str(&fs::read_to_string(json)?)?)
}

fn table(columns: &[(Peer, Vec<Situation>)]) -> Table {
    let names = columns
        .iter()
        .map(|(peer, _)| format!("{} {}", peer.name, peer.version));
    let mut table = Table::new([String::new()].into_iter().chain(names));
    let by_id: Vec<BTreeMap<&str, &Situation>> = columns
        .iter()
        .map(|(_, situations)| situations.iter().map(|it| (&*it.id, it)).collect())
        .collect();
    let ids = columns.first().map(|(_, situations)| situations);
    for Situation { id, .. } in ids.into_iter().flatten() {
        let cells = by_id.iter().map(|situations| {
            let cell = situations.get(&**id).map(|situation| cell(situation));
            cell.unwrap_or_default()
        });
        table.row([format!("`{id}`")].into_iter().chain(cells));
    }
    table
}

/// A verdict in a sign, and how many were lost if any were.
fn cell(situation: &Situation) -> String {
    let Situation { attempts, lost, .. } = situation;
    let sign = match &*situation.verdict {
        "passed" => "✓",
        "noted" => "•",
        "n/a" => "",
        "inconclusive" => "?",
        "failed" => "✕",
        other => other,
    };
    match *lost {
        0 => sign.into(),
        lost => format!("{sign} {lost}/{attempts}"),
    }
}
