//! Network namespaces: a network of one's own, with nothing in it but what is put there.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A network namespace. A process holds it that ends when its stdin does: however this one ends,
/// nothing is left over.
#[derive(Debug)]
pub struct Namespace {
    holder: Child,
    file: File,
}

impl Namespace {
    /// Makes one.
    ///
    /// # Errors
    ///
    /// Without the right to make namespaces.
    pub fn new() -> io::Result<Namespace> {
        let mut holder = Command::new("unshare")
            .args(["--net", "cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let file = open(&mut holder).inspect_err(|_| {
            let _ = holder.kill();
            let _ = holder.wait();
        })?;
        Ok(Namespace { holder, file })
    }

    /// Runs `task` on a thread inside. Threads and processes that it starts are inside, too.
    ///
    /// # Panics
    ///
    /// If `task` does, or this process has lost the right to enter.
    pub fn enter<T: Send>(&self, task: impl FnOnce() -> T + Send) -> T {
        let inside = || {
            move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("the namespace can be entered");
            task()
        };
        thread::scope(|scope| scope.spawn(inside).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Sets one of the settings below `/proc/sys/net`.
    ///
    /// # Errors
    ///
    /// If there is no such setting, or it has no such value.
    pub fn set(&self, name: &str, value: &str) -> io::Result<()> {
        self.enter(|| std::fs::write(format!("/proc/sys/net/{name}"), value))
    }
}

/// The namespace that `holder` is in, once it has answered: before, it may not be there yet.
fn open(holder: &mut Child) -> io::Result<File> {
    let mut stdin = holder.stdin.as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
    stdin.write_all(b"ready\n")?;
    let stdout = holder.stdout.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    if line != "ready\n" {
        return Err(io::Error::other("unshare --net failed"));
    }
    File::open(format!("/proc/{}/ns/net", holder.id()))
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
