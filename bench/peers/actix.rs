//! actix-web, which drains on SIGTERM by itself.

use std::error::Error;

use actix_web::{App, HttpServer, web};
use bytes::Bytes;
use neap_bench::peer::{HELLO, MEBIBYTE, Options};

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::from_command_line()?;
    let listener = options.listen()?;
    let server = HttpServer::new(|| {
        App::new()
            .route("/", web::get().to(|| async { HELLO }))
            .route("/echo", web::post().to(|content: Bytes| async { content }))
            .route(
                "/mebibyte",
                web::get().to(|| async { Bytes::from_static(&MEBIBYTE) }),
            )
    });
    let server = if options.one_thread {
        server.workers(1)
    } else {
        server
    };
    let server = server.listen(listener)?;
    actix_web::rt::System::new().block_on(server.run())?;
    Ok(())
}
