//! trillium on smol, which drains on SIGTERM by itself.

use std::error::Error;

use neap_bench::peer::{HELLO, MEBIBYTE, Options};
use trillium::Conn;
use trillium_smol::async_net::TcpListener;

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::from_command_line()?;
    let listener = TcpListener::try_from(options.listen()?)?;
    trillium_smol::config()
        .with_nodelay()
        .with_prebound_server(listener)
        .run(answer);
    Ok(())
}

async fn answer(mut conn: Conn) -> Conn {
    match conn.path() {
        "/" => conn.ok(HELLO),
        "/echo" => match conn.request_body().read_bytes().await {
            Ok(content) => conn.ok(content),
            Err(_) => conn.with_status(400),
        },
        "/mebibyte" => conn.ok(&MEBIBYTE[..]),
        _ => conn,
    }
}
