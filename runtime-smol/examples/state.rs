//! What all requests share: `cargo run -p neap-smol --example state`, then
//! `curl -d 3 http://127.0.0.1:8080`, and Ctrl-C.
//!
//! A server that runs on one thread needs no lock for it: its handlers need not be `Send`.

use std::cell::Cell;
use std::rc::Rc;

use http::{Request, Response, StatusCode};
use neap_smol::{Body, Full, IntoResponse, Server};

/// Adds the number that is posted, and tells the sum.
async fn add(sum: Rc<Cell<i64>>, request: Request<Body>) -> Result<String, Response<Full>> {
    let text = request.into_body().text(100).await;
    let text = text.map_err(IntoResponse::into_response)?;
    let number: i64 = text
        .trim()
        .parse()
        .map_err(|error| (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response())?;
    sum.set(sum.get().wrapping_add(number));
    Ok(format!("{}\n", sum.get()))
}

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:8080");
    let server = Server::bind(address)?.signals()?;
    println!("listening on http://{server}");
    let sum = Rc::new(Cell::new(0));
    let handler = |request| add(Rc::clone(&sum), request);
    let report = smol::block_on(server.serve(handler));
    println!("{report}; the sum was {}", sum.get());
    Ok(())
}
