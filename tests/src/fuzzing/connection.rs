//! All that a client sends on a connection, with handlers and a driver that follow a plan.

use neap_core::{Config, Limits, Outcome, Refusal, State, Status, Version};

use super::driver::{Driver, Exchange, Transcript};
use super::handler::{Declares, Ends, Reads};
use super::plan::Plan;
use super::requests::{Request, read_requests};
use super::responses::{Asked, End, Response, read_response};
use super::world::{World, small};

/// All that a client sends on a connection, with handlers and a driver that follow a plan: its
/// length, then its bytes, stand before what the client sends.
///
/// - However the input is cut, the same requests, content and responses come of it.
/// - The requests are the first of those that the grammar finds in it: no byte is used twice,
///   none is left out, and behind a refusal there are none.
/// - The output is one valid response for each request, in order, and at most a refusal.
/// - No more input is kept than a head may have; what is unsent is counted to the byte.
/// - Whatever happens in between (time, a shutdown, errors, a peer that takes little at a time),
///   the connection ends.
///
/// # Panics
///
/// Where that does not hold.
pub fn connection(input: &[u8]) {
    let (mut plan, wire) = Plan::split(input);
    let config = if plan.next() % 2 == 0 {
        Config::default()
    } else {
        small()
    };
    let driver = || Driver::new(World::new(config), plan.clone());
    let at_once = Watched::new(driver().run([wire]), wire, &config.limits);
    let bytewise = driver().run(wire.chunks(1));
    at_once.compare(&Watched::new(bytewise, wire, &config.limits));
    let cut = driver().run(Pieces::new(wire, plan.clone()));
    at_once.compare(&Watched::new(cut, wire, &config.limits));
    let disturbed = driver().disturbed(plan.clone());
    let disturbed = disturbed.run(Pieces::new(wire, plan.clone()));
    Watched::new(disturbed, wire, &config.limits);
}

/// The input in pieces as the plan cuts it.
struct Pieces<'b> {
    rest: &'b [u8],
    plan: Plan<'b>,
}

impl<'b> Pieces<'b> {
    fn new(rest: &'b [u8], plan: Plan<'b>) -> Pieces<'b> {
        Pieces { rest, plan }
    }
}

impl<'b> Iterator for Pieces<'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let len = 1 + usize::from(self.plan.next());
        let (piece, rest) = self.rest.split_at(len.min(self.rest.len()));
        self.rest = rest;
        Some(piece)
    }
}

/// A transcript that was checked, and the responses in it.
struct Watched {
    transcript: Transcript,
    responses: Vec<Response>,
}

impl Watched {
    fn new(transcript: Transcript, wire: &[u8], limits: &Limits) -> Watched {
        let requests = read_requests(wire, limits);
        assert!(transcript.exchanges.len() <= requests.len(), "one too many");
        for (exchange, expected) in transcript.exchanges.iter().zip(&requests) {
            check_request(exchange, expected);
        }
        let responses = check_output(&transcript);
        Watched {
            transcript,
            responses,
        }
    }

    /// The other is of the same input, cut otherwise.
    fn compare(&self, other: &Watched) {
        let (one, two) = (&self.transcript, &other.transcript);
        let partly = |exchange: &Exchange| exchange.behaviour.reads == Reads::Some;
        if one.exchanges.iter().chain(&two.exchanges).any(partly) {
            // A handler that reads one piece gets what there is of it.
            return;
        }
        assert_eq!(one.exchanges.len(), two.exchanges.len());
        for (one, two) in one.exchanges.iter().zip(&two.exchanges) {
            // A piece that is refused is not handed on, its first bytes may have been.
            let (one, two) = (&one.request, &two.request);
            let common = one.content.len().min(two.content.len());
            assert_eq!(one.content[..common], two.content[..common]);
            assert!(common == one.content.len() || !one.is_whole);
            let bare = |request: &Request| Request {
                content: Vec::new(),
                ..request.clone()
            };
            assert_eq!(bare(one), bare(two));
        }
        assert_eq!(self.responses, other.responses);
        let ends = |transcript: &Transcript| {
            // How long it lingers is a matter of pieces.
            let state = match transcript.state {
                State::Linger => State::Gone,
                state => state,
            };
            (transcript.outcome, transcript.reset, state)
        };
        assert_eq!(ends(one), ends(two));
        assert_eq!(one.refusal, two.refusal);
    }
}

