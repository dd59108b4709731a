//! The API as an embedder uses it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "other tests need more of it")]
mod common;

use std::cell::Cell;
use std::io::Write;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};

use bytes::Bytes;
use futures_lite::future::{block_on, pending, poll_once, zip};
use http::{HeaderMap, Request, Response, StatusCode};
use neap_smol::{
    Address, Body, BodyError, Cause, Config, ConnectionInfo, Full, Handle, IntoResponse, Outcome,
    Phase, Progress, RefusalPage, Serve, Server, State,
};

use common::{GET, Running, listening, read_all, read_until, unbound};

fn is_send<T: Send>(value: T) -> T {
    value
}

async fn hello(_request: Request<Body>) -> &'static str {
    "Hello, World!"
}

#[test]
fn a_server_of_send_handlers_is_send_and_runs_in_any_executor() {
    let server = listening();
    let handle = is_send(server.handle());
    let serving = is_send(server.serve(hello));
    let executor = smol::Executor::new();
    let task = executor.spawn(serving);
    let report = block_on(executor.run(async {
        handle.drain();
        task.await
    }));
    assert!(report.is_clean());
}

#[test]
fn it_runs_in_other_executors_too() {
    let ask = |address, handle: Handle| {
        std::thread::spawn(move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            stream.write_all(GET.as_bytes()).unwrap();
            read_until(&mut stream, "Hello, World!");
            handle.drain();
        })
    };
    let server = listening();
    let client = ask(server.local_addr().unwrap(), server.handle());
    let task = async_std::task::spawn(server.serve(hello));
    assert!(async_std::task::block_on(task).is_clean());
    client.join().unwrap();
    let server = listening();
    let client = ask(server.local_addr().unwrap(), server.handle());
    // For futures that stay on their thread.
    let executor = smol::LocalExecutor::new();
    let local = Rc::new("Hello, World!");
    let task = executor.spawn(server.serve(move |_request| {
        let local = Rc::clone(&local);
        async move { *local }
    }));
    assert!(smol::block_on(executor.run(task)).is_clean());
    client.join().unwrap();
}

#[test]
fn handlers_need_not_be_send() {
    let count = Rc::new(Cell::new(0));
    let server = listening();
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    let serving = server.serve(|_request| {
        let count = Rc::clone(&count);
        async move {
            count.set(count.get() + 1);
            count.get().to_string()
        }
    });
    let client = std::thread::spawn(move || {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(GET.as_bytes()).unwrap();
        read_until(&mut stream, "\r\n\r\n1");
        handle.drain();
    });
    let report = block_on(serving);
    client.join().unwrap();
    assert_eq!((report.requests.completed, count.get()), (1, 1));
}

#[test]
fn the_server_and_the_program_can_be_awaited_side_by_side() {
    let server = listening();
    let handle = server.handle();
    let (report, ()) = block_on(zip(server.serve(hello), async { handle.drain() }));
    assert_eq!(report.phase, Phase::Done);
}

/// Tells, when it is dropped, which phase the server is in.
struct LastPhase(Handle, Sender<Phase>);

impl Drop for LastPhase {
    fn drop(&mut self) {
        self.1.send(self.0.phase()).unwrap();
    }
}

/// Whoever waits for it to be done, on another thread, gets the report of all of it.
#[test]
fn dropping_the_future_closes_every_connection_and_frees_the_port() {
    let server = listening();
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    let arrived = Arc::new(AtomicBool::new(false));
    let (send, dropped) = channel();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.write_all(GET.as_bytes()).unwrap();
    let mut serving = server.serve(|_request| {
        let witness = LastPhase(handle.clone(), send.clone());
        arrived.store(true, Ordering::SeqCst);
        async move {
            let _witness = witness;
            pending::<&'static str>().await
        }
    });
    block_on(async {
        while !arrived.load(Ordering::SeqCst) {
            let _ = poll_once(&mut serving).await;
        }
    });
    assert!(dropped.try_recv().is_err(), "not before");
    drop(serving);
    assert_eq!(dropped.try_recv(), Ok(Phase::Running), "not done before");
    assert_eq!((handle.phase(), handle.census().open()), (Phase::Done, 0));
    assert_eq!(read_all(&mut stream), "");
    Server::bind(address).unwrap();
}

