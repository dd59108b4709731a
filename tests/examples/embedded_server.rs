//! `neap-smol` in a program of its own, with what `neap echo` does not offer: handlers that never
//! end, handlers that block their thread, other protocols, and a server that is dropped.
//!
//! `embedded_server echo --listen ADDRESS [--deadline DURATION] [--drop-on stdin]`; with the last
//! flag a line `drop` on stdin drops the server's future and leaves the process. Its exit status is
//! that of the `neap` command, and its report is on stderr.

use std::error::Error;
use std::net::SocketAddr;
use std::pin::Pin;
use std::process::ExitCode;
use std::task::{Context, Poll};
use std::time::Duration;
use std::{io, thread};

use bytes::Bytes;
use http::header::UPGRADE;
use http::{Request, Response, StatusCode};
use http_body::{Body as _, Frame};
use neap_smol::{BoxError, Config, ConnectionInfo, Report, Server, Upgrade};
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::stream::{self, Stream, StreamExt};
use smol::{Timer, channel, future};

/// How often a stream has something to say.
const EVENT: Duration = Duration::from_millis(100);

/// The content of a response: whatever comes.
struct Content(Pin<Box<dyn Stream<Item = Bytes> + Send>>);

impl http_body::Body for Content {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let next = self.0.poll_next(cx);
        next.map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

/// An event now and then, until the server asks to stop.
fn events(connection: ConnectionInfo) -> Content {
    let events = stream::unfold(connection, |connection| async move {
        let stop = async {
            connection.shutdown().stop_asked().await;
            None
        };
        let event = async {
            Timer::after(EVENT).await;
            Some(Bytes::from_static(b"data: x\n"))
        };
        let event = future::or(stop, event).await?;
        Some((event, connection))
    });
    let first = stream::once(Bytes::from_static(b"data: first\n"));
    Content(Box::pin(first.chain(events)))
}

/// Returns bytes until the client ends its side, however long the server has been waiting.
async fn echo(upgrade: Upgrade) {
    let head = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
    let head = head.header(UPGRADE, "echo").body(());
    let Ok(mut stream) = upgrade.accept(head.expect("a head is built")).await else {
        return;
    };
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

async fn handle(request: Request<neap_smol::Body>) -> Response<Content> {
    let path = request.uri().path().to_owned();
    if let Some(upgrade) = Upgrade::of(&request).filter(|_| path == "/upgrade") {
        drop(request);
        echo(upgrade).await;
        // Nobody is sent it any more.
        return Response::new(Content(Box::pin(stream::once("".into()))));
    }
    let connection = ConnectionInfo::of(&request);
    let content = match (path.split_once("block/"), connection) {
        (Some((_, millis)), _) => {
            let millis = millis.parse().unwrap_or_default();
            // What no handler should do.
            thread::sleep(Duration::from_millis(millis));
            Content(Box::pin(stream::once("blocked".into())))
        }
        (None, Some(connection)) if path == "/events" => events(connection.clone()),
        _ => Content(Box::pin(stream::once("Hello, World!".into()))),
    };
    debug_assert!(!content.is_end_stream(), "its end is not known in advance");
    Response::new(content)
}

/// Serves until the drain is over, or until it is dropped.
fn serve_until_dropped(server: Server) -> Option<Report> {
    let (sender, dropped) = channel::bounded(1);
    thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            if line == "drop" {
                // Who has stopped listening has been dropped already.
                let _ = sender.send_blocking(());
            }
        }
    });
    let serving = async { Some(server.serve(handle).await) };
    let dropping = async {
        match dropped.recv().await {
            Ok(()) => None,
            Err(_) => future::pending().await,
        }
    };
    smol::block_on(future::or(serving, dropping))
}

/// `500ms` or `30s`.
fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let number = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        _ => None,
    }
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut address: SocketAddr = "127.0.0.1:0".parse()?;
    let mut config = Config::default();
    let mut drops = false;
    let mut words = std::env::args().skip(2);
    while let (Some(flag), Some(value)) = (words.next(), words.next()) {
        match &*flag {
            "--listen" => address = value.parse()?,
            "--deadline" => config.drain.deadline = duration(&value).ok_or("no duration")?,
            "--drop-on" => drops = true,
            _ => return Err(format!("what is {flag}?").into()),
        }
    }
    let server = Server::new().signals()?.config(config);
    let server = server.listen(&address.into())?;
    println!("listening on http://{server}");
    let report = if drops {
        match serve_until_dropped(server) {
            Some(report) => report,
            // The process goes on, without a server.
            None => loop {
                thread::park();
            },
        }
    } else {
        server.run(handle)?
    };
    eprintln!("{report}");
    Ok(ExitCode::from(u8::from(!report.is_clean())))
}
