//! A neap server that writes down what it sees.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use neap_smol::{Handle, Server};

/// The head of a request that a handler got.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seen {
    /// The marks of proxies on it.
    pub(crate) marks: Vec<String>,
    pub(crate) method: String,
    pub(crate) target: String,
}

pub(crate) struct Neap {
    pub(crate) address: SocketAddr,
    handle: Handle,
    thread: Option<JoinHandle<()>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Neap {
    pub(crate) fn start() -> Neap {
        let server = Server::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let handle = server.handle();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&seen);
        let serve = move || {
            let served = server.run(move |request| {
                let marks = request.headers().get_all("x-mark").iter();
                let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
                let marks: Vec<_> = marks.map(|mark| text(mark.as_bytes())).collect();
                let mark = marks.concat();
                written.lock().unwrap().push(Seen {
                    marks,
                    method: request.method().to_string(),
                    target: request.uri().to_string(),
                });
                async move {
                    // A client that goes away half-way is one of the cases.
                    let content = request.into_body().collect(1 << 20).await;
                    let len = content.map(|content| content.len());
                    format!("\nanswer to {mark} with {len:?}\n")
                }
            });
            served.unwrap();
        };
        Neap {
            address,
            handle,
            thread: Some(std::thread::spawn(serve)),
            seen,
        }
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Neap {
    fn drop(&mut self) {
        self.handle.close_now();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
