//! What is shown on a terminal, and what is not shown in a file.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::{Guard, Server, get, neap, stderr};

/// A command on a terminal of its own.
pub(crate) struct Terminal {
    process: Guard,
    screen: File,
}

impl Terminal {
    /// Starts it with the terminal as its three streams.
    pub(crate) fn start(command: &mut Command) -> Terminal {
        let (screen, terminal) = pair();
        command.stdin(terminal.try_clone().unwrap());
        command.stdout(terminal.try_clone().unwrap());
        let process = Guard(command.stderr(terminal).spawn().unwrap());
        // What the command holds of the terminal would keep it open.
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(Stdio::null());
        Terminal { process, screen }
    }

    pub(crate) fn type_in(&self, text: &str) {
        (&self.screen).write_all(text.as_bytes()).unwrap();
    }

    /// All that was shown, once the command has ended.
    pub(crate) fn end(mut self) -> String {
        let shown = read_all(&mut self.screen);
        self.process.0.wait().unwrap();
        shown
    }
}

/// What a server says on stderr when that is a terminal, or a pipe.
fn said(is_terminal: bool, variables: &[(&str, &str)]) -> String {
    let mut command = neap(&["echo", "-p", "0"]);
    command.env("TERM", "xterm").envs(variables.iter().copied());
    let (mut screen, terminal) = pair();
    if is_terminal {
        command.stderr(terminal);
    }
    let mut server = Server::start(&mut command);
    drop(command);
    get(&server, "/");
    get(&server, "/nowhere");
    server.signal(Signal::TERM);
    if !is_terminal {
        return server.end().1;
    }
    assert_eq!(server.process.0.wait().unwrap().code(), Some(0));
    read_all(&mut screen)
}

const RED: &str = "\x1b[31m";
const YELLOW_404: &str = " HTTP/1.1\" \x1b[33m404\x1b[0m ";
const GREEN_200: &str = " HTTP/1.1\" \x1b[32m200\x1b[0m 13";

#[test]
fn a_terminal_shows_each_status_in_the_colour_of_its_class() {
    let said = said(true, &[]);
    assert!(said.contains(GREEN_200), "{said}");
    assert!(said.contains(YELLOW_404), "{said}");
    assert!(
        said.contains("\x1b[2mneap:\x1b[0m stopped by signal"),
        "{said}"
    );
    assert!(!said.contains(RED), "{said}");
}

#[test]
fn nothing_but_a_terminal_gets_colours_unless_it_is_told_to() {
    assert!(!said(false, &[]).contains('\x1b'));
    assert!(said(false, &[("CLICOLOR_FORCE", "1")]).contains(GREEN_200));
}

#[test]
fn a_terminal_gets_no_colours_where_they_are_not_wanted_or_not_known() {
    for variable in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let said = said(true, &[variable]);
        assert!(said.contains("200 13") && !said.contains('\x1b'), "{said}");
    }
}

#[test]
fn what_is_wrong_with_a_command_line_is_coloured_on_a_terminal_only() {
    let mut command = neap(&["serve", "--nowhere"]);
    let output = command.output().unwrap();
    assert!(!stderr(&output).contains('\x1b'));
    command.env("TERM", "xterm");
    let shown = Terminal::start(&mut command).end();
    assert!(shown.contains("\x1b["), "{shown}");
}

/// The two ends of a terminal: what its user has, and what a program has.
fn pair() -> (File, File) {
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
