//! The README's first server: `cargo run -p neap-smol --example hello`, then Ctrl-C.

use neap_smol::Server;

fn main() -> std::io::Result<()> {
    let server = Server::bind("127.0.0.1:8080")?.signals()?;
    println!("listening on http://{server}");
    let report = server.run(|_request| async { "Hello, World!" })?;
    println!("{report}");
    Ok(())
}
