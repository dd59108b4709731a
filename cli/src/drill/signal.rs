//! Signals by name.

use rustix::process::Signal;

/// Those that ask some server or other to stop.
const SIGNALS: [(&str, Signal); 7] = [
    ("TERM", Signal::TERM),
    ("INT", Signal::INT),
    ("QUIT", Signal::QUIT),
    ("HUP", Signal::HUP),
    ("USR1", Signal::USR1),
    ("USR2", Signal::USR2),
    ("WINCH", Signal::WINCH),
];

/// Reads `TERM`, `SIGTERM` or `15`.
pub(crate) fn parse(text: &str) -> Result<Signal, String> {
    let upper = text.to_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let is_it = |known: &str, signal: Signal| known == name || signal.as_raw().to_string() == name;
    let found = SIGNALS.iter().find(|(known, signal)| is_it(known, *signal));
    found.map(|(_, signal)| *signal).ok_or_else(|| {
        let names: Vec<&str> = SIGNALS.iter().map(|(name, _)| *name).collect();
        format!(
            "{text:?} asks no server to stop; write one of {}",
            names.join(", ")
        )
    })
}

/// Its whole name.
pub(crate) fn name(signal: i32) -> String {
    let more = [
        ("KILL", Signal::KILL),
        ("SEGV", Signal::SEGV),
        ("ABORT", Signal::ABORT),
        ("PIPE", Signal::PIPE),
    ];
    let mut known = SIGNALS.iter().chain(&more);
    match known.find(|(_, known)| known.as_raw() == signal) {
        Some((name, _)) => format!("SIG{name}"),
        None => format!("signal {signal}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_read_in_each_of_its_spellings_and_written_in_one() {
        for (text, signal) in [
            ("TERM", Signal::TERM),
            ("sigquit", Signal::QUIT),
            ("15", Signal::TERM),
            ("SIGWINCH", Signal::WINCH),
        ] {
            assert_eq!(parse(text), Ok(signal));
        }
        assert_eq!(name(15), "SIGTERM");
        assert_eq!(name(11), "SIGSEGV");
        assert_eq!(name(63), "signal 63");
    }

    #[test]
    fn what_asks_no_server_to_stop_is_refused_with_what_to_write() {
        for text in ["", "KILL", "9", "TERMS"] {
            assert!(parse(text).unwrap_err().contains("TERM, INT"), "{text}");
        }
    }
}