/// It has nothing to run for.
#[test]
fn a_server_without_a_listener_ends_at_once() {
    let report = block_on(poll_once(Server::new().serve(hello)));
    let report = report.expect("it waits for nobody");
    assert_eq!(report.cause, Some(Cause::Listeners));
    assert!(report.is_clean());
}

#[test]
fn a_server_that_never_served_is_done_when_it_is_dropped() {
    let server = listening();
    let handle = server.handle();
    drop(server);
    assert_eq!(block_on(handle.done()).phase, Phase::Done);
}

#[test]
fn a_panicking_handler_costs_its_own_request_only() {
    let running = Running::start(|server| {
        let handler = |request: Request<Body>| async move {
            assert!(request.uri().path() == "/", "this request is not for me");
            "fine"
        };
        server.run(handler).unwrap()
    });
    let mut other = running.connect();
    other.write_all(GET.as_bytes()).unwrap();
    read_until(&mut other, "fine");
    let failed = running.exchange("GET /panic HTTP/1.1\r\nHost: test\r\n\r\n");
    assert!(failed.starts_with("HTTP/1.1 500 "), "{failed}");
    assert!(failed.contains("connection: close"), "{failed}");
    other.write_all(GET.as_bytes()).unwrap();
    read_until(&mut other, "fine");
    let report = running.drain();
    assert_eq!(
        (report.requests.panicked, report.requests.completed),
        (1, 2)
    );
}

#[test]
fn a_handler_that_panics_before_it_gives_a_future_gets_500_too() {
    let running = Running::start(|server| {
        let handler = |request: Request<Body>| {
            assert!(request.uri().path() != "/", "at once");
            async { "never" }
        };
        server.run(handler).unwrap()
    });
    assert!(running.exchange(GET).starts_with("HTTP/1.1 500 "));
}

/// A body that gives one piece and then fails, or panics.
struct Failing {
    pieces: usize,
    panics: bool,
}

impl http_body::Body for Failing {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, std::io::Error>>> {
        self.pieces += 1;
        std::task::Poll::Ready(Some(match self.pieces {
            1 => Ok(http_body::Frame::data(Bytes::from_static(b"one"))),
            _ if self.panics => panic!("the body panics"),
            _ => Err(std::io::Error::other("the body fails")),
        }))
    }
}

#[test]
fn a_body_that_fails_truncates_its_response_so_that_it_looks_cut() {
    for panics in [false, true] {
        let running = Running::start(move |server| {
            let handler =
                move |_request| async move { Response::new(Failing { pieces: 0, panics }) };
            server.run(handler).unwrap()
        });
        let response = running.exchange(GET);
        assert!(response.ends_with("\r\n\r\n3\r\none\r\n"), "{response}");
        let report = running.drain();
        assert_eq!(report.requests.truncated, 1);
        assert_eq!(report.outcomes.get(Outcome::Truncated), 1);
        assert!(report.is_clean(), "it was not the shutdown's fault");
    }
}

