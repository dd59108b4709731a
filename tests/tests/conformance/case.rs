//! A case: what a client sends, and what must come of it.

use std::fmt;

use crate::reader::{Response, To, read_all};

/// The request that shows that a connection was kept, or that it was not.
pub(crate) const PROBE: &str = "GET /404 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// One case of the table.
#[derive(Clone)]
pub(crate) struct Case {
    /// `RFC 9112 2.2`.
    pub(crate) section: &'static str,
    /// A sentence.
    pub(crate) name: &'static str,
    pub(crate) input: Vec<u8>,
    pub(crate) expected: Expected,
}

/// What must come of it.
#[derive(Clone)]
pub(crate) struct Expected {
    pub(crate) answers: Vec<Answer>,
    pub(crate) end: End,
    /// Whether the client ends its side behind the input.
    pub(crate) half_closes: bool,
    /// How many requests reach the handler.
    pub(crate) dispatched: usize,
    /// Whether the last response announces a close, if there is one.
    announced: bool,
}

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It goes on: another request is answered.
    Kept,
    /// The server ends it, without waiting for the client to do so.
    Closed,
    /// The server waits for more, and ends when the client does.
    Waiting,
}

/// A response that must come.
#[derive(Clone)]
pub(crate) struct Answer {
    /// Any, if there is none.
    status: Option<u16>,
    to: To,
    has: Vec<(&'static str, &'static str)>,
    names: Vec<&'static str>,
    lacks: Vec<&'static str>,
    content: Option<Vec<u8>>,
    trailers: Option<usize>,
}

/// A response with this status.
pub(crate) fn answer(status: u16) -> Answer {
    Answer {
        status: Some(status),
        to: To::Other,
        has: Vec::new(),
        names: Vec::new(),
        lacks: Vec::new(),
        content: None,
        trailers: None,
    }
}

/// A final response, whatever its status.
pub(crate) fn any() -> Answer {
    Answer {
        status: None,
        ..answer(200)
    }
}

/// What the handler answers to most requests.
pub(crate) fn hello() -> Answer {
    answer(200).content("hello")
}

/// What it answers where it echoes content.
pub(crate) fn echo(content: &str) -> Answer {
    answer(200).content(content)
}

impl Answer {
    pub(crate) fn with(mut self, name: &'static str, value: &'static str) -> Answer {
        self.has.push((name, value));
        self
    }

    pub(crate) fn has(mut self, name: &'static str) -> Answer {
        self.names.push(name);
        self
    }

    pub(crate) fn without(mut self, name: &'static str) -> Answer {
        self.lacks.push(name);
        self
    }

    pub(crate) fn content(mut self, content: impl AsRef<[u8]>) -> Answer {
        self.content = Some(content.as_ref().to_vec());
        self
    }

    pub(crate) fn trailers(mut self, count: usize) -> Answer {
        self.trailers = Some(count);
        self
    }

    /// It answers a HEAD, so that it has no content.
    pub(crate) fn for_head(mut self) -> Answer {
        self.to = To::Head;
        self.content("")
    }

    pub(crate) fn for_connect(mut self) -> Answer {
        self.to = To::Connect;
        self
    }

    fn is_final(&self) -> bool {
        self.status.is_none_or(|status| status >= 200)
    }

    fn check(&self, response: &Response) -> Result<(), String> {
        let fail = |what: &str| Err(format!("{what}: {response:?}"));
        if self.status.is_some_and(|status| status != response.status) {
            return fail(&format!("not {:?}", self.status));
        }
        for (name, value) in &self.has {
            if response.get(name) != Some(value) {
                return fail(&format!("no {name}: {value}"));
            }
        }
        if let Some(name) = self.names.iter().find(|name| response.get(name).is_none()) {
            return fail(&format!("no {name}"));
        }
        if let Some(name) = self.lacks.iter().find(|name| response.get(name).is_some()) {
            return fail(&format!("with {name}"));
        }
        if self
            .content
            .as_ref()
            .is_some_and(|content| *content != response.content)
        {
            return fail("other content");
        }
        if self
            .trailers
            .is_some_and(|count| count != response.trailers.len())
        {
            return fail("other trailers");
        }
        Ok(())
    }
}

/// The connection is kept after these answers.
pub(crate) fn kept<const N: usize>(answers: [Answer; N]) -> Expected {
    let answers = Vec::from(answers);
    Expected {
        dispatched: answers.iter().filter(|answer| answer.is_final()).count(),
        answers,
        end: End::Kept,
        half_closes: false,
        announced: true,
    }
}

/// The server ends the connection after these answers.
pub(crate) fn closed<const N: usize>(answers: [Answer; N]) -> Expected {
    Expected {
        end: End::Closed,
        ..kept(answers)
    }
}

/// The same, where that could not be known when the last response began.
pub(crate) fn unannounced<const N: usize>(answers: [Answer; N]) -> Expected {
    Expected {
        announced: false,
        ..closed(answers)
    }
}

