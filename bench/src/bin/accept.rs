//! Three ways in which threads can share new connections out among them, as bare loops around
//! epoll: a listener that all wait for (`EPOLLEXCLUSIVE`), a listener for each (`SO_REUSEPORT`),
//! and one thread that accepts and hands over to whoever has time and the fewest.
//!
//! `cargo run --release --manifest-path bench/Cargo.toml --bin accept -- [THREADS]`

use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use neap_bench::accept::{ANSWER, BLOCK, CLOSE, KEEP, Server, Way};

/// CPU time of the server's threads, which are called `server`.
fn cpu() -> Result<Duration, Box<dyn Error>> {
    let mut sum = 0;
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        if fs::read_to_string(task.join("comm"))?.trim() == "server" {
            let times = fs::read_to_string(task.join("schedstat"))?;
            sum += times.split(' ').next().unwrap_or_default().parse::<u64>()?;
        }
    }
    Ok(Duration::from_nanos(sum))
}

fn ask(client: &mut TcpStream, request: &[u8]) -> std::io::Result<()> {
    client.write_all(request)?;
    client.read_exact(&mut [0; ANSWER.len()])
}

/// Who is kept alive, after a burst, and one by one.
fn keep(server: &Server, burst: bool) -> Result<Vec<usize>, Box<dyn Error>> {
    let mut clients = Vec::new();
    for _ in 0..200 {
        let mut client = TcpStream::connect(server.address)?;
        if burst {
            client.write_all(KEEP)?;
        } else {
            ask(&mut client, KEEP)?;
        }
        clients.push(client);
    }
    for client in &mut clients {
        if burst {
            client.read_exact(&mut [0; ANSWER.len()])?;
        }
    }
    Ok(server.open())
}

/// CPU time for each connection that is made for one request, in microseconds, by so many clients
/// at once; and how many of them are made in a second.
fn churn(address: SocketAddr, clients: usize) -> Result<(f64, f64), Box<dyn Error>> {
    let (start, before) = (Instant::now(), cpu()?);
    let until = start + Duration::from_secs(1);
    let client = move || {
        let mut asked = 0u32;
        while Instant::now() < until {
            let asked_it = TcpStream::connect(address).and_then(|mut it| ask(&mut it, CLOSE));
            asked += u32::from(asked_it.is_ok());
        }
        asked
    };
    let clients: Vec<_> = (0..clients).map(|_| thread::spawn(client)).collect();
    let asked = clients.into_iter().map(|client| client.join().unwrap_or(0));
    let asked = f64::from(asked.sum::<u32>());
    let spent = (cpu()? - before).as_secs_f64() * 1e6;
    Ok((spent / asked, asked / start.elapsed().as_secs_f64()))
}

/// How many of 200 new clients wait for a thread that is blocked.
fn blocked(address: SocketAddr) -> Result<usize, Box<dyn Error>> {
    let mut blocking = TcpStream::connect(address)?;
    blocking.write_all(BLOCK)?;
    thread::sleep(Duration::from_millis(100));
    let mut waiting = 0;
    let mut clients = Vec::new();
    for _ in 0..200 {
        let mut client = TcpStream::connect(address)?;
        client.set_read_timeout(Some(Duration::from_millis(5)))?;
        waiting += usize::from(ask(&mut client, KEEP).is_err());
        clients.push(client);
    }
    Ok(waiting)
}

/// How many clients are lost by a drain that accepts who waits and closes: connected, and then
/// neither answered nor refused. So many restarts, and how many clients came to each way's end.
fn lost(way: Way, threads: usize) -> Result<(u32, u32), Box<dyn Error>> {
    const RESTARTS: u32 = 50;
    const CLIENTS: usize = 32;
    let (mut lost, mut answered) = (0, 0);
    for restart in 0..RESTARTS {
        let server = Server::start(way, threads)?;
        let address = server.address;
        let client = move || {
            let mut answered = 0u32;
            // Until one is refused, which is no loss, or lost.
            while let Ok(mut client) = TcpStream::connect(address) {
                if client
                    .set_read_timeout(Some(Duration::from_secs(2)))
                    .is_err()
                    || ask(&mut client, CLOSE).is_err()
                {
                    return (1, answered);
                }
                answered += 1;
            }
            (0, answered)
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| thread::spawn(client)).collect();
        thread::sleep(Duration::from_millis(20 + u64::from(restart % 7)));
        server.drain();
        for client in clients {
            let (its_loss, its_answers) = client.join().map_err(|_| "a client panicked")?;
            lost += its_loss;
            answered += its_answers;
        }
    }
    Ok((lost, answered))
}

fn measure(way: Way, threads: usize) -> Result<(), Box<dyn Error>> {
    println!("{way:?}, {threads} threads");
    let server = Server::start(way, threads)?;
    let address = server.address;
    thread::sleep(Duration::from_millis(100));
    println!("  one by one, kept alive: {:?}", keep(&server, false)?);
    thread::sleep(Duration::from_millis(200));
    println!("  burst, kept alive:      {:?}", keep(&server, true)?);
    thread::sleep(Duration::from_millis(200));
    for clients in [1, 32] {
        let mut slices = Vec::new();
        for _ in 0..3 {
            slices.push(churn(address, clients)?);
        }
        slices.sort_by(|one, other| one.0.total_cmp(&other.0));
        let (cpu, rate) = slices[1];
        println!("  {clients} clients, a connection each request: {cpu:.1} µs CPU, {rate:.0}/s");
    }
    let waiting = blocked(address)?;
    println!("  beside a blocked thread {waiting} of 200 wait");
    drop(server);
    let (lost, answered) = lost(way, threads)?;
    println!("  in 50 drains {lost} are lost, {answered} answered");
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let threads = env::args()
        .nth(1)
        .map_or(Ok(2), |threads| threads.parse())?;
    for way in [Way::Exclusive, Way::ReusePort, Way::HandOver] {
        measure(way, threads)?;
    }
    Ok(())
}
