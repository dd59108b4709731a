//! Two servers on one port.

use std::mem;
use std::net::SocketAddr;
use std::process::Command;

use neap_tests::process::{Exit, Program, Server};
use rustix::process::Signal;

pub(crate) struct Pair {
    pub(crate) address: SocketAddr,
    servers: [Server; 2],
}

impl Pair {
    pub(crate) fn start() -> Pair {
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let first = start(anywhere);
        let address = first.address;
        let servers = [first, start(address)];
        Pair { address, servers }
    }

    /// Replaces one of them.
    pub(crate) fn replace(&mut self, which: usize) {
        let exit = self.end(which, Signal::TERM);
        assert!(exit.status.success(), "{exit:?}");
        let report = exit.stderr.lines().last().unwrap_or_default();
        let signalled = report.contains(r#""cause":"signal""#);
        let forced = !report.contains(r#""forced":null"#);
        assert!(signalled && !forced, "{exit:?}");
    }

    /// Replaces one of them, by a signal that it cannot handle.
    pub(crate) fn replace_by_force(&mut self, which: usize) {
        let exit = self.end(which, Signal::KILL);
        assert_eq!(exit.status.code(), None, "{exit:?}");
    }

    fn end(&mut self, which: usize, signal: Signal) -> Exit {
        let new = start(self.address);
        let old = mem::replace(&mut self.servers[which], new);
        old.signal(signal);
        old.exit()
    }
}

fn start(address: SocketAddr) -> Server {
    let mut command = Command::new(Program::Echo.path());
    command.args(["echo", "--listen", &address.to_string(), "--reuse-port"]);
    command.args(["--log", "off", "--report", "json"]);
    Server::launch(Program::Echo, command)
}
