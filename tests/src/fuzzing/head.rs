//! Any bytes as the first input of a connection.

use neap_core::{Config, Connection, Item, PeerError, Spans, Step, Version, Write};

use super::requests::{Framing, Request, framing, method_of, read_head};
use super::responses::{Asked, End, read_response};
use super::syntax::{Fields, Reading};
use super::world::{DATE, World, small};

/// What the core made of a connection's first input.
#[derive(Clone, Debug, PartialEq)]
enum Verdict {
    /// It waits for more.
    More,
    /// A request, how many bytes it took, and how much content it is to have.
    Taken(Request, usize, Option<u64>),
    Refused(PeerError),
}

/// Any bytes as the first input of a connection.
///
/// - However they are cut, the same comes of them: a head, a refusal or nothing.
/// - What is taken for a head is one by the letter of RFC 9112, with the same fields and framing.
/// - A refusal is answered with a valid response, and nothing is dispatched after it.
///
/// # Panics
///
/// Where that does not hold.
pub fn head(input: &[u8]) {
    for config in [small(), Config::default()] {
        let mut bytewise = Begun::new(&config);
        let mut verdict = Verdict::More;
        for len in 0..=input.len() {
            verdict = bytewise.give(&input[..len]);
            if verdict != Verdict::More {
                break;
            }
        }
        let mut at_once = Begun::new(&config);
        assert_eq!(at_once.give(input), verdict, "cut or at once");
        match &verdict {
            Verdict::More => {}
            Verdict::Taken(request, len, length) => {
                check_request(request, *len, *length, input);
            }
            Verdict::Refused(error) => at_once.check_refusal(*error, input),
        }
    }
}

/// A connection that gets its first input.
struct Begun {
    world: World,
    connection: Connection,
    spans: Spans,
    /// Bytes of an empty line that were taken before the head.
    skipped: usize,
}

impl Begun {
    fn new(config: &Config) -> Begun {
        let world = World::new(*config);
        Begun {
            connection: Connection::new(world.tick()),
            world,
            spans: Spans::new(),
            skipped: 0,
        }
    }

    fn give(&mut self, input: &[u8]) -> Verdict {
        loop {
            let rest = &input[self.skipped..];
            let t = self.world.tick();
            let received = self.connection.handle_input(t, rest, &mut self.spans);
            assert!(received.consumed <= rest.len(), "more than there is");
            let head = match received.item {
                Item::Nothing if received.consumed > 0 => {
                    self.skipped += received.consumed;
                    continue;
                }
                Item::Nothing => {
                    let limit = self.world.config.limits.head;
                    assert!(rest.len() < limit, "more is kept than a head may have");
                    return Verdict::More;
                }
                Item::Refused(error) => return Verdict::Refused(error),
                Item::Head(head) => head,
                Item::Content(_) | Item::Trailers(_) => panic!("content of no request"),
            };
            let fields = head.fields().iter();
            let fields = fields.map(|(name, value)| (name.into(), value.into()));
            let request = Request {
                method: head.method().into(),
                target: head.target().into(),
                version: head.version(),
                fields: fields.collect(),
                content: Vec::new(),
                trailers: Fields::new(),
                is_whole: false,
            };
            let len = self.skipped + received.consumed;
            return Verdict::Taken(request, len, self.connection.content_length());
        }
    }

    /// The refusal is a valid response; whatever comes then, no request is taken any more.
    fn check_refusal(&mut self, error: PeerError, input: &[u8]) {
        let t = self.world.tick();
        let wanted = match self.connection.poll_step() {
            Step::Go(wants) => wants.write,
            over => panic!("{over:?} in place of a refusal"),
        };
        assert!(matches!(wanted, Write::Refuse(_)), "{wanted:?}");
        let mut output = Vec::new();
        let done = self.connection.reply_refusal(t, &DATE, &mut output);
        assert_eq!(done, Ok(()));
        let asked = Asked {
            method: method_of(&input[self.skipped..]),
            version: Version::Http11,
        };
        let (response, rest) = read_response(&output, &asked).expect("a valid response");
        assert_eq!(response.status, error.status().code());
        assert!(response.says_close() && response.end == End::Whole && rest.is_empty());
        for next in [input, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"] {
            let received = self.connection.handle_input(t, next, &mut self.spans);
            assert!(received.consumed == 0 && matches!(received.item, Item::Nothing));
        }
        assert_eq!(self.connection.tally().dispatched, 0);
    }
}

fn check_request(request: &Request, len: usize, length: Option<u64>, input: &[u8]) {
    let Reading::Whole((expected, rest)) = read_head(input) else {
        panic!("taken for a head: {}", input.escape_ascii());
    };
    assert_eq!(*request, expected);
    assert_eq!(len, input.len() - rest.len(), "its length");
    let expected = match framing(&expected).expect("its framing is beyond doubt") {
        Framing::Length(length) => Some(length),
        Framing::Chunked => None,
    };
    assert_eq!(length, expected, "its content's length");
}
