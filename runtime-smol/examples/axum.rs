//! An axum application without tokio: `cargo run -p neap-smol --example axum --features tower`,
//! then `curl http://127.0.0.1:8080/hello/you?times=2`, `curl -N http://127.0.0.1:8080/events`,
//! and Ctrl-C.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::response::sse::{Event, Sse};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use futures_lite::{Stream, StreamExt};
use neap_smol::{ConnectionInfo, Heartbeat, Server, Shutdown, TimeoutLayer, service};
use smol::Timer;

/// What all handlers share.
#[derive(Clone)]
struct App {
    greeting: &'static str,
}

#[derive(serde::Deserialize)]
struct Times {
    #[serde(default)]
    times: usize,
}

async fn hello(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(Times { times }): Query<Times>,
) -> String {
    format!("{}, {name}!\n", app.greeting).repeat(times.clamp(1, 10))
}

async fn sum(Json(numbers): Json<Vec<i64>>) -> Json<i64> {
    Json(numbers.iter().sum())
}

/// Who asks is among the extensions; axum's own `ConnectInfo` takes tokio.
async fn peer(Extension(connection): Extension<ConnectionInfo>) -> String {
    format!("{}\n", connection.peer())
}

/// An event a second, with a comment where there is none for 15 s, until the server drains.
async fn events(
    Extension(shutdown): Extension<Shutdown>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let seconds = Timer::interval(Duration::from_secs(1));
    let seconds = seconds.map(|_| Ok(Event::default().data("tick")));
    let beat = || Ok(Event::default().comment(""));
    Sse::new(Heartbeat::new(seconds, Duration::from_secs(15), beat).until(Some(shutdown)))
}

fn main() -> std::io::Result<()> {
    let app = Router::new()
        .route("/hello/{name}", get(hello))
        .route("/sum", post(sum))
        .route("/peer", get(peer))
        .route("/events", get(events))
        .layer(TimeoutLayer::new(Duration::from_secs(10)))
        .with_state(App { greeting: "Hello" });
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:8080");
    let server = Server::bind(address)?.signals()?;
    println!("listening on http://{server}");
    let report = server.run(service(app))?;
    println!("{report}");
    Ok(())
}