#[test]
fn a_cut_response_that_only_the_close_delimits_ends_in_a_reset() {
    let running = Running::start(|server| {
        let handler = |_request| async {
            Response::new(Failing {
                pieces: 0,
                panics: false,
            })
        };
        server.run(handler).unwrap()
    });
    let mut stream = running.connect();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let error = std::io::Read::read_to_end(&mut stream, &mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn a_response_gets_the_length_and_the_fields_that_its_body_calls_for() {
    let running = Running::start(|server| {
        let handler = |request: Request<Body>| async move {
            match request.uri().path() {
                "/none" => Err(StatusCode::NO_CONTENT),
                "/bytes" => Ok(Bytes::from_static(b"123").into_response()),
                _ => Ok(Response::builder()
                    .header("content-length", "99")
                    .header("transfer-encoding", "gzip")
                    .header("keep-alive", "timeout=5")
                    .header("x-own", "kept")
                    .body(Full::from("four"))
                    .unwrap()),
            }
        };
        server.run(handler).unwrap()
    });
    let none = running.exchange("GET /none HTTP/1.1\r\nHost: test\r\n\r\n");
    assert!(none.starts_with("HTTP/1.1 204 No Content\r\n") && !none.contains("content-length"));
    let bytes = running.exchange("GET /bytes HTTP/1.1\r\nHost: test\r\n\r\n");
    assert!(bytes.contains("content-length: 3\r\n"), "{bytes}");
    let own = running.exchange(GET);
    assert!(
        own.contains("content-length: 4\r\n") && own.contains("x-own: kept\r\n"),
        "{own}"
    );
    assert!(
        !own.contains("gzip") && !own.contains("keep-alive"),
        "{own}"
    );
}

#[test]
fn content_is_collected_up_to_its_limit() {
    let running = Running::start(|server| {
        let handler = |request: Request<Body>| async move {
            let content = request.into_body().collect(8).await?;
            Ok::<_, BodyError>(format!("{} bytes", content.len()))
        };
        server.run(handler).unwrap()
    });
    let post = |content: &str| {
        running.exchange(&format!(
            "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{content}",
            content.len()
        ))
    };
    assert!(post("12345678").ends_with("8 bytes"));
    assert!(post("123456789").starts_with("HTTP/1.1 413 "));
    let chunked = "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    assert!(running.exchange(chunked).ends_with("5 bytes"));
}

#[test]
fn trailers_go_both_ways() {
    struct Both(Option<HeaderMap>);
    impl http_body::Body for Both {
        type Data = Bytes;
        type Error = std::convert::Infallible;
        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
            std::task::Poll::Ready(self.0.take().map(|map| Ok(http_body::Frame::trailers(map))))
        }
    }
    let running = Running::start(|server| {
        let handler = |request: Request<Body>| async move {
            let mut body = std::pin::pin!(request.into_body());
            let mut found = None;
            while let Some(Ok(frame)) =
                std::future::poll_fn(|cx| http_body::Body::poll_frame(body.as_mut(), cx)).await
            {
                found = frame.into_trailers().ok().or(found);
            }
            Response::new(Both(found))
        };
        server.run(handler).unwrap()
    });
    let response = running.exchange(
        "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n\
         3\r\nabc\r\n0\r\nX-Sum: 42\r\n\r\n",
    );
    assert!(
        response.ends_with("\r\n\r\n0\r\nx-sum: 42\r\n\r\n"),
        "{response}"
    );
}

#[test]
fn requests_know_both_ends_of_their_connection() {
    let running = Running::start(|server| {
        let handler = |request: Request<Body>| async move {
            let connection = ConnectionInfo::of(&request).unwrap();
            format!("{} to {}", connection.peer(), connection.local())
        };
        server.run(handler).unwrap()
    });
    let mut stream = running.connect();
    stream.write_all(GET.as_bytes()).unwrap();
    let expected = format!("{} to {}", stream.local_addr().unwrap(), running.address);
    read_until(&mut stream, &expected);
}

#[test]
fn unix_sockets_are_served_and_their_file_goes_with_the_server() {
    let directory = std::env::temp_dir().join(format!("neap-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("server.sock");
    let server = unbound().listen(&Address::Unix(path.clone())).unwrap();
    let handle = server.handle();
    let thread = std::thread::spawn(move || server.run(hello).unwrap());
    let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
    stream.write_all(GET.as_bytes()).unwrap();
    read_until(&mut stream, "Hello, World!");
    handle.drain();
    assert!(thread.join().unwrap().is_clean());
    assert!(!path.exists());
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_successors_socket_file_is_left_alone_and_a_dead_ones_is_replaced() {
    let directory = std::env::temp_dir().join(format!("neap-successor-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("server.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let first = unbound().listen(&Address::Unix(path.clone())).unwrap();
    let failure = unbound().listen(&Address::Unix(path.clone())).unwrap_err();
    assert_eq!(failure.kind(), std::io::ErrorKind::AddrInUse);
    std::fs::remove_file(&path).unwrap();
    let second = unbound().listen(&Address::Unix(path.clone())).unwrap();
    drop(first);
    assert!(path.exists());
    drop(second);
    assert!(!path.exists());
    std::fs::remove_dir_all(directory).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn abstract_names_and_listeners_of_the_program_are_served() {
    use std::os::linux::net::SocketAddrExt;
    let name = format!("neap-test-{}", std::process::id());
    let own = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let tcp = own.local_addr().unwrap();
    let server = unbound()
        .listen(&format!("unix:@{name}").parse().unwrap())
        .unwrap();
    let server = server.listener(own).unwrap();
    assert_eq!(server.addresses()[1], Address::Tcp(tcp));
    let handle = server.handle();
    let thread = std::thread::spawn(move || server.run(hello).unwrap());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let mut unix = std::os::unix::net::UnixStream::connect_addr(&address).unwrap();
    unix.write_all(GET.as_bytes()).unwrap();
    read_until(&mut unix, "Hello, World!");
    let mut stream = std::net::TcpStream::connect(tcp).unwrap();
    stream.write_all(GET.as_bytes()).unwrap();
    read_until(&mut stream, "Hello, World!");
    handle.drain();
    assert_eq!(thread.join().unwrap().accepted, 2);
}

#[test]
fn above_max_connections_clients_wait_and_none_is_reset() {
    let running = Running::start_with(
        |server| server.max_connections(2),
        |server| server.run(hello).unwrap(),
    );
    let mut open: Vec<_> = (0..2).map(|_| running.connect()).collect();
    for stream in &mut open {
        stream.write_all(GET.as_bytes()).unwrap();
        read_until(stream, "Hello, World!");
    }
    let mut waiting = running.connect();
    waiting.write_all(GET.as_bytes()).unwrap();
    assert_eq!(running.handle.census().open(), 2);
    drop(open.pop());
    read_until(&mut waiting, "Hello, World!");
}

#[test]
fn idle_connections_are_closed_after_their_timeout_and_slow_heads_refused() {
    let mut config = Config::default();
    config.timeouts.idle = std::time::Duration::from_millis(20);
    config.timeouts.head = std::time::Duration::from_millis(20);
    let running = Running::start_with(
        |server| server.config(config),
        |server| server.run(hello).unwrap(),
    );
    let mut idle = running.connect();
    idle.write_all(GET.as_bytes()).unwrap();
    assert!(read_all(&mut idle).ends_with("Hello, World!"));
    let mut slow = running.connect();
    slow.write_all(b"GET / HT").unwrap();
    assert!(read_all(&mut slow).starts_with("HTTP/1.1 408 "));
    assert_eq!(read_all(&mut running.connect()), "");
}

#[test]
fn a_slow_upload_and_a_stalled_reader_are_given_up() {
    let mut config = Config::default();
    config.timeouts.content = std::time::Duration::from_millis(20);
    config.timeouts.write = std::time::Duration::from_millis(50);
    let running = Running::start_with(
        |server| server.config(config),
        |server| {
            let handler = |request: Request<Body>| async move {
                let content = request.into_body().collect(100).await?;
                let endless = vec![b'x'; if content.is_empty() { 64 << 20 } else { 0 }];
                Ok::<_, BodyError>(endless)
            };
            server.run(handler).unwrap()
        },
    );
    let mut upload = running.connect();
    upload
        .write_all(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\nabc")
        .unwrap();
    assert!(read_all(&mut upload).starts_with("HTTP/1.1 408 "));
    let mut stalled = running.connect();
    stalled.write_all(GET.as_bytes()).unwrap();
    wait_for(&running.handle, |handle| {
        handle.report().outcomes.get(Outcome::Stalled) == 1
    });
}

/// Waits for something that the server does by itself.
fn wait_for(handle: &Handle, condition: impl Fn(&Handle) -> bool) {
    let start = std::time::Instant::now();
    while !condition(handle) {
        assert!(start.elapsed() < common::PATIENCE, "{:?}", handle.report());
        std::thread::yield_now();
    }
}

#[test]
fn close_now_answers_who_waits_with_503_and_reports_it() {
    let running =
        Running::start(|server| server.run(|_request| pending::<&'static str>()).unwrap());
    let mut stream = running.connect();
    stream.write_all(GET.as_bytes()).unwrap();
    wait_for(&running.handle, |handle| handle.census().busy == 1);
    running.handle.close_now();
    let response = read_all(&mut stream);
    assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
    assert!(
        response.contains("retry-after"),
        "GET may be repeated: {response}"
    );
    let peer = Address::Tcp(stream.local_addr().unwrap());
    let report = running.drain();
    let aborted = &report.aborted[0];
    assert_eq!(
        (aborted.state, aborted.bytes_in),
        (State::Busy, GET.len() as u64)
    );
    assert_eq!(
        (&aborted.peer, aborted.bytes_out),
        (&peer, response.len() as u64)
    );
    assert_eq!(
        (report.requests.aborted, report.lost, report.is_clean()),
        (1, 1, false)
    );
}

#[test]
fn a_handle_on_another_thread_sees_the_phase_rise() {
    let running =
        Running::start(|server| server.run(|_request| pending::<&'static str>()).unwrap());
    let mut stream = running.connect();
    stream.write_all(GET.as_bytes()).unwrap();
    wait_for(&running.handle, |handle| handle.census().busy == 1);
    running.handle.drain();
    block_on(running.handle.reached(Progress::Sealing));
    // A client that resets its connection is un-counted, and holds nothing.
    socket2::SockRef::from(&stream)
        .set_linger(Some(std::time::Duration::ZERO))
        .unwrap();
    drop(stream);
    let report = block_on(running.handle.done());
    assert_eq!((report.requests.vanished, report.is_clean()), (1, true));
}

#[test]
fn content_that_nobody_reads_does_not_end_a_connection_unless_it_is_long() {
    let running = Running::start(|server| server.run(hello).unwrap());
    let mut stream = running.connect();
    let post =
        |len: usize| format!("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: {len}\r\n\r\n");
    stream.write_all(post(1000).as_bytes()).unwrap();
    stream.write_all(&[b'x'; 1000]).unwrap();
    let head = read_until(&mut stream, "Hello, World!");
    assert!(!head.contains("connection: close"), "{head}");
    stream.write_all(post(1 << 20).as_bytes()).unwrap();
    let response = read_all(&mut stream);
    assert!(response.contains("connection: close"), "{response}");
}

#[test]
fn many_pipelined_requests_are_answered_in_their_order() {
    let count = Arc::new(AtomicUsize::new(0));
    let running = Running::start(move |server| {
        let handler = move |request: Request<Body>| {
            let turn = count.fetch_add(1, Ordering::SeqCst);
            async move {
                if turn % 3 == 0 {
                    futures_lite::future::yield_now().await;
                }
                format!("<{}>", request.uri().path())
            }
        };
        server.run(handler).unwrap()
    });
    let requests: String = (0..500)
        .map(|number| format!("GET /{number} HTTP/1.1\r\nHost: test\r\n\r\n"))
        .collect();
    let responses = running.exchange(&requests);
    let mut rest = responses.as_str();
    for number in 0..500 {
        let marker = format!("</{number}>");
        let place = rest
            .find(&marker)
            .unwrap_or_else(|| panic!("{marker} in order"));
        rest = &rest[place + marker.len()..];
    }
}

#[test]
fn the_future_says_what_it_is() {
    let server = listening();
    assert!(server.to_string().starts_with("127.0.0.1:"));
    let serving: Serve<_, _> = server.serve(hello);
    assert!(format!("{serving:?}").contains("connections: 0"));
}

#[test]
fn the_body_of_a_response_without_content_is_never_polled() {
    struct Untouchable;
    impl http_body::Body for Untouchable {
        type Data = Bytes;
        type Error = std::convert::Infallible;
        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
            panic!("polled")
        }
    }
    let running = Running::start(|server| {
        let handler = |request: Request<Body>| async move {
            let status = if request.method() == "HEAD" { 200 } else { 304 };
            Response::builder()
                .status(status)
                .body(Untouchable)
                .unwrap()
        };
        server.run(handler).unwrap()
    });
    running.exchange("HEAD / HTTP/1.1\r\nHost: test\r\n\r\n");
    running.exchange(GET);
    assert_eq!(running.drain().requests.completed, 2);
}

#[test]
fn a_handler_that_would_not_end_is_asked_to_once_nobody_new_is_accepted() {
    let mut config = Config::default();
    config.drain.lame_duck = std::time::Duration::from_millis(50);
    let running = Running::start_with(
        |server| server.config(config),
        |server| {
            let handler = |request: Request<Body>| async move {
                let shutdown = ConnectionInfo::of(&request).unwrap().shutdown();
                let before = shutdown.is_draining();
                shutdown.stop_asked().await;
                format!("{before} {}", shutdown.is_draining())
            };
            server.run(handler).unwrap()
        },
    );
    let mut stream = running.connect();
    stream.write_all(GET.as_bytes()).unwrap();
    wait_for(&running.handle, |handle| handle.census().busy == 1);
    let report = running.drain();
    assert!(read_all(&mut stream).ends_with("false true"));
    assert!(report.is_clean());
    assert!(report.durations.lame >= config.drain.lame_duck);
}

#[test]
fn a_drain_that_is_called_off_in_lame_duck_leaves_a_server_that_runs() {
    let mut config = Config::default();
    config.drain.lame_duck = std::time::Duration::from_secs(20);
    let running = Running::start_with(
        |server| server.config(config),
        |server| server.run(hello).unwrap(),
    );
    let get = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";
    running.handle.drain();
    block_on(running.handle.reached(Progress::LameDuck));
    assert!(!running.handle.is_ready());
    assert!(
        running.exchange(get).contains("connection: close"),
        "it still accepts"
    );
    running.handle.cancel_drain();
    wait_for(&running.handle, Handle::is_ready);
    assert!(!running.exchange(get).contains("connection: close"));
    running.handle.close_now();
}

#[test]
fn a_body_that_does_not_keep_its_declared_length_is_cut_and_reported() {
    /// Says that it has five bytes, and gives `.0` in pieces of three.
    struct Liar(usize);
    impl http_body::Body for Liar {
        type Data = Bytes;
        type Error = std::convert::Infallible;
        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
            let piece = self.0.min(3);
            self.0 -= piece;
            let frame = || Ok(http_body::Frame::data(Bytes::from_static(&b"abc"[..piece])));
            std::task::Poll::Ready((piece > 0).then(frame))
        }
        fn size_hint(&self) -> http_body::SizeHint {
            http_body::SizeHint::with_exact(5)
        }
    }
    for (given, content, keeps, says) in [
        (9, "abcab", true, "longer"),
        (3, "abc", false, "shorter"),
        (5, "abcab", true, ""),
    ] {
        let said = Arc::new(std::sync::Mutex::new(String::new()));
        let log = Arc::clone(&said);
        let running = Running::start_with(
            move |server| {
                server.on_event(move |event| {
                    let line = event.to_string();
                    if line.contains("declared") {
                        log.lock().unwrap().push_str(&line);
                    }
                })
            },
            move |server| {
                server
                    .run(move |_request| async move { Response::new(Liar(given)) })
                    .unwrap()
            },
        );
        let response = running.exchange(&GET.repeat(2));
        let whole = if keeps { 2 } else { 1 };
        assert_eq!(
            response.matches("HTTP/1.1 200 OK").count(),
            whole,
            "{response}"
        );
        assert!(
            response.ends_with(&format!("\r\n\r\n{content}")),
            "{response}"
        );
        assert_eq!(running.drain().requests.truncated, u64::from(!keeps));
        let said = said.lock().unwrap();
        assert!(
            said.contains(says) && said.is_empty() == says.is_empty(),
            "{said}"
        );
    }
}

#[test]
fn the_admin_listener_answers_through_the_drain_and_holds_nothing() {
    let server = listening();
    let server = server.admin(&"127.0.0.1:0".parse().unwrap()).unwrap();
    let Address::Tcp(admin) = server.admin_addresses()[0] else {
        panic!()
    };
    let running = Running::start_with(
        |_| server.draining_status(StatusCode::NOT_FOUND),
        |server| server.run(|_request| pending::<&'static str>()).unwrap(),
    );
    let mut probe = std::net::TcpStream::connect(admin).unwrap();
    probe.set_read_timeout(Some(common::PATIENCE)).unwrap();
    let mut ask = |path: &str, end: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
        probe.write_all(request.as_bytes()).unwrap();
        read_until(&mut probe, end)
    };
    assert!(ask("/readyz", "ready\n").starts_with("HTTP/1.1 200 "));
    assert!(ask("/else", "\r\n\r\n").starts_with("HTTP/1.1 404 "));
    let mut held = running.connect();
    held.write_all(GET.as_bytes()).unwrap();
    wait_for(&running.handle, |handle| handle.census().busy == 1);
    assert_eq!(
        running.handle.census().open(),
        1,
        "the probe is in no census"
    );
    running.handle.drain();
    block_on(running.handle.reached(Progress::Waiting));
    assert!(ask("/readyz", "draining\n").starts_with("HTTP/1.1 404 "));
    assert!(ask("/livez", "alive\n").starts_with("HTTP/1.1 200 "));
    drop(held);
    let report = running.drain();
    assert_eq!((report.accepted, report.outcomes.total()), (1, 1));
    assert_eq!(read_all(&mut probe), "");
}

/// A handler on another thread, or one that replies first, must not take broken or uninvited
/// content for the whole of it.
#[test]
fn content_that_did_not_come_whole_never_looks_whole_to_its_handler() {
    let broken = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                  5\r\nhello\r\nXX";
    let uninvited = "POST /early HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\
                     Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    for request in [broken, uninvited] {
        let (send, collected) = channel();
        let running = Running::start(move |server| {
            let handler = move |request: Request<Body>| {
                let send = send.clone();
                let early = request.uri().path() == "/early";
                let collect = request.into_body().collect(100);
                std::thread::spawn(move || send.send(block_on(collect)));
                async move {
                    if !early {
                        pending::<()>().await;
                    }
                    Response::new(Endless)
                }
            };
            server.run(handler).unwrap()
        });
        let mut stream = running.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let result = collected.recv_timeout(common::PATIENCE).unwrap();
        assert_eq!(result, Err(BodyError::Incomplete));
        running.handle.close_now();
    }
}

/// A body that never ends, and never gives anything.
struct Endless;

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;
    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Pending
    }
}

#[test]
fn refusals_can_be_given_another_look() {
    let running = Running::start_with(
        |server| {
            server.refusals(|refusal| RefusalPage {
                content_type: http::HeaderValue::from_static("text/html"),
                content: format!("<h1>{}</h1>", refusal.status().code()).into(),
            })
        },
        |server| server.run(hello).unwrap(),
    );
    let response = running.exchange("GET / HTTP/1.1\r\n\r\n");
    assert!(
        response.starts_with("HTTP/1.1 400 Bad Request\r\n"),
        "{response}"
    );
    assert!(
        response.contains("content-type: text/html\r\ncontent-length: 12\r\n"),
        "{response}"
    );
    assert!(
        response.ends_with("connection: close\r\n\r\n<h1>400</h1>"),
        "{response}"
    );
}

#[test]
fn the_target_of_a_request_in_absolute_form_outranks_its_host() {
    let running = Running::start(|server| {
        let handler = |request: Request<Body>| async move {
            let hosts: Vec<_> = request.headers().get_all("host").iter().collect();
            format!("{hosts:?} {}", request.uri().path())
        };
        server.run(handler).unwrap()
    });
    let response = running.exchange("GET http://a.example:81/x HTTP/1.1\r\nHost: b\r\n\r\n");
    assert!(response.ends_with("[\"a.example:81\"] /x"), "{response}");
}
