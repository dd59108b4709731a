//! Tries neap and other servers of files with the commands of `docs/serve.md`, and makes its table.
//!
//! `cargo run --release --manifest-path bench/Cargo.toml --bin servers`

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use clap::Parser;
use neap_bench::machine::Machine;
use neap_bench::server::build_neap;
use neap_bench::servers::cell::cells;
use neap_bench::servers::stage::Stage;
use neap_tests::page::{Page, Probe, Server, Table};

/// Tries neap and other servers of files with the commands of docs/serve.md
#[derive(Debug, Parser)]
struct Arguments {
    /// Only these servers
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Only these rows
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    row: Vec<String>,
    /// Write what was found into the page's table, too; what was not tried stays as it is there
    #[arg(long)]
    write: bool,
    /// This binary, which is called neap, instead of one that is built
    #[arg(long, value_name = "FILE")]
    neap: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let mut page = Page::read()?;
    arguments.check(&page)?;
    let neap = match &arguments.neap {
        Some(neap) => neap.clone(),
        None => build_neap()?,
    };
    let stage = Stage::open(&page.preparation, &neap)?;
    let found = arguments.find(&stage, &page.servers);
    let servers: Vec<&Server> = found.iter().map(|(server, _)| *server).collect();
    let mut tried = Table {
        columns: found
            .iter()
            .map(|(server, version)| format!("{} {version}", server.name))
            .collect(),
        rows: Vec::new(),
    };
    for probe in page.probes.iter().filter(|probe| arguments.asks_for(probe)) {
        let cells = cells(&stage, probe, &servers)?;
        eprintln!("{}: {}", probe.id, cells.join(" | "));
        tried.rows.push((probe.id.clone(), cells));
    }
    eprintln!("\n{}", Machine::this());
    if arguments.write {
        // It may have been edited meanwhile.
        let text = fs::read_to_string(Page::path())?;
        page = Page::parse(&text);
        page.table = merge(&page, &tried);
        fs::write(Page::path(), page.with_table(&text)?)?;
    } else {
        page.table = tried;
        println!("{}", page.told());
    }
    Ok(())
}

impl Arguments {
    /// Whether all that is asked for is there.
    fn check(&self, page: &Page) -> Result<(), String> {
        let servers: Vec<&String> = page.servers.iter().map(|server| &server.name).collect();
        let rows: Vec<&String> = page.probes.iter().map(|probe| &probe.id).collect();
        for (asked, known) in [(&self.only, servers), (&self.row, rows)] {
            if let Some(unknown) = asked.iter().find(|name| !known.contains(name)) {
                return Err(format!("there is no {unknown}; there are {known:?}"));
            }
        }
        // The page's lines call it that.
        match &self.neap {
            Some(neap) if !neap.ends_with("neap") => Err(format!("{}: not neap", neap.display())),
            _ => Ok(()),
        }
    }

    /// The servers that are asked for and installed, with their versions.
    fn find<'a>(&self, stage: &Stage, servers: &'a [Server]) -> Vec<(&'a Server, String)> {
        let asked = |server: &&Server| self.only.is_empty() || self.only.contains(&server.name);
        let mut found = Vec::new();
        for server in servers.iter().filter(asked) {
            match stage.version(server) {
                Ok(version) => found.push((server, version)),
                Err(error) => {
                    let install = server.command("install").unwrap_or("cargo build");
                    eprintln!("skipped: {}: {error}; to have it: {install}", server.name);
                }
            }
        }
        found
    }

    fn asks_for(&self, probe: &Probe) -> bool {
        self.row.is_empty() || self.row.contains(&probe.id)
    }
}

/// The page's table with what was tried in it.
fn merge(page: &Page, tried: &Table) -> Table {
    let place = |table: &Table, server: &Server| {
        let is_its = |column: &String| {
            column
                .rsplit_once(' ')
                .is_some_and(|it| it.0 == server.name)
        };
        table.columns.iter().position(is_its)
    };
    let places: Vec<_> = page
        .servers
        .iter()
        .map(|server| (place(tried, server), place(&page.table, server)))
        .collect();
    let pick = |new: Option<&[String]>, old: Option<&[String]>| -> Vec<String> {
        let cell = |(tried, known): &(Option<usize>, Option<usize>)| {
            let new = new.and_then(|cells| cells.get((*tried)?));
            let old = old.and_then(|cells| cells.get((*known)?));
            new.or(old).cloned().unwrap_or_default()
        };
        places.iter().map(cell).collect()
    };
    let rows = page.probes.iter().map(|probe| {
        let (new, old) = (tried.cells(&probe.id), page.table.cells(&probe.id));
        (probe.id.clone(), pick(new, old))
    });
    Table {
        rows: rows.collect(),
        columns: pick(Some(&tried.columns), Some(&page.table.columns)),
    }
}
