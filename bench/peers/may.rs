//! `may_minihttp`, after its own examples. It has no shutdown, and takes no listener of ours.

use std::error::Error;
use std::io::{self, Read};

use may_minihttp::{HttpService, HttpServiceFactory, Request, Response};
use neap_bench::peer::{HELLO, MEBIBYTE, Options};

#[derive(Clone)]
struct Answers;

impl HttpService for Answers {
    fn call(
        &mut self,
        request: Request<'_, '_, '_>,
        response: &mut Response<'_>,
    ) -> io::Result<()> {
        match request.path() {
            "/" => response.body(HELLO),
            "/echo" => {
                let mut content = Vec::new();
                request.body().read_to_end(&mut content)?;
                response.body_vec(content);
            }
            "/mebibyte" => response.body(str::from_utf8(&MEBIBYTE).map_err(io::Error::other)?),
            _ => {
                response.status_code(404, "Not Found");
            }
        }
        Ok(())
    }
}

struct EachConnection;

impl HttpServiceFactory for EachConnection {
    type Service = Answers;

    fn new_service(&self, _id: usize) -> Answers {
        Answers
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::from_command_line()?;
    if options.one_thread {
        may::config().set_workers(1);
    }
    let server = EachConnection.start(options.address)?;
    server.join().map_err(|_| "it panicked")?;
    Ok(())
}
