//! Shows a model of neap's machines in a browser: every state, every step out of it, and which
//! rules hold.
//!
//! `cargo run -p neap-tests --example explore -- connection` (or `table`, or `server`), then open
//! `http://127.0.0.1:3000`. A second argument is another address to listen on.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use neap_tests::model::client::Kind;
use neap_tests::model::connection::Connections;
use neap_tests::model::server::Accepting;
use neap_tests::model::servers::Servers;
use neap_tests::model::table::Table;
use stateright::Model;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let what = args.next().unwrap_or_default();
    let address = args.next().unwrap_or_else(|| "127.0.0.1:3000".into());
    let Ok(address) = address.parse::<SocketAddr>() else {
        eprintln!("no address to listen on: {address}");
        return ExitCode::FAILURE;
    };
    if matches!(what.as_str(), "table" | "connection" | "server") {
        eprintln!("open http://{address}; Ctrl-C ends");
    }
    match what.as_str() {
        "table" => {
            Table.checker().serve(address);
        }
        "connection" => {
            let model = Connections::new(Kind::Length, Arc::default());
            model.checker().serve(address);
        }
        "server" => {
            Servers::new(Accepting::LameDuck, Arc::default())
                .checker()
                .serve(address);
        }
        _ => {
            eprintln!("usage: explore table|connection|server [ADDRESS]");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
