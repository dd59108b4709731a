//! What a proxy forwarded, what neap saw and what the clients got, set against each other.

use std::collections::BTreeSet;

use neap_tests::fuzzing::{Driver, Transcript};

use crate::upstream::Seen;

/// What happened in front of a proxy and behind it.
pub(crate) struct Ledger {
    secret: Vec<u8>,
    /// The requests that the core finds in what was forwarded, and the message that each is of.
    requests: Vec<(Seen, &'static str)>,
    /// The marks of requests whose response a client got.
    answered: BTreeSet<Vec<u8>>,
    /// Messages of which a client got at least one of neap's responses.
    passed: BTreeSet<&'static str>,
}

impl Ledger {
    pub(crate) fn new(secret: &str) -> Ledger {
        Ledger {
            secret: secret.into(),
            requests: Vec::new(),
            answered: BTreeSet::new(),
            passed: BTreeSet::new(),
        }
    }

    /// A client got `answer`. In it each of neap's responses bears the mark of the request that it
    /// answers: the proxy's in its head, neap's in its content.
    pub(crate) fn answered(&mut self, name: &'static str, answer: &[u8]) {
        let mut head = None;
        for line in answer.split(|byte| *byte == b'\n') {
            let line = line.trim_ascii();
            if let Some(mark) = after(line, b"x-mark: ") {
                head = Some(mark);
            }
            let Some(rest) = after(line, b"answer to ") else {
                continue;
            };
            let mark = rest.split(|byte| *byte == b' ').next().unwrap();
            // An answer in HTTP/0.9 has no head.
            if answer.starts_with(b"HTTP/") {
                assert_eq!(head.take(), Some(mark), "{name}: another request's answer");
            }
            assert!(self.is_mark(mark), "{name}: the answer to no request");
            assert!(self.answered.insert(mark.into()), "{name}: answered twice");
            self.passed.insert(name);
        }
    }

    /// The honest request behind `name` got `answer`.
    pub(crate) fn probed(&mut self, name: &'static str, answer: &[u8]) {
        let before = self.answered.len();
        self.answered("probe", answer);
        let text = answer.escape_ascii();
        assert_eq!(self.answered.len(), before + 1, "behind {name}: {text}");
    }

    /// On one connection `bytes` were forwarded: as many marks as the core finds requests there.
    pub(crate) fn forwarded(&mut self, name: &'static str, bytes: &[u8]) {
        let transcript = Driver::echo().run([bytes]);
        let marks = bytes
            .windows(self.secret.len())
            .filter(|window| *window == self.secret)
            .count();
        let seen = transcript.exchanges.len();
        let refused_head = usize::from(is_head_refused(&transcript));
        let text = bytes.escape_ascii();
        assert_eq!(marks, seen + refused_head, "{name}: {text}");
        for exchange in transcript.exchanges {
            let request = exchange.request;
            let named = |(name, value): &(String, Vec<u8>)| {
                let mark = || String::from_utf8_lossy(value).into_owned();
                name.eq_ignore_ascii_case("x-mark").then(mark)
            };
            let seen = Seen {
                marks: request.fields.iter().filter_map(named).collect(),
                method: request.method,
                target: request.target.parse::<http::Uri>().unwrap().to_string(),
            };
            assert!(
                seen.marks.len() == 1 && self.is_mark(seen.marks[0].as_bytes()),
                "{name}: the proxy did not see {seen:?} in {text}"
            );
            self.requests.push((seen, name));
        }
    }

    /// The test is over, and neap saw these requests.
    pub(crate) fn close(self, mut seen: Vec<Seen>) {
        let mut forwarded = self.requests;
        seen.sort();
        forwarded.sort();
        let differ = seen
            .iter()
            .zip(&forwarded)
            .find(|(one, two)| **one != two.0);
        assert_eq!(differ, None, "what neap saw, and what was forwarded");
        assert_eq!(seen.len(), forwarded.len(), "{:?}", seen.last());
        let all = seen.len();
        seen.dedup_by(|one, other| one.marks == other.marks);
        assert_eq!(seen.len(), all, "a mark twice");
        let honest = ["a get", "a post with a length", "a post in chunks"];
        assert!(honest.iter().all(|name| self.passed.contains(name)));
        println!(
            "{all} requests of {} messages got through",
            self.passed.len()
        );
    }

    fn is_mark(&self, mark: &[u8]) -> bool {
        mark.starts_with(&self.secret) && mark.len() > self.secret.len()
    }
}

/// Whether a head, and not content, was refused.
fn is_head_refused(transcript: &Transcript) -> bool {
    let last = transcript.exchanges.last();
    transcript.refused.is_some() && last.is_none_or(|last| last.replied)
}

fn after<'b>(line: &'b [u8], start: &[u8]) -> Option<&'b [u8]> {
    let (beginning, rest) = line.split_at_checked(start.len())?;
    beginning.eq_ignore_ascii_case(start).then_some(rest)
}
