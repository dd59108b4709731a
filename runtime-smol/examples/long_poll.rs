//! A long poll that is answered when the server drains, so that its clients ask another one:
//! `cargo run -p neap-smol --example long_poll`. GET waits for the next message, POST sends it:
//! `curl http://127.0.0.1:8080 & curl -d hello http://127.0.0.1:8080`.

use std::sync::{Arc, Mutex, PoisonError};

use event_listener::Event;
use futures_lite::future::or;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use neap_smol::{Body, Server, Shutdown};

/// The latest message, and a bell for those who wait for the next.
#[derive(Default)]
struct Board {
    message: Mutex<String>,
    news: Event,
}

impl Board {
    fn publish(&self, message: String) {
        *self.message.lock().unwrap_or_else(PoisonError::into_inner) = message;
        self.news.notify(usize::MAX);
    }

    async fn next(&self) -> String {
        self.news.listen().await;
        let message = self.message.lock();
        message.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The next message, or nothing (204) if the server is to stop before there is one: ask again.
async fn wait(board: &Board, shutdown: &Shutdown) -> Result<String, StatusCode> {
    let news = async { Ok(board.next().await) };
    let stop = async {
        shutdown.stop_asked().await;
        Err(StatusCode::NO_CONTENT)
    };
    or(news, stop).await
}

async fn answer(board: Arc<Board>, request: Request<Body>) -> Result<String, StatusCode> {
    if request.method() != Method::POST {
        let shutdown = Shutdown::of(&request).ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
        return wait(&board, &shutdown).await;
    }
    let content = Limited::new(request.into_body(), 1024).collect().await;
    let content = content.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
    board.publish(String::from_utf8_lossy(&content.to_bytes()).into_owned());
    Err(StatusCode::ACCEPTED)
}

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:8080");
    let server = Server::bind(address)?.signals()?;
    println!("listening on http://{server}");
    let board = Arc::new(Board::default());
    let report = server.run(move |request| answer(Arc::clone(&board), request))?;
    println!("{report}");
    Ok(())
}
