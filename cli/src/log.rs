//! Everything neap writes to stderr while it serves, through one thread of its own.
//!
//! A server must not wait for whoever reads its log: a pipe nobody empties blocks `write`, and with
//! it every connection and the drain itself. So lines go into a bounded buffer, a thread writes it
//! in as few calls as possible, and what finds no room is counted instead of waited for. Writing
//! errors are ignored: a server outlives its terminal.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use std::{mem, thread};

use anstyle::Effects;

use crate::tone::Tone;
use crate::{date, json};

/// Bytes that may wait for the writer; some seconds of a busy access log.
const ROOM: usize = 1 << 20;

/// Where lines are put. Clones share one buffer.
#[derive(Clone)]
pub(crate) struct Log {
    shared: Arc<Shared>,
    style: Style,
}

/// What lines about the server itself look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// `neap: ` and the text, with colours or without.
    Text(Tone),
    /// An object, so that a log of JSON lines stays one.
    Json,
}

impl Style {
    fn event(self, text: &str) -> String {
        match self {
            Style::Text(tone) => {
                let dim = tone.style(Effects::DIMMED);
                // A peer's name may be a path that it chose itself, line ends and all.
                let text = json::harmless(text);
                format!("{dim}neap:{dim:#} {text}")
            }
            Style::Json => {
                let now = date::Civil::from_unix(date::unix_seconds(SystemTime::now())).rfc3339();
                format!(r#"{{"time":"{now}","event":{}}}"#, json::string(text))
            }
        }
    }
}

#[derive(Default)]
struct Shared {
    buffer: Mutex<Buffer>,
    /// Rings when the buffer gets its first line, and when it is closed.
    work: Condvar,
    /// Rings when the writer has written all there will ever be.
    written: Condvar,
}

#[derive(Default)]
struct Buffer {
    text: String,
    lost: u64,
    closed: bool,
    finished: bool,
}

impl Log {
    /// Starts the thread that writes to `sink`.
    ///
    /// # Errors
    ///
    /// When the system has no room for a thread.
    pub(crate) fn start(style: Style, sink: impl Write + Send + 'static) -> std::io::Result<Log> {
        let shared = Arc::<Shared>::default();
        let log = Log {
            shared: Arc::clone(&shared),
            style,
        };
        thread::Builder::new()
            .name("neap-log".to_owned())
            .spawn(move || shared.write_to(sink, style))?;
        Ok(log)
    }

    /// Adds a line, which has no line end of its own, or counts it as lost if there is no room.
    pub(crate) fn line(&self, line: &str) {
        let mut buffer = self.shared.lock();
        if buffer.closed {
            return;
        }
        if buffer.text.len() + line.len() >= ROOM {
            buffer.lost += 1;
            return;
        }
        let was_empty = buffer.text.is_empty();
        buffer.text.push_str(line);
        buffer.text.push('\n');
        drop(buffer);
        if was_empty {
            self.shared.work.notify_one();
        }
    }

    /// Whether its lines may have colours.
    pub(crate) fn tone(&self) -> Tone {
        match self.style {
            Style::Text(tone) => tone,
            Style::Json => Tone::Plain,
        }
    }

    /// Adds a line about the server itself.
    pub(crate) fn event(&self, text: &str) {
        self.line(&self.style.event(text));
    }

    /// Takes no more lines and waits until all are written, but not longer than `patience`: a
    /// process that was told to end does so, whoever still owes it a read.
    pub(crate) fn finish(&self, patience: Duration) {
        let mut buffer = self.shared.lock();
        buffer.closed = true;
        self.shared.work.notify_one();
        let outcome = self
            .shared
            .written
            .wait_timeout_while(buffer, patience, |buffer| !buffer.finished);
        drop(outcome);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Buffer> {
        // A thread that panicked here left a whole buffer behind: nothing in between can panic.
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_to(&self, mut sink: impl Write, style: Style) {
        let mut batch = String::new();
        while self.take(&mut batch, style) {
            let _ = sink.write_all(batch.as_bytes()).and_then(|()| sink.flush());
            batch.clear();
        }
        self.lock().finished = true;
        self.written.notify_all();
    }

    /// Waits for lines and swaps them for the empty `batch`; false when there will be none.
    fn take(&self, batch: &mut String, style: Style) -> bool {
        let buffer = self.lock();
        let idle = |buffer: &mut Buffer| buffer.text.is_empty() && !buffer.closed;
        let mut buffer = self
            .work
            .wait_while(buffer, idle)
            .unwrap_or_else(PoisonError::into_inner);
        mem::swap(&mut buffer.text, batch);
        let lost = mem::take(&mut buffer.lost);
        drop(buffer);
        if lost > 0 {
            let text = format!("{lost} log lines lost: stderr was read too slowly");
            batch.push_str(&style.event(&text));
            batch.push('\n');
        }
        !batch.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A pipe in memory: each write is one message, and blocks while the reader has no room.
    struct Pipe(mpsc::SyncSender<Vec<u8>>);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let sent = self.0.send(bytes.to_vec());
            sent.map(|()| bytes.len())
                .map_err(|_| std::io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn what_was_logged_is_written_before_finish_returns() {
        let (sender, pipe) = mpsc::sync_channel(10);
        let log = Log::start(Style::Text(Tone::Plain), Pipe(sender)).unwrap();
        log.line("one");
        log.event("two");
        log.finish(LONG);
        let written: Vec<u8> = pipe.try_iter().flatten().collect();
        assert_eq!(String::from_utf8(written).unwrap(), "one\nneap: two\n");
    }

    #[test]
    fn an_event_is_one_line_whatever_its_peer_is_called() {
        let style = Style::Text(Tone::Plain);
        assert_eq!(
            style.event("refused unix:/é\nneap: \x1b[2J\u{202e}: 400"),
            "neap: refused unix:/é\\u{a}neap: \\u{1b}[2J\\u{202e}: 400"
        );
    }

    #[test]
    fn an_event_in_a_json_log_is_json() {
        let (sender, pipe) = mpsc::sync_channel(10);
        let log = Log::start(Style::Json, Pipe(sender)).unwrap();
        log.event("a \"b\"\nc");
        log.finish(LONG);
        let line: serde_json::Value = serde_json::from_slice(&pipe.recv().unwrap()).unwrap();
        assert_eq!(line["event"], "a \"b\"\nc");
    }

    #[test]
    fn a_reader_that_stopped_holds_neither_the_log_nor_the_end() {
        let (sender, pipe) = mpsc::sync_channel(0);
        let log = Log::start(Style::Text(Tone::Plain), Pipe(sender)).unwrap();
        let line = "x".repeat(1023);
        for _ in 0..3 * ROOM / 1024 {
            log.line(&line);
        }
        log.finish(Duration::ZERO);
        // The reader comes back: the loss is told, and memory was bounded.
        let mut written = Vec::new();
        while !String::from_utf8_lossy(&written).contains("log lines lost") {
            written.extend(pipe.recv().unwrap());
        }
        assert!(written.len() <= 2 * ROOM + 100);
    }

    #[test]
    fn a_broken_pipe_is_ignored() {
        let (sender, pipe) = mpsc::sync_channel(0);
        drop(pipe);
        let log = Log::start(Style::Text(Tone::Plain), Pipe(sender)).unwrap();
        log.line("one");
        log.finish(LONG);
    }
}
