//! actix-web, which drains on SIGTERM by itself.

use std::error::Error;
use std::time::Duration;

use actix_web::web::Path;
use actix_web::{App, HttpResponse, HttpServer, rt, web};
use bytes::Bytes;
use neap_bench::peer::{self, HELLO, MEBIBYTE, Options};

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
            .route("/delay/{millis}", web::get().to(delay))
            .route("/stream/{count}/{millis}", web::get().to(stream))
            .route("/bytes/{count}", web::get().to(bytes))
    });
    let server = if options.one_thread {
        server.workers(1)
    } else {
        server
    };
    let server = match options.deadline {
        Some(deadline) => server.shutdown_timeout(deadline.as_secs()),
        None => server,
    };
    let server = server.listen(listener)?;
    rt::System::new().block_on(server.run())?;
    Ok(())
}

async fn delay(millis: Path<u64>) -> &'static str {
    rt::time::sleep(Duration::from_millis(*millis)).await;
    HELLO
}

async fn stream(path: Path<(u32, u64)>) -> HttpResponse {
    let (count, millis) = *path;
    HttpResponse::Ok().streaming(peer::chunks(count, Duration::from_millis(millis)))
}

async fn bytes(count: Path<usize>) -> HttpResponse {
    HttpResponse::Ok().streaming(peer::bytes(*count))
}
