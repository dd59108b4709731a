//! The example of a WebSocket, with a client that speaks the protocol.

#![cfg(feature = "signal")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "other tests need more of it")]
mod common;
#[allow(dead_code, reason = "its `main` is not called")]
#[path = "../examples/websocket.rs"]
mod example;

use std::net::TcpStream;

use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::Message;
use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use futures_lite::StreamExt;
use futures_lite::future::block_on;
use neap_smol::Outcome;
use smol::Async;

use common::{GET, Running};

type Client = WebSocketStream<Async<TcpStream>>;

fn serving() -> Running {
    Running::start(|server| server.run(example::app).unwrap())
}

async fn connect(running: &Running) -> Client {
    let stream = Async::<TcpStream>::connect(running.address).await.unwrap();
    let url = format!("ws://{}/", running.address);
    let connected = async_tungstenite::client_async(url, stream).await;
    connected.unwrap().0
}

async fn returned(client: &mut Client, message: Message) -> bool {
    client.send(message.clone()).await.unwrap();
    client.next().await.unwrap().unwrap() == message
}

#[test]
fn messages_of_any_size_come_back() {
    let running = serving();
    block_on(async {
        let mut client = connect(&running).await;
        assert!(returned(&mut client, Message::text("grün")).await);
        assert!(returned(&mut client, Message::binary(vec![7; 1_000_000])).await);
        client
            .send(Message::Ping("are you there".into()))
            .await
            .unwrap();
        let answer = client.next().await.unwrap().unwrap();
        assert_eq!(answer, Message::Pong("are you there".into()));
        client.close(None).await.unwrap();
        assert!(matches!(client.next().await, Some(Ok(Message::Close(_)))));
        assert!(client.next().await.is_none());
    });
    let report = running.drain();
    assert_eq!(report.outcomes.get(Outcome::Upgraded), 1);
    assert!(report.is_clean(), "{report}");
}

#[test]
fn the_drain_says_goodbye_and_the_report_counts_it() {
    let running = serving();
    let report = block_on(async {
        let mut client = connect(&running).await;
        let mut other = connect(&running).await;
        assert!(returned(&mut client, Message::text("before")).await);
        assert_eq!(running.handle.census().upgraded, 2);
        running.handle.drain();
        for client in [&mut client, &mut other] {
            let Some(Ok(Message::Close(Some(goodbye)))) = client.next().await else {
                panic!("no goodbye");
            };
            assert_eq!(goodbye.code, CloseCode::Away, "which is 1001");
            assert!(client.next().await.is_none(), "the end is in good order");
        }
        running.handle.done().await
    });
    assert_eq!(report.outcomes.get(Outcome::Upgraded), 2);
    assert_eq!(report.requests.completed, 2);
    assert!(report.is_clean() && report.forced.is_none(), "{report}");
}

#[test]
fn who_asks_for_no_websocket_is_told_to() {
    let running = serving();
    assert!(running.exchange(GET).starts_with("HTTP/1.1 426 "));
    let wish = GET.replacen(
        "\r\n\r\n",
        "\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        1,
    );
    assert!(running.exchange(&wish).starts_with("HTTP/1.1 426 "));
}
