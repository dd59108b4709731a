//! `neap serve`: a directory's files over HTTP.
//!
//! A request becomes a list of names ([`path`]), these an open file that is certainly below the
//! directory ([`open`]), its conditions ([`conditional`]) and range ([`range`]) are weighed, and
//! what is left of it is read piece by piece as the client takes it ([`file_content`]). A directory
//! is answered with its `index.html` or a [`listing`].
//!
//! All of this up to the first piece of the file happens in one go on a thread that may block: a
//! small file costs one trip there and back.

pub(crate) mod args;
mod conditional;
mod content;
mod file_content;
mod file_response;
mod listing;
mod media_type;
mod open;
mod path;
mod range;
mod refusal;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use http::{Method, Request, Response, StatusCode, header, request};
use percent_encoding::{CONTROLS, utf8_percent_encode};

use self::content::Content;
use self::listing::{Budget, Listings};
use self::open::{Found, OpenError, Resolution, Root, Symlinks};
use self::path::Names;
use self::refusal::Refusal;
use crate::reply;

/// The methods of every target.
const METHODS: &str = "GET, HEAD, OPTIONS";
/// What stands for a directory, if it is there.
const INDEX: &[u8] = b"index.html";

/// A response, or the reason why it is not the one that was asked for.
type Answer = Result<Response<Content>, Refusal>;

/// How a directory is served.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// Whether names that begin with a dot are there.
    pub(crate) hidden: bool,
    /// Which symbolic links are followed; without a wish, those below the directory, if the system
    /// can do that safely.
    pub(crate) symlinks: Option<Symlinks>,
    /// Whether a directory without an index is listed.
    pub(crate) listing: Listings,
}

/// A directory and how it is served.
pub(crate) struct Site {
    root: Root,
    settings: Settings,
    listings: Arc<Budget>,
}

impl Site {
    /// Serves what is below `directory`.
    ///
    /// # Errors
    ///
    /// When the directory is missing, none, or not for us to enter.
    pub(crate) fn open(directory: &Path, settings: Settings) -> io::Result<Site> {
        Ok(Site {
            root: Root::open(directory, settings.symlinks)?,
            settings,
            listings: Budget::new(listing::MEMORY),
        })
    }