/// The request is the one that the grammar sees in its place.
fn check_request(exchange: &Exchange, expected: &Request) {
    let request = &exchange.request;
    assert_eq!(
        (&request.method, &request.target, request.version),
        (&expected.method, &expected.target, expected.version)
    );
    assert_eq!(request.fields, expected.fields);
    assert!(
        expected.content.starts_with(&request.content),
        "other content"
    );
    assert!(
        expected.is_whole || !request.is_whole,
        "it was not all there"
    );
    // Behind a response, content that was not invited is not read any more.
    let is_uninvited = exchange.behaviour.early && expects(request);
    if request.is_whole && exchange.behaviour.reads == Reads::All && !is_uninvited {
        assert_eq!(request.content, expected.content);
        assert_eq!(request.trailers, expected.trailers);
    }
}

/// Whether the client may wait for `100 Continue`.
fn expects(request: &Request) -> bool {
    let expects = |(name, _): &(String, Vec<u8>)| name.eq_ignore_ascii_case("expect");
    request.fields.iter().any(expects)
}

/// The output is a response for each request that was answered, in order, then at most a refusal.
fn check_output(transcript: &Transcript) -> Vec<Response> {
    let (mut rest, mut responses) = (&transcript.output[..], Vec::new());
    let mut last = Asked {
        method: transcript.refused_method.clone(),
        version: Version::Http11,
    };
    for exchange in &transcript.exchanges {
        let asked = Asked {
            method: exchange.request.method.clone(),
            version: exchange.request.version,
        };
        if !exchange.replied {
            last = asked;
            break;
        }
        let answer = skip_interim(rest, &asked, exchange, &mut responses);
        let (response, behind) = read_response(answer, &asked).expect("a valid response");
        rest = behind;
        check_response(exchange, &asked, &response, transcript);
        let is_last = response.says_close() || response.end != End::Whole || exchange.upgraded;
        assert!(
            !is_last || rest.is_empty(),
            "output behind the last response"
        );
        responses.push(response);
    }
    if let Some(exchange) = transcript.exchanges.last().filter(|last| !last.replied) {
        rest = skip_interim(rest, &last, exchange, &mut responses);
    }
    if !rest.is_empty() {
        responses.push(check_refusal(rest, &last, transcript));
    }
    responses
}

/// What is behind `100 Continue`, which only a client gets that waits for it.
fn skip_interim<'b>(
    output: &'b [u8],
    asked: &Asked,
    exchange: &Exchange,
    responses: &mut Vec<Response>,
) -> &'b [u8] {
    let Some(rest) = output.strip_prefix(b"HTTP/1.1 100 Continue\r\n\r\n") else {
        return output;
    };
    assert!(
        expects(&exchange.request) && asked.version == Version::Http11,
        "not asked for"
    );
    let (interim, _) = read_response(output, asked).expect("a valid response");
    responses.push(interim);
    rest
}

/// The response is the handler's.
fn check_response(exchange: &Exchange, asked: &Asked, response: &Response, of: &Transcript) {
    if exchange.upgraded {
        let switches = [200, 101].contains(&response.status);
        assert!(switches && response.content.is_empty());
        return;
    }
    let behaviour = &exchange.behaviour;
    assert_eq!(response.status, behaviour.status.code());
    let mut content = behaviour.content(&exchange.request);
    let tunnels = asked.method == "CONNECT" && (200..300).contains(&response.status);
    if behaviour.declares == Declares::TooLittle && !tunnels {
        content.truncate(content.len() / 2);
    }
    let bare = [204, 205, 304].contains(&response.status) && !tunnels;
    let silent = bare || asked.method == "HEAD";
    if silent {
        content.clear();
    }
    assert!(content.starts_with(&response.content), "other content");
    let is_framed = behaviour.declares == Declares::TooMuch && !silent && !tunnels;
    let ends_well = matches!(behaviour.ends, Ends::Well | Ends::WithTrailers);
    if of.outcome == Outcome::Completed && ends_well && !is_framed {
        assert_eq!(response.content, content);
        assert_ne!(response.end, End::Cut);
    }
    if of.outcome == Outcome::Completed && response.end == End::Cut {
        panic!("a cut response counts as completed");
    }
    if response.end == End::Close && of.outcome == Outcome::Truncated {
        assert!(of.reset, "a cut response looks whole");
    }
}

/// The rest of the output is the refusal of the last request, or of what came in its place.
fn check_refusal(output: &[u8], asked: &Asked, transcript: &Transcript) -> Response {
    let refusal = transcript.refusal.expect("it is no refusal");
    let (response, rest) = read_response(output, asked).expect("a valid response");
    assert!(rest.is_empty() && response.says_close() && response.end == End::Whole);
    assert_eq!(response.status, refusal.status().code());
    let by_peer = matches!(refusal, Refusal::Peer(_));
    assert_eq!(by_peer, transcript.refused.is_some());
    assert!(refusal.status() >= Status::BAD_REQUEST);
    response
}
