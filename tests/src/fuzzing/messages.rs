//! The table of messages that two readers could understand differently.

use neap_core::{State, Version};

use super::driver::Transcript;
use super::responses::{Asked, read_response};

const TABLE: &str = include_str!("../../corpus/ambiguous.txt");

/// A message of the table.
#[derive(Clone, Debug)]
pub struct Message {
    /// What is special about it.
    pub name: &'static str,
    /// The message, and what may follow it on its connection.
    pub bytes: Vec<u8>,
    /// What becomes of it.
    pub verdict: &'static str,
}

/// All messages of `tests/corpus/ambiguous.txt`.
///
/// # Panics
///
/// Where the file is not as it says it is.
#[must_use]
pub fn messages() -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    for line in TABLE.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let name = line
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'));
        if let Some(name) = name {
            messages.push(Message {
                name,
                bytes: Vec::new(),
                verdict: "",
            });
            continue;
        }
        let message = messages.last_mut().expect("a name comes first");
        match line.strip_prefix("= ") {
            Some(verdict) => message.verdict = verdict,
            None => message.bytes.extend(unescape(line)),
        }
    }
    messages
}

/// The statuses of the responses and what became of the connection, as the table has it.
///
/// # Panics
///
/// Where neap's output is not valid.
#[must_use]
pub fn verdict(transcript: &Transcript) -> String {
    let mut verdict = String::new();
    for status in statuses(transcript) {
        verdict += &format!("{status} ");
    }
    verdict += match transcript.state {
        State::Idle | State::Fresh => "kept",
        State::Head | State::Busy => "waits",
        State::Linger | State::Gone | State::Upgraded => "closed",
    };
    verdict
}

/// The statuses of all responses, in order.
///
/// # Panics
///
/// Where neap's output is not valid.
#[must_use]
pub fn statuses(transcript: &Transcript) -> Vec<u16> {
    let (mut rest, mut statuses) = (&transcript.output[..], Vec::new());
    let mut exchanges = transcript.exchanges.iter();
    let unread = || Asked {
        method: transcript.refused_method.clone(),
        version: Version::Http11,
    };
    let mut asked = None;
    while !rest.is_empty() {
        let exchange = asked.take().or_else(|| {
            let request = &exchanges.next()?.request;
            Some(Asked {
                method: request.method.clone(),
                version: request.version,
            })
        });
        let exchange = exchange.unwrap_or_else(unread);
        let (response, behind) = read_response(rest, &exchange).expect("a valid response");
        statuses.push(response.status);
        rest = behind;
        asked = response.is_interim().then_some(exchange);
    }
    statuses
}

/// The bytes that a line of the table stands for.
fn unescape(line: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), line.as_bytes());
    while let [byte, behind @ ..] = rest {
        rest = behind;
        if *byte != b'\\' {
            bytes.push(*byte);
            continue;
        }
        let (kind, behind) = rest.split_first().expect("an escape is complete");
        rest = behind;
        bytes.push(match kind {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'0' => 0,
            b'\\' => b'\\',
            b'x' => {
                let (digits, behind) = rest.split_at(2);
                rest = behind;
                let digits = std::str::from_utf8(digits).expect("two digits");
                u8::from_str_radix(digits, 16).expect("two digits")
            }
            other => panic!("no such escape: {}", other.escape_ascii()),
        });
    }
    bytes
}
