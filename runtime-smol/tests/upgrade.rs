//! Connections that switch to another protocol.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "other tests need more of it")]
mod common;

use std::cell::Cell;
use std::io::{ErrorKind, Write};
use std::net::{Shutdown, TcpStream};
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::future::{block_on, or, pending};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use http::{Request, Response, StatusCode};
use neap_smol::{
    Body, Cause, Config, Handle, MisuseError, Outcome, Server, Upgrade, UpgradeError, Upgraded,
};

use common::{GET, PATIENCE, Running, Witness, read_all, read_until};

const UPGRADE: &str =
    "GET / HTTP/1.1\r\nHost: test\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";

fn response(status: StatusCode) -> Response<()> {
    let response = Response::builder().status(status).header("upgrade", "echo");
    response.body(()).unwrap()
}

async fn accept(request: &Request<Body>) -> Upgraded {
    let upgrade = Upgrade::of(request).unwrap();
    let response = response(StatusCode::SWITCHING_PROTOCOLS);
    upgrade.accept(response).await.unwrap()
}

async fn echo(stream: &mut Upgraded) {
    let mut buffer = [0; 1000];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        stream.write_all(&buffer[..count]).await.unwrap();
    }
}

/// A server whose handler switches and then goes on with `talk`.
fn switching<F: Future<Output = ()>>(
    config: Config,
    talk: impl Fn(Upgraded) -> F + Clone + Send + 'static,
) -> Running {
    switching_on(|server| server.config(config), talk)
}

fn switching_on<F: Future<Output = ()>>(
    configure: impl FnOnce(Server) -> Server,
    talk: impl Fn(Upgraded) -> F + Clone + Send + 'static,
) -> Running {
    Running::start_with(configure, |server| {
        let handler = move |request: Request<Body>| {
            let talk = talk.clone();
            async move {
                talk(accept(&request).await).await;
                "for nobody"
            }
        };
        server.run(handler).unwrap()
    })
}

fn connect(running: &Running, bytes: &str) -> TcpStream {
    let mut stream = running.connect();
    stream.write_all(bytes.as_bytes()).unwrap();
    stream
}

fn wait_for(handle: &Handle, condition: impl Fn(&Handle) -> bool) {
    let start = Instant::now();
    while !condition(handle) {
        assert!(start.elapsed() < PATIENCE, "{:?}", handle.census());
        thread::yield_now();
    }
}

#[test]
fn bytes_behind_the_request_are_the_first_of_the_other_protocol() {
    let running = switching(Config::default(), |mut stream| async move {
        echo(&mut stream).await;
    });
    let mut client = connect(&running, &(UPGRADE.to_owned() + "early"));
    let head = read_until(&mut client, "\r\n\r\n");
    assert!(
        head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"),
        "{head}"
    );
    assert!(head.contains("upgrade: echo\r\n"), "{head}");
    assert!(head.contains("connection: upgrade\r\n"), "{head}");
    read_until(&mut client, "early");
    assert_eq!(running.handle.census().upgraded, 1);
    client.write_all(b" and late").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut client), " and late");
    let report = running.drain();
    assert_eq!(report.outcomes.get(Outcome::Upgraded), 1);
    assert_eq!(
        (report.requests.dispatched, report.requests.completed),
        (1, 1)
    );
    assert!(report.is_clean());
}

/// More than fits between the handler and the socket, in both directions at once.
fn sends_much_both_ways(running: &Running) {
    const LEN: usize = 3_000_000;
    let mut client = connect(running, UPGRADE);
    read_until(&mut client, "\r\n\r\n");
    let sent: Vec<u8> = (0..=250).cycle().take(LEN).collect();
    let mut sender = client.try_clone().unwrap();
    let expected = sent.clone();
    let sending = thread::spawn(move || {
        sender.write_all(&sent).unwrap();
        sender.shutdown(Shutdown::Write).unwrap();
    });
    let mut received = Vec::new();
    std::io::Read::read_to_end(&mut client, &mut received).unwrap();
    sending.join().unwrap();
    assert!(received == expected, "{} bytes", received.len());
}

