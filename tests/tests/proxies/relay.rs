//! What stands between a proxy and neap and keeps a copy of all that the proxy forwards.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, spawn};

use crate::PATIENCE;

pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    links: Arc<Mutex<Vec<Link>>>,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// A connection from a proxy, and the one to neap that belongs to it.
struct Link {
    proxy: TcpStream,
    up: JoinHandle<Vec<u8>>,
    down: JoinHandle<Vec<u8>>,
}

impl Relay {
    pub(crate) fn start(neap: SocketAddr) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let links = Arc::new(Mutex::new(Vec::new()));
        let stopped = Arc::new(AtomicBool::new(false));
        let (shared, stop) = (Arc::clone(&links), Arc::clone(&stopped));
        let thread = spawn(move || {
            for proxy in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let link = Link::new(proxy.unwrap(), TcpStream::connect(neap).unwrap());
                shared.lock().unwrap().push(link);
            }
        });
        Relay {
            address,
            links,
            stopped,
            thread: Some(thread),
        }
    }

    /// Ends all connections in good order: what was forwarded reaches neap, and neap's answers are
    /// waited for. Gives what was forwarded on each.
    pub(crate) fn finish(&self) -> Vec<Vec<u8>> {
        let links: Vec<Link> = self.links.lock().unwrap().drain(..).collect();
        links.into_iter().map(Link::finish).collect()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // It wakes the thread up.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Link {
    fn new(proxy: TcpStream, neap: TcpStream) -> Link {
        for side in [&proxy, &neap] {
            side.set_read_timeout(Some(PATIENCE)).unwrap();
        }
        let (from_proxy, to_neap) = (proxy.try_clone().unwrap(), neap.try_clone().unwrap());
        let (from_neap, to_proxy) = (neap, proxy.try_clone().unwrap());
        Link {
            proxy,
            up: spawn(move || pump(from_proxy, to_neap)),
            down: spawn(move || pump(from_neap, to_proxy)),
        }
    }

    fn finish(self) -> Vec<u8> {
        // A proxy that keeps the connection for later closes it now.
        let _ = self.proxy.shutdown(Shutdown::Write);
        let forwarded = self.up.join().unwrap();
        self.down.join().unwrap();
        forwarded
    }
}

/// Passes everything on until the end, and the end; gives what it was.
fn pump(mut from: TcpStream, mut to: TcpStream) -> Vec<u8> {
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match from.read(&mut buffer) {
            Ok(count) if count > 0 => {
                all.extend_from_slice(&buffer[..count]);
                // Who is gone gets no more; the other side is read to its end all the same.
                let _ = to.write_all(&buffer[..count]);
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("it hangs"),
            Ok(_) | Err(_) => {
                let _ = to.shutdown(Shutdown::Write);
                return all;
            }
        }
    }
}
