//! Brings a situation about, once: the server, the control, the clients, the signal, the end.

use std::cell::{Cell, RefCell};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use async_executor::LocalExecutor;
use async_io::Timer;
use rustix::process::Signal;

use super::client;
use super::fact::{self, Fact};
use super::launch::Launch;
use super::player;
use super::record::{Event, Outcome};
use super::run::{self, Run};
use super::script::{Life, Scene};
use super::server::{self, PAUSE, Server};
use super::situation::{After, Entry, Setup};

/// How much later than its deadline a server may exit, for the sake of a busy machine and of the
/// time that ends by force take.
pub(crate) const MARGIN: Duration = Duration::from_secs(1);
/// How long clients may take to be in place, and the control to be over.
const PREPARE_MAX: Duration = Duration::from_secs(12);
/// So many clients are no crowd: what matters is what they are doing, not how many they are.
const FEW: usize = 20;
/// How long clients wait on when the server is gone: what it sent has arrived by then.
const LAST_BYTES: Duration = Duration::from_millis(500);

/// What the stage does, one after the other, to the server and to its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Waits until every client is at the next gate.
    InPlace,
    /// Opens the next gate.
    Open,
    /// Stops the server in its tracks.
    Freeze,
    Thaw,
    /// Makes sure of something.
    Confirm(Fact),
    /// Sends the signal, unless this is the control.
    Signal,
    /// Sends it once more.
    SignalAgain,
    Pause(Duration),
    /// Begins to send so many clients a second.
    Load(u32),
    EndLoad,
    /// Puts a successor's socket in the place of the server's.
    Succeed,
}

/// What a situation is brought about with.
pub(crate) struct Stage<'a> {
    pub(crate) executor: Rc<LocalExecutor<'static>>,
    pub(crate) entry: &'a Entry,
    pub(crate) setup: Setup<'a>,
    pub(crate) launch: &'a Launch,
    pub(crate) server: Rc<Server>,
    pub(crate) signal: Signal,
    pub(crate) deadline: Duration,
    /// Somebody else's socket in the place of the server's.
    successor: RefCell<Option<UnixListener>>,
}

/// Why a situation could not be brought about.
type Trouble = String;

