//! In an application on async-std: `cargo run -p neap-smol --example async_std`, then
//! `curl http://127.0.0.1:8080`, and Ctrl-C.

use std::time::Duration;

use async_std::task;
use http::Request;
use neap_smol::{Body, Server};

/// Handlers may use all of async-std.
async fn hello(request: Request<Body>) -> String {
    task::sleep(Duration::from_millis(10)).await;
    format!("You asked for {}\n", request.uri())
}

#[async_std::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:8080");
    let server = Server::bind(address)?.signals()?;
    println!("listening on http://{server}");
    // A task, or `.await` in its place: where it runs is the application's choice.
    let report = task::spawn(server.serve(hello)).await;
    println!("{report}");
    Ok(())
}