#[test]
fn much_goes_both_ways_at_once() {
    sends_much_both_ways(&switching(Config::default(), |mut stream| async move {
        echo(&mut stream).await;
    }));
}

#[test]
fn another_thread_may_speak_as_long_as_the_handler_waits_for_it() {
    sends_much_both_ways(&switching(Config::default(), |mut stream| async move {
        smol::unblock(move || block_on(echo(&mut stream))).await;
    }));
}

/// Nothing that goes the other way wakes anybody by chance.
#[test]
fn another_thread_may_only_read_and_then_only_write() {
    const LEN: usize = 3_000_000;
    let running = switching(Config::default(), |mut stream| async move {
        let talk = async move {
            stream.read_exact(&mut vec![0; LEN]).await.unwrap();
            stream.write_all(&vec![1; LEN]).await.unwrap();
        };
        smol::unblock(move || block_on(talk)).await;
    });
    let mut client = connect(&running, UPGRADE);
    read_until(&mut client, "\r\n\r\n");
    client.write_all(&vec![0; LEN]).unwrap();
    let mut received = Vec::new();
    std::io::Read::read_to_end(&mut client, &mut received).unwrap();
    assert_eq!(received.len(), LEN);
}

#[test]
fn a_client_that_sends_more_than_the_owner_reads_has_to_wait() {
    let running = switching(Config::default(), |stream| async move {
        let _unread = stream;
        pending::<()>().await;
    });
    let mut client = connect(&running, UPGRADE);
    read_until(&mut client, "\r\n\r\n");
    client
        .set_write_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    let error = client.write_all(&vec![0; 100_000_000]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    running.handle.close_now();
}

#[test]
fn connect_is_answered_with_success_and_becomes_a_tunnel() {
    let running = Running::start(|server| {
        let handler = |request: Request<Body>| async move {
            assert_eq!(request.uri().authority().unwrap(), "example.org:443");
            let upgrade = Upgrade::of(&request).unwrap();
            let mut stream = upgrade.accept(Response::new(())).await.unwrap();
            echo(&mut stream).await;
            StatusCode::OK
        };
        server.run(handler).unwrap()
    });
    let head = "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n";
    let mut client = connect(&running, &(head.to_owned() + "tunnel"));
    let head = read_until(&mut client, "\r\n\r\ntunnel");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(!head.contains("content-length"), "{head}");
}

#[test]
fn a_grant_that_does_not_fit_is_refused_and_the_request_answered_as_usual() {
    let running = Running::start(|server| {
        let handler = |request: Request<Body>| async move {
            let Some(upgrade) = Upgrade::of(&request) else {
                return "no wish".to_owned();
            };
            let mut errors = Vec::new();
            for response in [response(StatusCode::OK), {
                let mut nameless = Response::new(());
                *nameless.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                nameless
            }] {
                errors.push(upgrade.clone().accept(response).await.unwrap_err().misuse());
            }
            format!("{errors:?}")
        };
        server.run(handler).unwrap()
    });
    let mut client = connect(&running, UPGRADE);
    read_until(
        &mut client,
        &format!("{:?}", [MisuseError::Status, MisuseError::Field]),
    );
    client.write_all(GET.as_bytes()).unwrap();
    read_until(&mut client, "no wish");
}

#[test]
fn content_comes_first_and_the_other_protocol_behind_it() {
    let running = Running::start(|server| {
        let handler = |request: Request<Body>| async move {
            let upgrade = Upgrade::of(&request).unwrap();
            let content = request.into_body().collect(100).await.unwrap();
            let response = response(StatusCode::SWITCHING_PROTOCOLS);
            let mut stream = upgrade.accept(response).await.unwrap();
            stream.write_all(&content).await.unwrap();
            echo(&mut stream).await;
            "for nobody"
        };
        server.run(handler).unwrap()
    });
    let request = UPGRADE.replace("\r\n\r\n", "\r\nContent-Length: 7\r\n\r\n");
    let mut client = connect(&running, &(request + "content, and more"));
    read_until(&mut client, "\r\n\r\ncontent, and more");
}

#[test]
fn the_drain_tells_the_owner_whose_goodbye_arrives() {
    let running = switching(Config::default(), |mut stream| async move {
        let shutdown = stream.shutdown();
        assert_eq!(shutdown.deadline(), None);
        or(shutdown.stop_asked(), echo(&mut stream)).await;
        let left = shutdown.deadline().unwrap().duration_since(Instant::now());
        assert!(left <= Duration::from_secs(30) && left > Duration::ZERO);
        stream.write_all(b"goodbye").await.unwrap();
    });
    let mut client = connect(&running, UPGRADE);
    read_until(&mut client, "\r\n\r\n");
    // Nobody reads that any more; closing now would be a reset that destroys the goodbye.
    let chatter = vec![b'x'; 1000];
    client.write_all(&chatter).unwrap();
    read_until(&mut client, "xxxxx");
    running.handle.drain();
    client.write_all(&chatter).unwrap();
    let rest = read_all(&mut client);
    assert!(rest.ends_with("goodbye"), "{rest}");
    drop(client);
    let report = running.drain();
    assert!(report.is_clean());
    assert_eq!(
        (report.forced, report.outcomes.get(Outcome::Upgraded)),
        (None, 1)
    );
}

#[test]
fn an_owner_that_does_not_end_is_cut_off_at_the_deadline() {
    let mut config = Config::default();
    config.drain.deadline = Duration::from_millis(100);
    let running = switching(config, |_stream| pending());
    let mut client = connect(&running, UPGRADE);
    read_until(&mut client, "\r\n\r\n");
    wait_for(&running.handle, |handle| handle.census().upgraded == 1);
    let report = running.drain();
    assert_eq!(report.forced, Some(Cause::Deadline), "it held the drain");
    assert_eq!(report.outcomes.get(Outcome::Upgraded), 1);
    assert!(report.is_clean(), "no request was lost");
    assert_eq!(read_all(&mut client), "");
}

#[test]
fn an_owner_learns_of_its_own_time_to_say_goodbye_and_ends_with_it() {
    let mut config = Config::default();
    config.drain.upgraded_grace = Duration::from_millis(100);
    let (send, left) = channel();
    let running = switching(config, move |stream| {
        let send = send.clone();
        async move {
            let shutdown = stream.shutdown();
            shutdown.stop_asked().await;
            let servers = stream.connection().shutdown().deadline().unwrap();
            send.send(servers - shutdown.deadline().unwrap()).unwrap();
            pending::<()>().await;
        }
    });
    let mut client = connect(&running, UPGRADE);
    read_until(&mut client, "\r\n\r\n");
    let report = running.drain();
    assert!(left.recv().unwrap() >= Duration::from_secs(29));
    assert_eq!(report.forced, None, "the deadline was not waited for");
    assert_eq!(report.outcomes.get(Outcome::Upgraded), 1);
    assert_eq!(read_all(&mut client), "");
}

#[test]
fn a_client_that_vanishes_takes_the_owner_with_it_and_holds_nothing() {
    let (send, dropped) = channel();
    let running = switching(Config::default(), move |stream| {
        let witness = Witness(send.clone());
        async move {
            let _kept = (witness, stream);
            pending::<()>().await;
        }
    });
    let mut client = connect(&running, UPGRADE);
    read_until(&mut client, "\r\n\r\n");
    wait_for(&running.handle, |handle| handle.census().upgraded == 1);
    let client = socket2::Socket::from(client);
    client.set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    dropped.recv_timeout(PATIENCE).unwrap();
    wait_for(&running.handle, |handle| handle.census().upgraded == 0);
    let report = running.drain();
    assert_eq!(
        (report.forced, report.outcomes.get(Outcome::Upgraded)),
        (None, 1)
    );
}

#[test]
fn an_owner_that_panics_costs_its_own_connection_only() {
    let (send, said) = channel();
    let observed = |server: Server| {
        server.on_event(move |event| {
            let _ = send.send(event.to_string());
        })
    };
    let running = switching_on(observed, |mut stream| async move {
        let mut byte = [0];
        stream.read_exact(&mut byte).await.unwrap();
        assert_eq!(byte, *b"a", "this byte is not for me");
        echo(&mut stream).await;
    });
    let mut other = connect(&running, UPGRADE);
    read_until(&mut other, "\r\n\r\n");
    let mut failing = connect(&running, &(UPGRADE.to_owned() + "b"));
    assert!(read_all(&mut failing).ends_with("\r\n\r\n"));
    let line = said.recv_timeout(PATIENCE).unwrap();
    assert!(line.ends_with("panicked"), "{line}");
    other.write_all(b"abc").unwrap();
    read_until(&mut other, "bc");
}

#[test]
fn an_owner_may_end_its_side_and_go_on_reading() {
    let (send, heard) = channel();
    let running = switching(Config::default(), move |mut stream| {
        let send = send.clone();
        async move {
            stream.write_all(b"last words").await.unwrap();
            stream.close().await.unwrap();
            let error = stream.write(b"more").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            send.send(text).unwrap();
        }
    });
    let mut client = connect(&running, UPGRADE);
    assert!(read_all(&mut client).ends_with("last words"));
    client.write_all(b"an answer").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), "an answer");
}