/// The server itself answers, for no handler saw the request, and ends the connection.
pub(crate) fn refused(status: u16) -> Expected {
    closed([refusal(status)]).dispatches(0)
}

/// Nothing comes: the server waits for more.
pub(crate) fn waits() -> Expected {
    Expected {
        end: End::Waiting,
        ..kept([]).half_closed()
    }
}

/// What the server itself answers.
pub(crate) fn refusal(status: u16) -> Answer {
    answer(status)
        .with("connection", "close")
        .with("content-type", "text/plain; charset=utf-8")
        .without("x-method")
}

impl Expected {
    /// How many requests reach the handler, where that is not the number of final answers.
    pub(crate) fn dispatches(mut self, dispatched: usize) -> Expected {
        self.dispatched = dispatched;
        self
    }

    /// The client ends its side behind the input.
    pub(crate) fn half_closed(mut self) -> Expected {
        self.half_closes = true;
        self
    }
}

impl Case {
    /// What the final answers answer, the one to [`PROBE`] included.
    pub(crate) fn to(&self) -> Vec<To> {
        let last = self
            .expected
            .answers
            .iter()
            .filter(|answer| answer.is_final());
        last.map(|answer| answer.to).collect()
    }

    /// Whether `output` is what must come; `probed` if the connection is kept and [`PROBE`] was
    /// sent behind the input.
    pub(crate) fn check(&self, output: &[u8], probed: bool) -> Result<(), String> {
        let responses = read_all(output, &self.to())?;
        let mut answers = self.expected.answers.clone();
        if probed {
            answers.push(answer(404).with("connection", "close").content("not found"));
        }
        if responses.len() != answers.len() {
            return Err(format!("{} answers: {responses:?}", responses.len()));
        }
        for (answer, response) in answers.iter().zip(&responses) {
            answer.check(response)?;
        }
        let last = responses.last().filter(|last| last.status >= 200);
        let announces = last.is_some_and(Response::closes);
        match self.expected.end {
            End::Kept if !probed && announces => Err("it announces a close".into()),
            End::Closed if !announces && self.expected.announced && !self.expected.half_closes => {
                Err("it does not announce the close".into())
            }
            End::Kept | End::Closed | End::Waiting => Ok(()),
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let input = &self.input[..self.input.len().min(300)];
        let (section, name, input) = (self.section, self.name, input.escape_ascii());
        write!(f, "{section}: {name}\n  {input}")
    }
}

/// One input, or several that must fare alike.
pub(crate) trait Inputs {
    fn inputs(self) -> Vec<Vec<u8>>;
}

impl Inputs for &str {
    fn inputs(self) -> Vec<Vec<u8>> {
        vec![self.into()]
    }
}

impl Inputs for String {
    fn inputs(self) -> Vec<Vec<u8>> {
        vec![self.into()]
    }
}

impl Inputs for Vec<u8> {
    fn inputs(self) -> Vec<Vec<u8>> {
        vec![self]
    }
}

impl<T: Inputs, const N: usize> Inputs for [T; N] {
    fn inputs(self) -> Vec<Vec<u8>> {
        self.into_iter().flat_map(Inputs::inputs).collect()
    }
}

/// A function that gives the cases of one section, a row for each sentence.
macro_rules! table {
    ($table:ident, $section:literal; $($name:literal: $inputs:expr => $expected:expr;)+) => {
        pub(crate) fn $table() -> Vec<$crate::case::Case> {
            let mut cases = Vec::new();
            $(
                let expected = $expected;
                for input in $crate::case::Inputs::inputs($inputs) {
                    let expected = expected.clone();
                    let (section, name) = ($section, $name);
                    cases.push($crate::case::Case { section, name, input, expected });
                }
            )+
            cases
        }
    };
}
pub(crate) use table;

/// A request with this request line, and with `Host`.
pub(crate) fn line(line: &str) -> String {
    format!("{line}\r\nHost: a\r\n\r\n")
}

/// A GET with this field line behind its `Host`.
pub(crate) fn get(field: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n")
}

/// A POST to the handler that echoes content, with this field line behind its `Host`.
pub(crate) fn post(field: &str, content: &str) -> String {
    format!("POST /echo HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n{content}")
}

/// A request with this request line and field line whose content looks like a request: once with
/// a length, once in chunks.
pub(crate) fn hiding(line: &str, field: &str) -> [String; 2] {
    let (head, length) = (format!("{line}\r\nHost: a{field}\r\n"), PROBE.len());
    [
        format!("{head}Content-Length: {length}\r\n\r\n{PROBE}"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{PROBE}\r\n0\r\n\r\n"),
    ]
}

/// A POST of content in chunks, as they are given.
pub(crate) fn chunked(content: &str) -> String {
    post("Transfer-Encoding: chunked", content)
}
