//! What the server under test answers: the same for the core alone and for the whole runtime.

/// A request, with the content if [`reading`] says that the handler collects it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) content: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
}

impl Request {
    /// The value of the first field of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        let named = fields.find(|field| field.0.eq_ignore_ascii_case(name));
        named.map(|field| field.1.as_str())
    }
}

/// What a handler does with its request's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// It says at once that it wants none.
    Drops,
    /// It answers without reading, and without saying that it will not.
    Leaves,
    /// It reads all of it before it answers.
    Collects,
}

pub(crate) fn reading(target: &str) -> Reading {
    match path(target) {
        "/echo" => Reading::Collects,
        "/leave" => Reading::Leaves,
        _ => Reading::Drops,
    }
}

/// What a handler answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(&'static str, String)>,
    /// The length that the handler declares; none if it does not know.
    pub(crate) length: Option<u64>,
    pub(crate) pieces: Vec<Vec<u8>>,
    pub(crate) trailers: Vec<(&'static str, &'static str)>,
    /// It fails instead of answering.
    pub(crate) fails: bool,
}

impl Reply {
    fn new(status: u16, content: &[u8]) -> Reply {
        Reply {
            status,
            length: Some(content.len() as u64),
            pieces: Vec::from([content.to_vec()]),
            ..Reply::default()
        }
    }

    fn with(mut self, name: &'static str, value: &str) -> Reply {
        self.fields.push((name, value.into()));
        self
    }

    fn declaring(mut self, length: Option<u64>) -> Reply {
        self.length = length;
        self
    }

    fn streaming(pieces: &[&str]) -> Reply {
        Reply {
            status: 200,
            pieces: pieces.iter().map(|piece| piece.as_bytes().into()).collect(),
            ..Reply::default()
        }
    }
}

const ALLOWED: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Every path that answers to GET and HEAD with a whole response.
pub(crate) const PATHS: [&str; 14] = [
    "/",
    "/echo",
    "/leave",
    "/stream",
    "/trailers",
    "/204",
    "/205",
    "/304",
    "/404",
    "/426",
    "/close",
    "/date",
    "/hop-by-hop",
    "/299",
];

pub(crate) fn reply(request: &Request) -> Reply {
    let method = request.method.as_str();
    let reply = match method {
        "CONNECT" if request.target == "tunnel:1" => Reply::new(200, b""),
        "CONNECT" | "TRACE" => Reply::new(405, b"not here").with("allow", ALLOWED),
        "OPTIONS" => Reply::new(204, b"").with("allow", ALLOWED),
        "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" => reply_at(request),
        _ => Reply::new(501, b"unknown method"),
    };
    let authority = authority(&request.target).or_else(|| request.get("host"));
    reply
        .with("x-method", method)
        .with("x-target", &request.target)
        .with("x-authority", authority.unwrap_or_default())
}

fn reply_at(request: &Request) -> Reply {
    match path(&request.target) {
        "/" => Reply::new(200, b"hello").with("content-type", "text/plain"),
        "/echo" => {
            let trailers = request.trailers.iter();
            let trailers: Vec<String> = trailers
                .map(|(name, value)| format!("{}={value}", name.to_lowercase()))
                .collect();
            Reply::new(200, &request.content).with("x-trailers", &trailers.join(","))
        }
        "/leave" => Reply::new(403, b"go away"),
        "/stream" => Reply::streaming(&["hello", "", ", ", "world"]),
        "/trailers" => Reply {
            trailers: vec![
                ("x-check", "1"),
                ("content-length", "5"),
                ("transfer-encoding", "chunked"),
                ("content-type", "a/b"),
                ("set-cookie", "a=b"),
                ("host", "a"),
            ],
            ..Reply::streaming(&["hello"])
        },
        "/204" => Reply::new(204, b"hello"),
        "/205" => Reply::new(205, b"hello"),
        "/304" => Reply::new(304, b"hello").with("etag", "\"a\""),
        "/426" => Reply::new(426, b"upgrade").with("upgrade", "a/1"),
        "/close" => Reply::new(200, b"bye").with("connection", "x, Close"),
        "/date" => Reply::new(200, b"then")
            .with("date", "Sun, 06 Nov 1994 08:49:37 GMT")
            .with("date", "Mon, 07 Nov 1994 08:49:37 GMT"),
        "/hop-by-hop" => Reply::new(200, b"hello")
            .with("connection", "keep-alive, x-own")
            .with("keep-alive", "timeout=9")
            .with("proxy-connection", "keep-alive")
            .with("transfer-encoding", "gzip")
            .with("x-own", "kept"),
        "/299" => Reply::new(299, b"hello"),
        "/short" => Reply::new(200, b"hello").declaring(Some(10)),
        "/long" => Reply::new(200, b"hello, world").declaring(Some(5)),
        "/600" => Reply::new(600, b"hello"),
        "/fails" => Reply {
            fails: true,
            ..Reply::default()
        },
        _ => Reply::new(404, b"not found"),
    }
}

/// The authority of an absolute target, which counts more than `Host` (RFC 9112 section 3.2.2).
fn authority(target: &str) -> Option<&str> {
    let (_, rest) = target
        .split_once("://")
        .filter(|_| !target.starts_with('/'))?;
    rest.split(['/', '?']).next()
}

fn path(target: &str) -> &str {
    let without_query = target.split('?').next().unwrap_or_default();
    match authority(target) {
        Some(authority) => {
            let start = without_query.find(authority).unwrap_or_default() + authority.len();
            Some(&without_query[start..])
                .filter(|path| !path.is_empty())
                .unwrap_or("/")
        }
        None => without_query,
    }
}
