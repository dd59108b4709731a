//! A server for the tests with a real round trip, which choose how its listener is sealed.
//!
//! `sealed-server ADDRESS RUNG [reuse-port] [adopted] [window=MILLISECONDS]`, where the rung is
//! `interface`, `filter` or `plain`. An adopted listener is bound beforehand, and one of IPv6 then
//! stands for IPv4 as well.
//!
//! Its answer to a request is the request's target, many times over. It tells on stdout where it
//! listens, what happens, and at last its report; its exit status is that of the `neap` command.
//! It ends with whoever holds its stdin. As the command does, it serves on `NEAP_THREADS` threads,
//! and on one if nobody has said so.

use std::error::Error;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use neap_smol::{Config, Rung, Server};
use socket2::{Domain, Socket, Type};

/// How often an answer repeats the target: it is more than one segment long.
const REPEATED: usize = 100;

/// With room for as many handshakes as neap's own: beyond that Linux resorts to SYN cookies.
fn bind(address: SocketAddr) -> io::Result<Socket> {
    let listener = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    listener.set_only_v6(false)?;
    listener.bind(&address.into())?;
    listener.listen(4096)?;
    Ok(listener)
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().ok_or("no address")?;
    let rung = match arguments.next().ok_or("no rung")?.as_str() {
        "interface" => Rung::Interface,
        "filter" => Rung::Filter,
        "plain" => Rung::Plain,
        other => return Err(format!("there is no rung {other}").into()),
    };
    let mut config = Config::default();
    let mut reuse_port = false;
    let mut adopted = false;
    for argument in arguments {
        match argument.split_once('=') {
            Some(("window", window)) => {
                let window = Duration::from_millis(window.parse()?);
                config.drain.seal_max = window;
                config.drain.seal_max_group = window;
            }
            None if argument == "reuse-port" => reuse_port = true,
            None if argument == "adopted" => adopted = true,
            _ => return Err(format!("what is {argument}?").into()),
        }
    }
    let threads = std::env::var("NEAP_THREADS").map_or(Ok(1), |threads| threads.parse())?;
    let server = Server::new()
        .signals()?
        .threads(threads)
        .config(config)
        .reuse_port(reuse_port)
        .seal(rung)
        .on_event(|event| println!("{event}"));
    let server = if adopted {
        server.listener(bind(address.parse()?)?)?
    } else {
        server.listen(&address.parse()?)?
    };
    println!("listening on {server}");
    let handle = server.handle();
    std::thread::spawn(move || {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        handle.close_now();
    });
    let report = server.run(|request| {
        let line = format!("{}\n", request.uri());
        async move { line.repeat(REPEATED) }
    })?;
    println!("{report}");
    Ok(ExitCode::from(u8::from(!report.is_clean())))
}
