//! Measures what a large file costs `neap serve`, beside nginx with and without `sendfile`.
//!
//! CPU time per MiB of all threads of the server, the file being in the page cache.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use neap_bench::process::Process;
use neap_bench::server::free_address;
use neap_bench::speed::cpu;
use rustix::process::Signal;
use tempfile::TempDir;

const MEBIBYTES: usize = 256;
const ROUNDS: usize = 11;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = TempDir::new()?;
    let mut file = File::create(folder.path().join("file"))?;
    for _ in 0..MEBIBYTES {
        file.write_all(&[b'm'; 1 << 20])?;
    }
    let servers = [
        ("neap serve", neap(folder.path())?),
        ("nginx, sendfile on", nginx(folder.path(), "on")?),
        ("nginx, sendfile off", nginx(folder.path(), "off")?),
    ];
    let mut costs = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        for ((_, server), costs) in servers.iter().zip(&mut costs) {
            let members = server.members();
            let before = cpu::time(&members);
            fetch(server)?;
            let spent = cpu::time(&members) - before;
            costs.push(spent.as_secs_f64() * 1e6 / MEBIBYTES as f64);
        }
    }
    println!("| server | CPU µs per MiB |\n|---|--:|");
    for ((name, _), costs) in servers.iter().zip(&mut costs) {
        costs.sort_by(f64::total_cmp);
        println!("| {name} | {:.0} |", costs[ROUNDS / 2]);
    }
    Ok(())
}

fn neap(folder: &Path) -> io::Result<Process> {
    let address = free_address()?;
    let mut command = Command::new(std::env::current_exe()?.with_file_name("neap"));
    command.arg("serve").arg(folder).args(["--log", "off"]);
    command.args(["--listen", &address.to_string()]);
    Process::start(&command, address, Signal::TERM, false, None)
}

fn nginx(folder: &Path, sendfile: &str) -> io::Result<Process> {
    let address = free_address()?;
    let own = TempDir::new()?;
    let configuration = own.path().join("nginx.conf");
    let text = format!(
        "daemon off;
user root;
worker_processes 1;
pid {own}/pid;
events {{}}
http {{
    access_log off;
    sendfile {sendfile};
    server {{ listen {address}; root {folder}; }}
}}
",
        own = own.path().display(),
        folder = folder.display(),
    );
    std::fs::write(&configuration, text)?;
    let mut command = Command::new("nginx");
    command.arg("-c").arg(&configuration);
    command.arg("-e").arg(own.path().join("log"));
    Process::start(&command, address, Signal::QUIT, false, Some(own))
}

/// Reads the whole file, and no more than that.
fn fetch(server: &Process) -> io::Result<()> {
    let mut stream = TcpStream::connect(server.address)?;
    stream.write_all(b"GET /file HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")?;
    let mut buffer = vec![0; 1 << 18];
    let mut received = 0;
    loop {
        match stream.read(&mut buffer)? {
            0 if received > MEBIBYTES << 20 => return Ok(()),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => received += count,
        }
    }
}
