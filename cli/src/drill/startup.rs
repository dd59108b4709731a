//! A signal that comes while the server starts.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use async_io::Timer;
use futures_lite::future::or;

use super::judge::Terms;
use super::launch::{Launch, StartError};
use super::record::{Doing, Event, Outcome};
use super::run::Run;
use super::script::{Attempt, Life};
use super::server::Server;
use super::stage::MARGIN;

/// How many starts are interrupted, at moments that are spread over the time that a start takes.
const STARTS: u32 = 8;

/// Starts the server several times, each time with a signal before it is ready; `took` is how long
/// it takes if nobody disturbs it. Ends with the first start that does not end as it should.
pub(crate) async fn play(launch: &Launch, terms: &Terms, took: Duration) -> Run {
    let mut run = Run::of_owner();
    for number in 0..STARTS {
        // At random within its share of the time: servers do not start by our clock.
        let share = (f64::from(number) + fastrand::f64()) / f64::from(STARTS);
        match interrupt(launch, terms, took.mul_f64(share), &mut run).await {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                run.trouble = Some(error.to_string());
                break;
            }
        }
    }
    run
}

/// Starts it once; true if it ended as it should.
async fn interrupt(
    launch: &Launch,
    terms: &Terms,
    after: Duration,
    run: &mut Run,
) -> Result<bool, StartError> {
    let begun = Instant::now();
    let server = launch.spawn(None, &[])?;
    let mut life = Life::new(format!("start, signal after {} ms", after.as_millis()));
    life.now(Doing::Silent);
    Timer::at(begun + after).await;
    let members = server.members();
    let signal = Instant::now();
    // The picture's signals are one below the other, as if all of them had come at once.
    let first = *run.signal.get_or_insert(signal);
    server.signal(terms.signal)?;
    let is_exited = exits(&server, terms.deadline + MARGIN).await;
    let exit = Instant::now();
    let status = server.try_exit()?;
    let survivors = server.survivors(members).await;
    let is_right = status.is_some_and(|status| terms.is_right(status));
    let is_well = is_exited && is_right && survivors.is_empty();
    let outcome = if is_exited {
        Outcome::Closed
    } else {
        Outcome::Silence
    };
    life.attempts.push(Attempt {
        outcome,
        delivered: None,
        ended: exit,
    });
    life.ended = Some(exit);
    run.lives.push(Rc::new(RefCell::new(life)));
    if run.marks.is_empty() {
        run.marks.push((Event::Signal, first));
    }
    if !is_well || run.lives.len() == STARTS as usize {
        // What is judged is the last one, which is the only one that may be wrong.
        run.signal = Some(signal);
        run.marks = vec![(Event::Signal, signal)];
    }
    run.exit = is_exited.then_some(exit);
    if is_exited {
        run.marks.push((Event::Exit, exit));
    }
    run.status = status;
    run.survivors = survivors;
    Ok(is_well)
}

async fn exits(server: &Server, limit: Duration) -> bool {
    let exited = async { server.exited().await.is_ok() };
    let late = async {
        Timer::after(limit).await;
        false
    };
    or(exited, late).await
}