#[test]
fn what_outlives_its_handler_reads_and_writes_no_more() {
    let (send, stream) = channel();
    let running = switching(Config::default(), move |stream| {
        let send = send.clone();
        async move { send.send(stream).unwrap() }
    });
    let mut client = connect(&running, UPGRADE);
    assert!(read_all(&mut client).ends_with("\r\n\r\n"));
    let mut stream = stream.recv_timeout(PATIENCE).unwrap();
    let error = block_on(stream.read(&mut [0])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotConnected);
    assert!(block_on(stream.write(b"x")).is_err());
}

#[test]
fn a_wish_that_outlives_its_request_cannot_be_granted_any_more() {
    let (send, wish) = channel();
    let running = Running::start(move |server| {
        let handler = move |request: Request<Body>| {
            send.send(Upgrade::of(&request).unwrap()).unwrap();
            async { "as usual" }
        };
        server.run(handler).unwrap()
    });
    let mut client = connect(&running, UPGRADE);
    read_until(&mut client, "as usual");
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut client), "");
    let upgrade = wish.recv_timeout(PATIENCE).unwrap();
    let granted = upgrade.accept(response(StatusCode::SWITCHING_PROTOCOLS));
    let error = block_on(granted).unwrap_err();
    assert_eq!(error.misuse(), MisuseError::OutOfOrder);
}