    /// What whoever started it should know of symbolic links, if anything: that they are followed
    /// out of the directory, or, without having been asked for it, not at all.
    pub(crate) fn warning(&self) -> Option<&'static str> {
        match (self.root.resolution(), self.settings.symlinks) {
            (Resolution::Unconfined, _) => {
                Some("symbolic links are followed out of the directory, too")
            }
            (Resolution::Stepwise, None) => {
                Some("the system lacks openat2: symbolic links are not followed")
            }
            _ => None,
        }
    }

    /// Answers GET and HEAD. Blocks as long as the storage does.
    fn answer(&self, head: &request::Parts, now: SystemTime) -> Response<Content> {
        self.find(head, now).unwrap_or_else(Refusal::into_response)
    }

    fn find(&self, head: &request::Parts, now: SystemTime) -> Answer {
        let names = Names::parse(head.uri.path())?;
        if names.is_hidden() && !self.settings.hidden {
            Err(Refusal::NOT_FOUND)
        } else if names.has_slash() {
            self.directory(names, head, now)
        } else {
            self.file(&names, head, now)
        }
    }

    fn directory(&self, names: Names, head: &request::Parts, now: SystemTime) -> Answer {
        let index = names.join(INDEX);
        match self.root.find(&index) {
            Ok(Found::File(file, metadata)) => {
                return file_response::send(file, &metadata, index.last(), head, now);
            }
            Ok(Found::Directory(_)) | Err(OpenError::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
        if self.settings.listing == Listings::Off {
            return Err(Refusal::NOT_FOUND);
        }
        let Found::Directory(directory) = self.root.find(&names)? else {
            return Err(Refusal::NOT_FOUND);
        };
        let (hidden, listings) = (self.settings.hidden, &self.listings);
        listing::answer(&self.root, names, directory, hidden, listings, head)
    }

    fn file(&self, names: &Names, head: &request::Parts, now: SystemTime) -> Answer {
        match self.root.find(names)? {
            Found::File(file, metadata) => {
                file_response::send(file, &metadata, names.last(), head, now)
            }
            Found::Directory(_) => Ok(add_slash(names, head.uri.query())),
        }
    }
}

/// Answers a request.
pub(crate) async fn handle<B>(site: Arc<Site>, request: Request<B>) -> Response<Content> {
    let (head, _) = request.into_parts();
    match head.method {
        Method::GET | Method::HEAD => {
            blocking::unblock(move || site.answer(&head, SystemTime::now())).await
        }
        Method::OPTIONS => reply::options(METHODS),
        _ => reply::not_allowed(&head.method, METHODS),
    }
}

/// Sends the client to the directory's own address, from where the links of its page lead on.
fn add_slash(names: &Names, query: Option<&str>) -> Response<Content> {
    let mut location = names.to_directory_path();
    if let Some(query) = query {
        location.push('?');
        location.extend(utf8_percent_encode(query, CONTROLS));
    }
    let sentence = "A directory's address ends in a slash.";
    let mut response = reply::text(StatusCode::MOVED_PERMANENTLY, sentence);
    response
        .headers_mut()
        .insert(header::LOCATION, reply::value(location));
    response
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, UNIX_EPOCH};

    use futures_lite::future::block_on;
    use http_body::Body as _;
    use tempfile::{TempDir, tempdir};

    use super::*;

    /// A date when every file of the tests was long there.
    const MODIFIED: u64 = 784_111_777;
    const HTTP_MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn site() -> (TempDir, Site) {
        let scratch = tempdir().unwrap();
        let path = scratch.path();
        for directory in ["indexed", "plain", "a\\b", ".git"] {
            fs::create_dir(path.join(directory)).unwrap();
        }
        for (name, bytes) in [
            ("ten.txt", "0123456789"),
            ("empty", ""),
            ("indexed/index.html", "<p>index"),
            (".git/config", "secret"),
        ] {
            fs::write(path.join(name), bytes).unwrap();
            let file = fs::File::options()
                .write(true)
                .open(path.join(name))
                .unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(MODIFIED))
                .unwrap();
        }
        let site = Site::open(path, Settings::default()).unwrap();
        (scratch, site)
    }

    fn answer(
        site: &Site,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
    ) -> Response<Vec<u8>> {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let (head, mut content) = site.answer(&head, SystemTime::now()).into_parts();
        let mut bytes = Vec::new();
        assert!(content.size_hint().exact().is_some());
        while let Some(frame) = block_on(std::future::poll_fn(|c| {
            std::pin::Pin::new(&mut content).poll_frame(c)
        })) {
            bytes.extend(frame.unwrap().into_data().unwrap());
        }
        Response::from_parts(head, bytes)
    }

    fn field<'a, B>(response: &'a Response<B>, name: &str) -> &'a str {
        response
            .headers()
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    #[test]
    fn a_file_is_sent_with_what_a_client_needs_to_know() {
        let (_scratch, site) = site();
        let response = answer(&site, "GET", "/ten.txt?ignored", &[]);
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.body(), b"0123456789");
        assert_eq!(
            field(&response, "content-type"),
            "text/plain; charset=utf-8"
        );
        assert_eq!(field(&response, "last-modified"), HTTP_MODIFIED);
        assert_eq!(field(&response, "accept-ranges"), "bytes");
        assert_eq!(field(&response, "x-content-type-options"), "nosniff");
        let etag = field(&response, "etag");
        assert!(
            etag.starts_with('"') && etag.ends_with('"') && etag.len() > 8,
            "{etag}"
        );
        assert_eq!(answer(&site, "GET", "/empty", &[]).body(), b"");
    }

    #[test]
    fn a_file_that_changes_changes_its_tag() {
        let (scratch, site) = site();
        let tag = || field(&answer(&site, "GET", "/ten.txt", &[]), "etag").to_owned();
        let before = tag();
        assert_eq!(before, tag());
        fs::write(scratch.path().join("ten.txt"), "abcdefghij").unwrap();
        assert_ne!(before, tag());
    }

    #[test]
    fn a_range_is_sent_alone() {
        let (_scratch, site) = site();
        let response = answer(&site, "GET", "/ten.txt", &[("range", "bytes=3-5")]);
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(response.body(), b"345");
        assert_eq!(field(&response, "content-range"), "bytes 3-5/10");
        let response = answer(&site, "GET", "/ten.txt", &[("range", "bytes=10-")]);
        assert_eq!(response.status(), StatusCode::RANGE_NOT_SATISFIABLE);
        assert_eq!(field(&response, "content-range"), "bytes */10");
        for fields in [
            &[("range", "bytes=0-1,3-4")][..],
            &[("range", "bytes=0-1"), ("range", "bytes=3-4")],
            &[("range", "bytes=3-5"), ("if-range", "\"another\"")],
        ] {
            let response = answer(&site, "GET", "/ten.txt", fields);
            assert_eq!(response.status(), StatusCode::OK, "{fields:?}");
            assert_eq!(response.body(), b"0123456789");
        }
        let fields = [("range", "bytes=-1"), ("if-range", HTTP_MODIFIED)];
        assert_eq!(answer(&site, "GET", "/ten.txt", &fields).body(), b"9");
        // Only GET has ranges: HEAD tells about the whole.
        let response = answer(&site, "HEAD", "/ten.txt", &[("range", "bytes=3-5")]);
        assert_eq!(response.status(), StatusCode::OK);
    }

    #[test]
    fn a_client_that_has_the_file_is_told_so() {
        let (_scratch, site) = site();
        let etag = field(&answer(&site, "GET", "/ten.txt", &[]), "etag").to_owned();
        for (name, value) in [
            ("if-none-match", &etag[..]),
            ("if-modified-since", HTTP_MODIFIED),
        ] {
            let fields = [(name, value), ("range", "bytes=3-5")];
            let response = answer(&site, "GET", "/ten.txt", &fields);
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
            assert_eq!(response.body(), b"");
            assert_eq!(field(&response, "etag"), etag);
        }
        let response = answer(&site, "GET", "/ten.txt", &[("if-match", "\"another\"")]);
        assert_eq!(response.status(), StatusCode::PRECONDITION_FAILED);
    }

    #[test]
    fn a_directory_is_its_index_or_a_listing() {
        let (_scratch, site) = site();
        let response = answer(&site, "GET", "/indexed/", &[]);
        assert_eq!(response.body(), b"<p>index");
        assert_eq!(field(&response, "content-type"), "text/html; charset=utf-8");
        let response = answer(&site, "GET", "/", &[]);
        let page = String::from_utf8(response.body().clone()).unwrap();
        assert!(
            page.contains("href=\"./ten.txt\"") && !page.contains(".git"),
            "{page}"
        );
        assert_eq!(field(&response, "content-type"), "text/html; charset=utf-8");
    }

    #[test]
    fn a_directory_without_its_slash_is_redirected_on_the_same_host() {
        let (_scratch, site) = site();
        for (target, location) in [
            ("/indexed", "/indexed/"),
            ("/plain?a=/%2F&b", "/plain/?a=/%2F&b"),
            ("http://evil.example/plain", "/plain/"),
            ("/a%5cb", "/a%5Cb/"),
        ] {
            let response = answer(&site, "GET", target, &[]);
            assert_eq!(response.status(), StatusCode::MOVED_PERMANENTLY, "{target}");
            assert_eq!(field(&response, "location"), location);
        }
    }

    #[test]
    fn what_is_not_there_or_not_to_be_seen_is_not_found() {
        let (_scratch, site) = site();
        for target in [
            "/nothing",
            "/ten.txt/",
            "/ten.txt/x",
            "/indexed/index.html/",
            "//plain",
            "/plain//",
            "/.git/config",
            "/.git/",
            "/%2egit/config",
            "/plain%2f",
        ] {
            let response = answer(&site, "GET", target, &[]);
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{target}");
        }
        for target in [
            "/..",
            "/../etc/passwd",
            "/%2e%2e/etc/passwd",
            "/%00",
            "/%zz",
            "*",
        ] {
            let response = answer(&site, "GET", target, &[]);
            assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{target}");
        }
    }

    #[test]
    fn hidden_files_are_served_when_they_are_asked_for() {
        let (scratch, _) = site();
        let site = Site::open(
            scratch.path(),
            Settings {
                hidden: true,
                ..Settings::default()
            },
        )
        .unwrap();
        assert_eq!(answer(&site, "GET", "/.git/config", &[]).body(), b"secret");
    }

    #[test]
    fn head_has_the_fields_of_get() {
        let (_scratch, site) = site();
        for target in ["/ten.txt", "/indexed/", "/", "/plain", "/nothing"] {
            let (get, head) = (
                answer(&site, "GET", target, &[]),
                answer(&site, "HEAD", target, &[]),
            );
            assert_eq!(get.status(), head.status());
            assert_eq!(get.headers(), head.headers());
        }
    }

    #[test]
    fn other_methods_are_told_what_is_possible() {
        let (_scratch, site) = site();
        let site = Arc::new(site);
        for (method, status) in [
            ("OPTIONS", 204),
            ("POST", 405),
            ("DELETE", 405),
            ("CONNECT", 405),
            ("BREW", 501),
        ] {
            let request = Request::builder()
                .method(method)
                .uri("/ten.txt")
                .body(())
                .unwrap();
            let response = block_on(handle(Arc::clone(&site), request));
            assert_eq!(response.status().as_u16(), status, "{method}");
            let allow = if method == "BREW" { "" } else { METHODS };
            assert_eq!(field(&response, "allow"), allow, "{method}");
        }
    }
}
