//! What a session and an exchange share: the connection and its bytes.

use crate::buffer::Buffer;
use crate::{Connection, Handler, HttpDate, Read, Step, Tick, Write};

/// A connection with its input and its output.
#[derive(Debug)]
pub(crate) struct Buffered {
    pub(crate) connection: Connection,
    pub(crate) input: Buffer,
    pub(crate) output: Buffer,
    /// Whether the peer's end was read, behind what is in `input`.
    pub(crate) ended: bool,
}

impl Buffered {
    /// Differs if something has changed that can be followed up.
    pub(crate) fn mark(&self) -> (Step, usize, usize) {
        let step = self.connection.poll_step();
        (step, self.input.len(), self.output.len())
    }

    pub(crate) fn read(&self) -> Read {
        match self.connection.poll_step() {
            Step::Go(wants) => wants.read,
            Step::Upgrade | Step::Close { .. } => Read::No,
        }
    }

    pub(crate) fn write(&self) -> Write {
        match self.connection.poll_step() {
            Step::Go(wants) => wants.write,
            Step::Upgrade | Step::Close { .. } => Write::No,
        }
    }

    pub(crate) fn is_run(&self) -> bool {
        matches!(self.connection.poll_step(), Step::Go(wants) if wants.handler == Handler::Run)
    }

    /// Puts what the core says by itself into the output.
    pub(crate) fn put(&mut self, t: Tick<'_>, date: &HttpDate) {
        let write = self.write();
        let output = self.output.end();
        // What does not fit any more, because the phase has risen, is not wanted any more.
        let _ = match write {
            Write::Continue => self.connection.reply_continue(t, output),
            Write::Refuse(_) => self.connection.reply_refusal(t, date, output),
            Write::No | Write::Flush | Write::Fin | Write::Query => return,
        };
    }

    /// Reports the peer's end where a read would see it again, but not before the responder has
    /// taken what came before it.
    pub(crate) fn report_end(&mut self, t: Tick<'_>) {
        let read = self.read();
        let is_behind_content = read == Read::Content
            && self.connection.is_content_deliverable()
            && !self.input.is_empty();
        if self.ended && read != Read::No && !is_behind_content {
            self.connection.handle_eof(t);
        }
    }
}
