//! The handles of several servers, as one.

use neap_core::Progress;

use crate::{Handle, Report};

/// Several servers of a program, stopped and looked at as one.
///
/// ```
/// use futures_lite::future::{block_on, zip};
/// use neap_smol::{Handles, Server};
///
/// # fn main() -> std::io::Result<()> {
/// let public = Server::bind("127.0.0.1:0")?;
/// let private = Server::bind("127.0.0.1:0")?;
/// let all: Handles = [public.handle(), private.handle()].into_iter().collect();
/// let serving = zip(
///     public.serve(|_request| async { "for everybody" }),
///     private.serve(|_request| async { "for us" }),
/// );
/// let (reports, ()) = block_on(zip(serving, async { all.drain() }));
/// assert!(reports.0.is_clean() && reports.1.is_clean());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Handles(Vec<Handle>);

impl Handles {
    /// Begins the drain of all, see [`Handle::drain`].
    pub fn drain(&self) {
        self.0.iter().for_each(Handle::drain);
    }

    /// Ends everything at once, see [`Handle::close_now`].
    pub fn close_now(&self) {
        self.0.iter().for_each(Handle::close_now);
    }

    /// Calls the drain of all off, see [`Handle::cancel_drain`].
    pub fn cancel_drain(&self) {
        self.0.iter().for_each(Handle::cancel_drain);
    }

    /// Whether all of them are ready, see [`Handle::is_ready`].
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.0.iter().all(Handle::is_ready)
    }

    /// How far the one has come that is furthest behind; of none, to the end.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let progress = self.0.iter().map(Handle::progress);
        progress.min().unwrap_or(Progress::Done)
    }

    /// Waits until all of them have come as far as `progress`. Cancel safe.
    pub async fn reached(&self, progress: Progress) {
        for handle in &self.0 {
            handle.reached(progress).await;
        }
    }

    /// Waits until all of them are done, and reports, in their order. Cancel safe.
    pub async fn done(&self) -> Vec<Report> {
        self.reached(Progress::Done).await;
        self.0.iter().map(Handle::report).collect()
    }
}

impl FromIterator<Handle> for Handles {
    fn from_iter<I: IntoIterator<Item = Handle>>(handles: I) -> Handles {
        Handles(handles.into_iter().collect())
    }
}

impl Extend<Handle> for Handles {
    fn extend<I: IntoIterator<Item = Handle>>(&mut self, handles: I) {
        self.0.extend(handles);
    }
}
