//! What is shown on a terminal, and what is not shown in a file.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::{Child, Command};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// A command on a terminal of its own. It is killed if a test fails before it ended.
pub(crate) struct Terminal {
    pub(crate) child: Child,
    screen: File,
}

impl Terminal {
    /// Starts it with the terminal as its three streams.
    pub(crate) fn start(command: &mut Command) -> Terminal {
        let (screen, terminal) = pair();
        command.stdin(terminal.try_clone().unwrap());
        command.stdout(terminal.try_clone().unwrap());
        let child = command.stderr(terminal).spawn().unwrap();
        // What the command holds of the terminal would keep it open.
        command.stdin(std::process::Stdio::null());
        command.stdout(std::process::Stdio::null());
        command.stderr(std::process::Stdio::null());
        Terminal { child, screen }
    }

    pub(crate) fn type_in(&self, text: &str) {
        (&self.screen).write_all(text.as_bytes()).unwrap();
    }

    /// All that was shown, once the command has ended.
    pub(crate) fn end(mut self) -> String {
        let shown = read_all(&mut self.screen);
        self.child.wait().unwrap();
        shown
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The two ends of a terminal: what its user has, and what a program has.
pub(crate) fn pair() -> (File, File) {
    let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&screen).unwrap();
    unlockpt(&screen).unwrap();
    let name = ptsname(&screen, Vec::new()).unwrap();
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true);
    // Whoever opens a terminal without one of his own has it for his own, but for this flag.
    let options = std::os::unix::fs::OpenOptionsExt::custom_flags(
        options,
        i32::try_from(rustix::fs::OFlags::NOCTTY.bits()).unwrap(),
    );
    let terminal = options.open(name.to_str().unwrap()).unwrap();
    (screen.into(), terminal)
}

/// Reads until nobody has the terminal any more, which Linux reports as an error.
fn read_all(screen: &mut File) -> String {
    let mut shown = Vec::new();
    let _ = screen.read_to_end(&mut shown);
    String::from_utf8_lossy(&shown).into_owned()
}