impl<'a> Stage<'a> {
    pub(crate) fn new(
        entry: &'a Entry,
        setup: Setup<'a>,
        launch: &'a Launch,
        server: Server,
        signal: Signal,
        deadline: Duration,
    ) -> Stage<'a> {
        Stage {
            executor: Rc::new(LocalExecutor::new()),
            entry,
            setup,
            launch,
            server: Rc::new(server),
            signal,
            deadline,
            successor: RefCell::default(),
        }
    }

    /// The control and the situation.
    pub(crate) async fn play(&self) -> Run {
        let executor = Rc::clone(&self.executor);
        executor.run(self.play_both()).await
    }

    async fn play_both(&self) -> Run {
        if let Err(trouble) = self.control().await {
            let scripts = (self.entry.clients)(&self.setup);
            let clients = scripts.iter().map(|(_, count)| *count).max();
            return Run {
                is_too_many: clients.is_some_and(|clients| (2..=FEW).contains(&clients)),
                ..Run::troubled(format!("without the signal: {trouble}"))
            };
        }
        let run = Rc::new(RefCell::new(Run::default()));
        let scene = Scene::new(false);
        let acted = self.act(&scene, &run).await;
        if acted.is_ok() {
            self.await_end(&scene, &run).await;
        }
        let mut run = run.take();
        run.trouble = acted.err().or_else(|| exhaustion(&scene));
        if self.entry.is_paced() {
            run.lag = Some(scene.lag.get());
        }
        if run.exit.is_some() && run.trouble.is_none() {
            run.after = self.after().await;
        }
        for life in scene.lives.borrow().iter() {
            life.borrow_mut().give_up();
        }
        run.lives = scene.lives.take();
        run
    }

    /// The same without the signal: what fails here is not to be blamed on it.
    async fn control(&self) -> Result<(), Trouble> {
        let scene = Scene::new(true);
        let run = Rc::new(RefCell::new(Run::default()));
        let scripts = (self.entry.clients)(&self.setup);
        if scripts.iter().any(|(script, _)| script.is_endless) {
            // What never ends is not tried in vain.
            return Ok(());
        }
        self.act(&scene, &run).await?;
        let is_over = self
            .wait(PREPARE_MAX + self.setup.slow, || scene.is_over())
            .await;
        exhaustion(&scene).map_or(Ok(()), Err)?;
        let lives = scene.lives.borrow();
        let lost = |life: &&Rc<RefCell<Life>>| {
            let life = life.borrow();
            life.ended.is_none() || life.outcome().is_lost() || life.outcome() == Outcome::Refused
        };
        let all = lives.len();
        let mut failed = lives.iter().filter(lost);
        let Some(first) = failed.next() else {
            return Ok(());
        };
        let name = if is_over {
            first.borrow().outcome().name()
        } else {
            "not answered in time"
        };
        Err(format!(
            "{} of {all} clients failed ({name})",
            failed.count() + 1
        ))
    }

    async fn act(&self, scene: &Rc<Scene>, run: &Rc<RefCell<Run>>) -> Result<(), Trouble> {
        for (script, count) in (self.entry.clients)(&self.setup) {
            let count = count.min(self.setup.most);
            for number in 1..=count {
                let label = match count {
                    1 => script.label.to_owned(),
                    _ => format!("{} {number}", script.label),
                };
                player::spawn(&self.executor, scene, &script, label);
            }
        }
        let generating = Rc::new(Cell::new(true));
        for act in self.entry.acts {
            self.act_one(*act, scene, run, &generating).await?;
        }
        Ok(())
    }

    async fn act_one(
        &self,
        act: Act,
        scene: &Rc<Scene>,
        run: &Rc<RefCell<Run>>,
        generating: &Rc<Cell<bool>>,
    ) -> Result<(), Trouble> {
        let mark = |event| run.borrow_mut().marks.push((event, Instant::now()));
        match act {
            Act::InPlace => return self.in_place(scene).await,
            Act::Open => scene.open(),
            Act::Freeze => {
                mark(Event::Frozen);
                self.server
                    .freeze()
                    .await
                    .map_err(|error| error.to_string())?;
            }
            Act::Thaw => {
                self.server.thaw();
                mark(Event::Thawed);
            }
            Act::Confirm(fact) => match fact::confirm(fact, &self.server, scene).await {
                Ok(text) => run.borrow_mut().facts.push(text),
                Err(text) => {
                    self.server.thaw();
                    return Err(format!("only {text}"));
                }
            },
            Act::Signal | Act::SignalAgain | Act::Succeed if scene.is_control => {}
            Act::Signal => self.send_signal(run).await?,
            Act::SignalAgain => {
                mark(Event::SecondSignal);
                // One that has exited needs none.
                let _ = self.server.signal(self.signal);
            }
            Act::Pause(pause) => {
                Timer::after(pause).await;
            }
            Act::Load(per_second) => {
                let Some(script) = self.entry.load.map(|load| load(&self.setup)) else {
                    return Err("the situation has no load".into());
                };
                generating.set(true);
                let pace = Duration::from_secs(1) / per_second.max(1);
                let load = player::generate(
                    Rc::downgrade(&self.executor),
                    Rc::clone(scene),
                    script,
                    pace,
                    Rc::clone(generating),
                );
                self.executor.spawn(load).detach();
            }
            Act::EndLoad => generating.set(false),
            Act::Succeed => {
                let socket = succeed(&self.server.socket);
                self.successor
                    .replace(Some(socket.map_err(|error| error.to_string())?));
            }
        }
        Ok(())
    }

    async fn in_place(&self, scene: &Rc<Scene>) -> Result<(), Trouble> {
        let clients = || scene.lives.borrow().len();
        let is_settled = || scene.in_place() + scene.ended() >= clients();
        self.wait(PREPARE_MAX + self.setup.slow, is_settled).await;
        let (all, there) = (clients(), scene.in_place());
        // Those that were to vanish are where they should be.
        let lives = scene.lives.borrow();
        let is_lost = |life: &&Rc<RefCell<Life>>| {
            let life = life.borrow();
            life.ended.is_some() && life.outcome() != Outcome::Vanished
        };
        let lost: Vec<_> = lives.iter().filter(is_lost).collect();
        if let Some(first) = lost.first() {
            let name = first.borrow().outcome().name();
            return exhaustion(scene).map_or_else(
                || {
                    Err(format!(
                        "{} of {all} clients ended early ({name})",
                        lost.len()
                    ))
                },
                Err,
            );
        }
        if there + scene.ended() < all {
            return Err(format!("only {there} of {all} clients came so far"));
        }
        Ok(())
    }

    async fn send_signal(&self, run: &Rc<RefCell<Run>>) -> Result<(), Trouble> {
        let survey = self.server.survey().await;
        let gone = self.server.try_exit().ok().flatten();
        if let Some(status) = gone.map(server::describe) {
            return Err(format!("it exited before the signal ({status})"));
        }
        let at = Instant::now();
        self.server
            .signal(self.signal)
            .map_err(|error| format!("the signal: {error}"))?;
        let mut now = run.borrow_mut();
        now.signal = Some(at);
        now.marks.push((Event::Signal, at));
        now.memory_kib = survey.memory_kib;
        now.was_owner = survey
            .owners
            .iter()
            .any(|owner| owner.pid == self.server.pid);
        now.owners.clone_from(&survey.owners);
        drop(now);
        let mut known = survey.members;
        known.extend(survey.owners);
        let watch = run::watch(Rc::clone(&self.server), Rc::clone(run), known);
        self.executor.spawn(watch).detach();
        Ok(())
    }

    /// Waits until the server has exited and every client knows, or its time is over.
    async fn await_end(&self, scene: &Rc<Scene>, run: &Rc<RefCell<Run>>) {
        let signal = run.borrow().signal.unwrap_or_else(Instant::now);
        let left = (self.deadline + MARGIN).saturating_sub(signal.elapsed());
        let has_exited = || run.borrow().exit.is_some();
        if self.wait(left, has_exited).await {
            // Whoever is still connected was connected to somebody who has survived.
            self.wait(LAST_BYTES * 4, || run.borrow().is_watched).await;
        } else {
            let mut run = run.borrow_mut();
            run.marks.push((Event::Deadline, signal + self.deadline));
            run.marks.push((Event::Killed, Instant::now()));
            run.is_killed = true;
            drop(run);
            self.server.kill();
        }
        self.wait(LAST_BYTES, || scene.is_over()).await;
    }

    async fn after(&self) -> Option<Result<String, String>> {
        match self.entry.after {
            After::Nothing => None,
            After::Restart => {
                let port = self.server.address.port();
                let again = self.launch.start(Some(port), &[]).await;
                Some(match again {
                    Ok(server) => Ok(format!("ready again in {} ms", server.took.as_millis())),
                    Err(error) => Err(format!("it cannot be started on the same port: {error}")),
                })
            }
            After::FileGone => Some(match self.server.socket.exists() {
                false => Ok("the socket's file is gone".into()),
                true => Err("the socket's file was left behind".into()),
            }),
            After::Successor => {
                let address = client::Address::Unix(self.server.socket.clone());
                Some(match client::Stream::connect(&address).await {
                    Ok(_) => Ok("the successor's socket was left alone".into()),
                    Err(_) => Err("the successor's socket was deleted".into()),
                })
            }
        }
    }

    async fn wait(&self, most: Duration, is_so: impl Fn() -> bool) -> bool {
        let begun = Instant::now();
        while !is_so() {
            if begun.elapsed() > most {
                return false;
            }
            Timer::after(PAUSE).await;
        }
        true
    }
}

/// Puts a socket of our own in the place of the one at `path`, as a successor does.
fn succeed(path: &Path) -> std::io::Result<UnixListener> {
    let new = path.with_extension("new");
    let listener = UnixListener::bind(&new)?;
    std::fs::rename(&new, path)?;
    Ok(listener)
}

/// What the drill's own machine had no more of.
fn exhaustion(scene: &Scene) -> Option<Trouble> {
    let lives = scene.lives.borrow();
    let kind = lives.iter().find_map(|life| life.borrow().exhausted)?;
    Some(format!("the drill's own machine: {kind}"))
}
