//! Who is judged, and how.

use std::thread;
use std::time::{Duration, Instant};

use neap_tests::client::{Client, Response};
use neap_tests::process::{Exit, PATIENCE, Program, Server};
use rustix::process::Signal;

pub(crate) const HELLO: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
pub(crate) const FOREVER: &str = "GET /delay/600000 HTTP/1.1\r\nHost: a\r\n\r\n";

/// A deadline that no test waits for: what ends before it ends by itself.
pub(crate) const NO_DEADLINE: [&str; 2] = ["--deadline", "600s"];

/// What a scenario finds: nothing, or what a client has seen that should not have been.
pub(crate) type Verdict = Result<(), String>;

/// A server under judgement.
#[derive(Clone, Copy)]
pub(crate) struct Subject {
    program: Program,
    fault: Option<&'static str>,
    /// How long to wait for what does not come if the server has the fault.
    pub(crate) patience: Duration,
    /// How long to look out for what comes only if the server has the fault.
    doubt: Duration,
}

/// Long enough to see what happens at once, on most machines: a moment that is too short finds no
/// fault, where there is none to find.
const MOMENT: Duration = Duration::from_millis(300);

/// A scenario.
pub(crate) type Scenario = fn(&Subject) -> Verdict;

/// Runs a scenario against `shipped`, against the twin, and against the twin with `fault`: the
/// last one alone fails, and in this way.
pub(crate) fn judge(shipped: Program, fault: &'static str, symptom: &str, scenario: Scenario) {
    thread::scope(|scope| {
        scope.spawn(|| judge_twins(fault, symptom, scenario));
        let shipped = Subject {
            program: shipped,
            fault: None,
            patience: PATIENCE,
            doubt: MOMENT,
        };
        assert_eq!(scenario(&shipped), Ok(()), "neap");
    });
}

/// The same without neap.
fn judge_twins(fault: &'static str, symptom: &str, scenario: Scenario) {
    let twin = |fault, patience, doubt| Subject {
        program: Program::Twin,
        fault,
        patience,
        doubt,
    };
    let subjects = [
        twin(None, PATIENCE, MOMENT),
        // What does not come does not, however long it is waited for; what does is waited for.
        twin(Some(fault), Duration::from_secs(3), PATIENCE),
    ];
    let [sound, broken] = thread::scope(|scope| {
        let runs = subjects.map(|subject| scope.spawn(move || scenario(&subject)));
        runs.map(|run| run.join().expect("a scenario returns what it finds"))
    });
    assert_eq!(sound, Ok(()), "the twin without a fault");
    let found = broken.expect_err("the twin gets away with its fault");
    assert!(found.contains(symptom), "another fault was found: {found}");
}

impl Subject {
    /// The same, where something takes so long by itself.
    pub(crate) fn after(self, time: Duration) -> Subject {
        let patience = self.patience + time;
        Subject { patience, ..self }
    }

    /// Starts the server with these options.
    pub(crate) fn start(&self, options: &[&str]) -> Server {
        let fault = self.fault.map(|fault| ["--fault", fault]);
        let options = [options, fault.as_ref().map_or(&[], |fault| &fault[..])].concat();
        Server::start(self.program, &options)
    }

    /// A client that has connected.
    pub(crate) fn connect(&self, server: &Server) -> Result<Client, String> {
        let client = Client::try_connect(server.address);
        client.map_err(|error| format!("not connected: {error}"))
    }

    /// A client that has sent this.
    pub(crate) fn send(&self, server: &Server, bytes: &str) -> Result<Client, String> {
        let mut client = self.connect(server)?;
        client.send(bytes);
        Ok(client)
    }

    /// So many clients that have sent this.
    pub(crate) fn send_all(
        &self,
        server: &Server,
        clients: usize,
        bytes: &str,
    ) -> Result<Vec<Client>, String> {
        (0..clients).map(|_| self.send(server, bytes)).collect()
    }

    /// Waits until everybody who has connected so far has been accepted: it is first come, first
    /// served.
    pub(crate) fn await_accepted(&self, server: &Server) -> Verdict {
        let mut witness = self.send(server, HELLO)?;
        answered(&mut witness)?;
        Ok(())
    }

    /// Tells the server to stop, and waits until it takes nobody any more.
    pub(crate) fn drain(&self, server: &Server) -> Verdict {
        let start = Instant::now();
        server.signal(Signal::TERM);
        while let Ok(client) = Client::try_connect(server.address) {
            client.vanish();
            if start.elapsed() > PATIENCE {
                return Err("it goes on listening".into());
            }
        }
        Ok(())
    }

    /// The server goes on for somebody.
    pub(crate) fn stays(&self, server: &Server) -> Verdict {
        let exits = server.has_exited_within(self.doubt);
        (!exits)
            .then_some(())
            .ok_or_else(|| "it exits while somebody is there".into())
    }

    /// The server exits by itself.
    pub(crate) fn exits(&self, server: Server) -> Result<Exit, String> {
        if server.has_exited_within(self.patience) {
            Ok(server.exit())
        } else {
            Err("it does not exit".into())
        }
    }

    /// It exits by itself and says that nothing was lost.
    pub(crate) fn exits_well(&self, server: Server) -> Verdict {
        let exit = self.exits(server)?;
        let well = exit.status.success();
        well.then_some(())
            .ok_or_else(|| format!("it does not exit well: {exit:?}"))
    }
}

/// A whole response, whatever it says.
pub(crate) fn answered(client: &mut Client) -> Result<Response, String> {
    let response = client.try_response(false);
    response.map_err(|end| format!("not answered: {end:?}"))
}

/// Whole responses to all of them.
pub(crate) fn all_answered(clients: Vec<Client>) -> Verdict {
    for mut client in clients {
        let response = answered(&mut client)?;
        if response.status != 200 {
            return Err(format!("answered with {response:?}"));
        }
    }
    Ok(())
}

/// An exchange that goes on until its client says so.
pub(crate) struct Exchange(Client);

impl Exchange {
    /// Begins it on this connection; the server has begun to answer then.
    pub(crate) fn begin(mut client: Client) -> Exchange {
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na");
        client.await_ending(b"\r\n\r\na");
        Exchange(client)
    }

    /// Completes it; the connection stays.
    pub(crate) fn complete(mut self) -> Result<Client, String> {
        self.0.try_send("b");
        let response = answered(&mut self.0)?;
        let whole = response.content == b"ab";
        let client = whole.then_some(self.0);
        client.ok_or_else(|| format!("answered with {response:?}"))
    }

    /// Its client, which may vanish.
    pub(crate) fn into_client(self) -> Client {
        self.0
    }
}