#[test]
fn a_grant_that_its_handler_does_not_wait_for_ends_with_it() {
    let running = Running::start(|server| {
        let handler = |request: Request<Body>| async move {
            let upgrade = Upgrade::of(&request).unwrap();
            let response = response(StatusCode::SWITCHING_PROTOCOLS);
            let granted = Box::pin(upgrade.clone().accept(response));
            let _ = futures_lite::future::poll_once(granted).await;
            futures_lite::future::yield_now().await;
            let again = upgrade.accept(Response::new(())).await.map(drop);
            assert_eq!(
                again.map_err(UpgradeError::misuse),
                Err(MisuseError::OutOfOrder)
            );
            "for nobody"
        };
        server.run(handler).unwrap()
    });
    let mut client = connect(&running, UPGRADE);
    let all = read_all(&mut client);
    assert!(
        all.starts_with("HTTP/1.1 101 ") && all.ends_with("\r\n\r\n"),
        "{all}"
    );
}

#[test]
fn owners_need_not_be_send() {
    let count = Rc::new(Cell::new(0));
    let server = Server::bind("127.0.0.1:0").unwrap();
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    let serving = server.serve(|request| {
        let count = Rc::clone(&count);
        async move {
            let mut stream = accept(&request).await;
            let mut byte = [0];
            while let Ok(1) = stream.read(&mut byte).await {
                count.set(count.get() + 1);
            }
            "for nobody"
        }
    });
    let client = thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .write_all((UPGRADE.to_owned() + "12345").as_bytes())
            .unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        read_all(&mut stream);
        handle.drain();
    });
    let report = block_on(serving);
    client.join().unwrap();
    assert_eq!(
        (report.outcomes.get(Outcome::Upgraded), count.get()),
        (1, 5)
    );
}
