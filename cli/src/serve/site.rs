//! A directory that is served, and how: from a request to the file that is sent.

use std::fs::{File, Metadata};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderValue, Method, Request, Response, StatusCode, header, request};

use super::budget::Budget;
use super::cache::CachePolicy;
use super::compress::Encoders;
use super::content::Content;
use super::cors::Cors;
use super::extra_field::ExtraFields;
use super::fallback::{self, Page};
use super::file_response;
use super::listing::{self, Listings};
use super::open::{Found, OpenError, Resolution, Root, Symlinks, Wait};
use super::path::Names;
use super::redirect;
use super::refusal::{Refusal, Setback};
use super::representation::{Forms, Representation};
use crate::reply;

/// The methods of every target.
const METHODS: &str = "GET, HEAD, OPTIONS";
/// What stands for a directory, if it is there.
const INDEX: &[u8] = b"index.html";

/// What is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) head: &'a request::Parts,
    pub(crate) now: SystemTime,
    /// Whether we are where the storage may be waited for.
    pub(crate) wait: Wait,
}

impl Asked<'_> {
    fn new(head: &request::Parts, wait: Wait) -> Asked<'_> {
        let now = SystemTime::now();
        Asked { head, now, wait }
    }
}

/// What is sent, or why nothing is, or not now.
pub(crate) type Outcome = Result<Response<Content>, Setback>;

/// How a directory is served.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// Whether names that begin with a dot are there.
    pub(crate) hidden: bool,
    /// Which symbolic links are followed; without a wish, those below the directory, if the system
    /// can do that safely.
    pub(crate) symlinks: Option<Symlinks>,
    /// Which forms of a file there are.
    pub(crate) forms: Forms,
    /// For how long clients may keep files.
    pub(crate) cache: CachePolicy,
    /// Which other origins' scripts may read files.
    pub(crate) cors: Cors,
    /// What is added to every response.
    pub(crate) extra: ExtraFields,
    /// Whether `name` is `name.html` where there is no `name`.
    pub(crate) pretty_urls: bool,
    /// Whether pages that are not there are the root's index, which knows what to show instead.
    pub(crate) spa: bool,
    /// What is sent where nothing is there.
    pub(crate) not_found: Option<Page>,
    /// Whether a directory without an index is listed.
    pub(crate) listing: Listings,
}

/// A directory and how it is served.
pub(crate) struct Site {
    root: Root,
    settings: Settings,
    listings: Arc<Budget>,
    encoders: Encoders,
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
            encoders: Encoders::default(),
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

    /// A page that a flag is about, if it is not there, and what to do about it.
    pub(crate) fn missing_page(&self) -> Option<(String, &'static str)> {
        let index = Names::default().join(INDEX);
        let app = self
            .settings
            .spa
            .then_some((&index, "create it, or leave out --spa"));
        let page = self.settings.not_found.as_ref();
        let page = page.map(|page| (page.names(), "correct --not-found"));
        let is_missing = |names| !matches!(self.root.find_file(names, Wait::Allowed), Ok(Some(_)));
        let mut pages = app.into_iter().chain(page);
        let (names, remedy) = pages.find(|(names, _)| is_missing(names))?;
        Some((names.to_path(), remedy))
    }

    /// Answers GET and HEAD, unless the storage would have to be waited for, and may not be.
    fn answer(&self, asked: Asked<'_>) -> Option<Response<Content>> {
        let outcome = self.find(asked).or_else(|setback| match setback {
            Setback::Refusal(refusal) if refusal.is_not_found() => self.fall_back(refusal, asked),
            other => Err(other),
        });
        answered(outcome).ok()
    }

    /// The same where the storage may be waited for.
    fn answer_in_time(&self, head: &request::Parts) -> Response<Content> {
        self.answer(Asked::new(head, Wait::Allowed))
            .unwrap_or_else(|| Refusal::BUSY.into_response())
    }

    /// Puts a page in the place of a refusal, if there is one for it.
    fn fall_back(&self, refusal: Refusal, asked: Asked<'_>) -> Outcome {
        if !self.settings.spa || !fallback::is_page(asked.head) {
            return self.not_found(refusal, asked);
        }
        let mut response = answered(self.app_or_not_found(refusal, asked))?;
        // Caches would give the app to who wants JSON, and to people that there is nothing.
        let accept = HeaderValue::from_static("accept");
        response.headers_mut().append(header::VARY, accept);
        Ok(response)
    }

    fn app_or_not_found(&self, refusal: Refusal, asked: Asked<'_>) -> Outcome {
        let index = Names::default().join(INDEX);
        if fallback::takes_html(asked.head)
            && let Some(file) = self.root.find_file(&index, asked.wait)?
        {
            return self.send(file, &index, asked);
        }
        self.not_found(refusal, asked)
    }

    fn not_found(&self, refusal: Refusal, asked: Asked<'_>) -> Outcome {
        if let Some(page) = &self.settings.not_found
            && let Some(file) = self.root.find_file(page.names(), asked.wait)?
        {
            let (root, forms) = (&self.root, self.settings.forms);
            let page = Representation::choose(file, page.names(), asked, root, forms)?;
            return file_response::send_as(StatusCode::NOT_FOUND, page, asked, &self.encoders);
        }
        Err(refusal.into())
    }

    /// Sends the file that the names lead to.
    fn send(&self, file: (File, Metadata), names: &Names, asked: Asked<'_>) -> Outcome {
        let chosen = Representation::choose(file, names, asked, &self.root, self.settings.forms)?;
        let mut response = file_response::send(chosen, asked, &self.encoders)?;
        if response.status() != StatusCode::RANGE_NOT_SATISFIABLE {
            self.settings.cache.add(names, response.headers_mut());
        }
        Ok(response)
    }

    /// Adds what the settings say of every response.
    fn dress(&self, head: &request::Parts, mut response: Response<Content>) -> Response<Content> {
        self.settings.cors.add(head, response.headers_mut());
        self.settings.extra.add(response.headers_mut());
        response
    }

    fn find(&self, asked: Asked<'_>) -> Outcome {
        let names = Names::parse(asked.head.uri.path())?;
        if names.is_hidden() && !self.settings.hidden {
            Err(Refusal::NOT_FOUND.into())
        } else if names.has_slash() {
            self.directory(names, asked)
        } else {
            self.file(&names, asked)
        }
    }

    fn directory(&self, names: Names, asked: Asked<'_>) -> Outcome {
        let index = names.join(INDEX);
        match self.root.find(&index, asked.wait) {
            Ok(Found::File(file, metadata)) => {
                return self.send((file, metadata), &index, asked);
            }
            Ok(Found::Directory(_)) | Err(OpenError::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
        if self.settings.listing == Listings::Off {
            return Err(Refusal::NOT_FOUND.into());
        }
        // A directory is read where the storage may be waited for.
        if asked.wait == Wait::Never {
            return Err(Setback::NotNow);
        }
        let Found::Directory(directory) = self.root.find(&names, asked.wait)? else {
            return Err(Refusal::NOT_FOUND.into());
        };
        let cache_control = self.settings.cache.of_directory(&names);
        let (hidden, listings) = (self.settings.hidden, &self.listings);
        let listing = listing::answer(&self.root, names, directory, hidden, listings, asked.head);
        let mut listing = listing?;
        let fields = listing.headers_mut();
        fields.insert(header::CACHE_CONTROL, cache_control);
        Ok(listing)
    }

    fn file(&self, names: &Names, asked: Asked<'_>) -> Outcome {
        match self.root.find(names, asked.wait) {
            Ok(Found::File(file, metadata)) => self.send((file, metadata), names, asked),
            Ok(Found::Directory(_)) => {
                let mut response = redirect::add_slash(names, asked.head.uri.query());
                // Said nothing, browsers keep it for good, also where a file has come meanwhile.
                let cache_control = self.settings.cache.of_directory(names);
                let fields = response.headers_mut();
                fields.insert(header::CACHE_CONTROL, cache_control);
                Ok(response)
            }
            Err(OpenError::NotFound) if self.settings.pretty_urls => {
                let page = names.with_suffix(b".html");
                match self.root.find(&page, asked.wait)? {
                    Found::File(file, metadata) => self.send((file, metadata), &page, asked),
                    Found::Directory(_) => Err(Refusal::NOT_FOUND.into()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Answers a request.
pub(crate) async fn handle<B>(site: Arc<Site>, request: Request<B>) -> Response<Content> {
    let (head, _) = request.into_parts();
    match head.method {
        Method::GET | Method::HEAD => get(site, head).await,
        Method::OPTIONS => site.dress(&head, reply::options(METHODS)),
        _ => site.dress(&head, reply::not_allowed(&head.method, METHODS)),
    }
}

async fn get(site: Arc<Site>, mut head: request::Parts) -> Response<Content> {
    let response = match site.answer(Asked::new(&head, Wait::Never)) {
        Some(response) => response,
        None => {
            let site = Arc::clone(&site);
            let answer = move || (site.answer_in_time(&head), head);
            let response;
            (response, head) = blocking::unblock(answer).await;
            response
        }
    };
    let (fields, content) = response.into_parts();
    let response = match content.settle().await {
        Ok(content) => Response::from_parts(fields, content),
        Err(error) => Refusal::from(OpenError::from(error)).into_response(),
    };
    site.dress(&head, response)
}

/// Makes a response of a refusal.
fn answered(outcome: Outcome) -> Outcome {
    match outcome {
        Err(Setback::Refusal(refusal)) => Ok(refusal.into_response()),
        other => other,
    }
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
        for directory in ["indexed/deeper", "plain", "a\\b", ".git"] {
            fs::create_dir_all(path.join(directory)).unwrap();
        }
        for (name, bytes) in [
            ("ten.txt", "0123456789"),
            ("empty", ""),
            ("indexed/index.html", "<p>index"),
            (".git/config", "secret"),
        ] {
            fs::write(path.join(name), bytes).unwrap();
            let file = File::options().write(true).open(path.join(name)).unwrap();
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
        let response = site.answer(Asked::new(&head, Wait::Allowed)).unwrap();
        // At once it comes to the same, or to nothing.
        if let Some(at_once) = site.answer(Asked::new(&head, Wait::Never)) {
            assert_eq!(at_once.status(), response.status());
            assert_eq!(
                at_once.headers().get("etag"),
                response.headers().get("etag")
            );
            assert_eq!(at_once.size_hint().exact(), response.size_hint().exact());
        }
        let (head, content) = response.into_parts();
        let mut content = block_on(content.settle()).unwrap();
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
            [("range", "bytes=0-1"), ("range", "bytes=3-4")],
            [("range", "bytes=3-5"), ("if-range", "\"another\"")],
        ] {
            let response = answer(&site, "GET", "/ten.txt", &fields);
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
            ("/indexed", "./indexed/"),
            ("/indexed/deeper", "./deeper/"),
            ("/plain?a=/%2F&b", "./plain/?a=/%2F&b"),
            ("/plain?{a|b}", "./plain/?%7Ba%7Cb%7D"),
            ("http://evil.example/plain", "./plain/"),
            ("/a%5cb", "./a%5Cb/"),
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
    fn what_is_well_known_is_not_hidden() {
        let (scratch, site) = site();
        fs::create_dir_all(scratch.path().join(".well-known/.x")).unwrap();
        fs::write(scratch.path().join(".well-known/security.txt"), "mailto:").unwrap();
        let response = answer(&site, "GET", "/.well-known/security.txt", &[]);
        assert_eq!(response.body(), b"mailto:");
        for target in [
            "/.well-known/.x/",
            "/plain/.well-known/",
            "/.well-known.txt",
        ] {
            let status = answer(&site, "GET", target, &[]).status();
            assert_eq!(status, StatusCode::NOT_FOUND, "{target}");
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

    fn set_modified(site: &Path, name: &str, seconds: u64) {
        let file = File::options().write(true).open(site.join(name)).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds))
            .unwrap();
    }

    #[test]
    fn a_file_beside_the_file_is_its_form_for_who_takes_it() {
        let (scratch, _) = site();
        for (name, bytes) in [
            ("ten.txt.br", &"br".repeat(200)[..]),
            ("ten.txt.gz", "gz"),
            ("empty.gz", ""),
        ] {
            fs::write(scratch.path().join(name), bytes).unwrap();
        }
        set_modified(scratch.path(), "empty.gz", MODIFIED - 1);
        let forms = Forms {
            precompressed: true,
            compress: false,
        };
        let settings = Settings {
            forms,
            ..Settings::default()
        };
        let site = Site::open(scratch.path(), settings).unwrap();
        let get = |target, fields: &[(&str, &str)]| answer(&site, "GET", target, fields);
        let response = get("/ten.txt", &[("accept-encoding", "gzip, br")]);
        assert_eq!(response.body().len(), 400);
        assert_eq!(field(&response, "content-encoding"), "br");
        assert_eq!(
            field(&response, "content-type"),
            "text/plain; charset=utf-8"
        );
        assert_eq!(field(&response, "vary"), "accept-encoding");
        let etag = field(&response, "etag").to_owned();
        // Its ranges are its own, and so is its tag.
        let part = get(
            "/ten.txt",
            &[
                ("accept-encoding", "br"),
                ("range", "bytes=0-1"),
                ("if-range", &etag),
            ],
        );
        assert_eq!(
            (part.status().as_u16(), &part.body()[..]),
            (206, &b"br"[..])
        );
        assert_eq!(field(&part, "content-encoding"), "br");
        let other = get("/ten.txt", &[("range", "bytes=0-1"), ("if-range", &etag)]);
        assert_eq!(
            (other.status().as_u16(), &other.body()[..]),
            (200, &b"0123456789"[..])
        );
        // Several parts are not in a coding.
        let parts = get(
            "/ten.txt",
            &[("accept-encoding", "br"), ("range", "bytes=0-0,-1")],
        );
        assert_eq!(parts.status(), StatusCode::OK);
        let plain = get("/ten.txt", &[("accept-encoding", "zstd")]);
        assert_eq!(plain.body(), b"0123456789");
        assert!(!plain.headers().contains_key("content-encoding"));
        assert_eq!(field(&plain, "vary"), "accept-encoding");
        // One that is older is not what is in the file now.
        let older = get("/empty", &[("accept-encoding", "gzip")]);
        assert!(!older.headers().contains_key("content-encoding"));
        // Without the flag they are files like others.
        let site = Site::open(scratch.path(), Settings::default()).unwrap();
        let response = answer(&site, "GET", "/ten.txt", &[("accept-encoding", "br")]);
        assert_eq!(response.body(), b"0123456789");
        assert!(!response.headers().contains_key("vary"));
    }

    #[test]
    fn text_is_compressed_on_its_way_for_who_takes_it() {
        let (scratch, _) = site();
        let text = "All work and no play makes Jack a dull boy.\n".repeat(100);
        for name in ["long.txt", "long.png"] {
            fs::write(scratch.path().join(name), &text).unwrap();
        }
        let forms = Forms {
            precompressed: false,
            compress: true,
        };
        let settings = Settings {
            forms,
            ..Settings::default()
        };
        let site = Site::open(scratch.path(), settings).unwrap();
        let get = |target, fields: &[(&str, &str)]| answer(&site, "GET", target, fields);
        let response = get("/long.txt", &[("accept-encoding", "gzip, br")]);
        assert_eq!(field(&response, "content-encoding"), "gzip");
        assert!(response.body().starts_with(b"\x1f\x8b") && response.body().len() < 500);
        assert!(!response.headers().contains_key("accept-ranges"));
        let etag = field(&response, "etag").to_owned();
        assert!(etag.starts_with("W/"), "{etag}");
        let fields = [("accept-encoding", "gzip"), ("if-none-match", &etag[..])];
        assert_eq!(get("/long.txt", &fields).status(), StatusCode::NOT_MODIFIED);
        let zstd = get("/long.txt", &[("accept-encoding", "zstd, gzip")]);
        assert_eq!(field(&zstd, "content-encoding"), "zstd");
        // Who wants a part, an image, a few bytes or no coding gets them as they are.
        for (target, fields) in [
            (
                "/long.txt",
                &[("accept-encoding", "gzip"), ("range", "bytes=0-9")][..],
            ),
            ("/long.png", &[("accept-encoding", "gzip")]),
            ("/ten.txt", &[("accept-encoding", "gzip")]),
            ("/long.txt", &[]),
        ] {
            let response = get(target, fields);
            assert!(
                !response.headers().contains_key("content-encoding"),
                "{target} {fields:?}"
            );
        }
        assert_eq!(field(&get("/long.txt", &[]), "vary"), "accept-encoding");
        assert_eq!(field(&get("/long.png", &[]), "vary"), "");
    }

    #[test]
    fn several_ranges_are_sent_as_parts() {
        let (scratch, site) = site();
        fs::write(scratch.path().join("long.txt"), "0123456789".repeat(100)).unwrap();
        let response = answer(&site, "GET", "/long.txt", &[("range", "bytes=0-1,500-501")]);
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
        let media_type = field(&response, "content-type");
        assert!(
            media_type.starts_with("multipart/byteranges; boundary="),
            "{media_type}"
        );
        assert!(!response.headers().contains_key("content-range"));
        let text = String::from_utf8(response.body().clone()).unwrap();
        assert!(
            text.contains("Content-Range: bytes 500-501/1000\r\n\r\n01\r\n--"),
            "{text}"
        );
    }

    #[test]
    fn a_page_that_is_not_there_is_the_apps_index_or_the_page_for_it() {
        let (scratch, _) = site();
        fs::write(scratch.path().join("index.html"), "app").unwrap();
        fs::write(scratch.path().join("404.html"), "lost").unwrap();
        let settings = Settings {
            spa: true,
            not_found: Some("404.html".parse().unwrap()),
            ..Settings::default()
        };
        let site = Site::open(scratch.path(), settings).unwrap();
        assert_eq!(site.missing_page(), None);
        let html = [("accept", "text/html")];
        for (target, fields, status, content) in [
            ("/users/7", &html[..], 200, "app"),
            ("/users/", &[], 200, "app"),
            ("/gone.js", &html, 404, "lost"),
            ("/users/7", &[("accept", "application/json")], 404, "lost"),
            (
                "/gone.js",
                &[("if-none-match", "*"), ("range", "bytes=0-0")],
                404,
                "lost",
            ),
        ] {
            let response = answer(&site, "GET", target, fields);
            assert_eq!(response.status().as_u16(), status, "{target}");
            assert_eq!(response.body(), content.as_bytes(), "{target}");
            assert_eq!(field(&response, "content-type"), "text/html; charset=utf-8");
        }
        let lost = answer(&site, "GET", "/gone.js", &[]);
        for name in ["etag", "last-modified", "accept-ranges", "cache-control"] {
            assert!(!lost.headers().contains_key(name), "{name}");
        }
        let elsewhere = Settings {
            not_found: Some("nowhere.html".parse().unwrap()),
            ..Settings::default()
        };
        let site = Site::open(scratch.path(), elsewhere).unwrap();
        let missing = site.missing_page().map(|(page, _)| page);
        assert_eq!(missing.as_deref(), Some("/nowhere.html"));
        assert_eq!(
            answer(&site, "GET", "/gone", &[]).body(),
            b"Nothing is here.\n"
        );
    }

    /// A cache that is not told would answer a script with the app, and a person with a 404.
    #[test]
    fn what_a_navigation_gets_varies_by_accept() {
        let (scratch, _) = site();
        fs::write(scratch.path().join("index.html"), "app").unwrap();
        fs::write(scratch.path().join("404.html"), "lost").unwrap();
        for (spa, not_found) in [
            (true, None),
            (true, Some("404.html".parse().unwrap())),
            (false, None),
        ] {
            let settings = Settings {
                spa,
                not_found,
                ..Settings::default()
            };
            let site = Site::open(scratch.path(), settings).unwrap();
            let app = if spa { "accept" } else { "" };
            let etag = field(&answer(&site, "GET", "/", &[]), "etag").to_owned();
            let (html, json) = (("accept", "text/html"), ("accept", "application/json"));
            for (target, fields, status, vary) in [
                ("/users/7", &[html][..], if spa { 200 } else { 404 }, app),
                (
                    "/users/7",
                    &[html, ("if-none-match", &etag)],
                    if spa { 304 } else { 404 },
                    app,
                ),
                ("/users/7", &[json], 404, app),
                // Here nobody's preference counts.
                ("/users.js", &[html], 404, ""),
                ("/ten.txt", &[html], 200, ""),
                ("/empty", &[json], 200, ""),
                ("/", &[json], 200, ""),
            ] {
                let response = answer(&site, "GET", target, fields);
                assert_eq!(response.status().as_u16(), status, "{target} {fields:?}");
                assert_eq!(field(&response, "vary"), vary, "{target} {fields:?}");
            }
        }
    }

    /// They were read twice, and once wrongly: `TEXT/HTML` was no page, and `text/html;q=0` was one
    /// where `*/*` stood beside it.
    #[test]
    fn one_reading_of_accept_for_pages_and_listings() {
        let (scratch, _) = site();
        fs::write(scratch.path().join("index.html"), "app").unwrap();
        let settings = Settings {
            spa: true,
            ..Settings::default()
        };
        let site = Site::open(scratch.path(), settings).unwrap();
        for (accept, page) in [
            ("TEXT/HTML", true),
            ("Text/*;q=0.1", true),
            ("*/*, text/html;q=0", false),
            ("text/*;q=0, */*", false),
            ("text/html;q=0, application/json", false),
        ] {
            let fields = [("accept", accept)];
            let app = answer(&site, "GET", "/users/7", &fields).status();
            assert_eq!(app == StatusCode::OK, page, "{accept}");
            let listing = answer(&site, "GET", "/plain/", &fields);
            let is_page = field(&listing, "content-type").starts_with("text/html");
            assert_eq!(is_page, page, "{accept}");
        }
    }

    #[test]
    fn no_store_is_for_listings_too() {
        let (scratch, _) = site();
        let control = |rules: &[&str], target| {
            let rules = rules.iter().map(|rule| rule.parse().unwrap());
            let settings = Settings {
                cache: CachePolicy::new(rules.collect()).unwrap(),
                ..Settings::default()
            };
            let site = Site::open(scratch.path(), settings).unwrap();
            let response = answer(&site, "GET", target, &[]);
            let etag = field(&response, "etag").to_owned();
            let again = answer(&site, "GET", target, &[("if-none-match", &etag)]);
            let control = field(&response, "cache-control").to_owned();
            assert_eq!(field(&again, "cache-control"), control);
            control
        };
        for (rules, target, expected) in [
            (&["no-store"][..], "/", "no-store"),
            (&["no-store"], "/plain/", "no-store"),
            (&["no-store"], "/plain", "no-store"),
            (&["/plain/*=no-store"], "/plain/?sort=size", "no-store"),
            (&["/plain/*=no-store"], "/", "no-cache"),
            (&["/**=no-store"], "/plain/", "no-store"),
            // A listing is never of yesterday, and so is no redirect.
            (&["1h"], "/", "no-cache"),
            (&["off"], "/plain/", "no-cache"),
            (&["1h"], "/plain", "no-cache"),
            (&[], "/plain", "no-cache"),
        ] {
            assert_eq!(control(rules, target), expected, "{rules:?} {target}");
        }
    }

    #[test]
    fn a_page_needs_no_suffix_where_that_was_asked_for() {
        let (scratch, _) = site();
        fs::write(scratch.path().join("about.html"), "about").unwrap();
        let get = |pretty_urls, target| {
            let settings = Settings {
                pretty_urls,
                ..Settings::default()
            };
            let site = Site::open(scratch.path(), settings).unwrap();
            answer(&site, "GET", target, &[])
        };
        let about = get(true, "/about");
        assert_eq!(about.body(), b"about");
        assert_eq!(field(&about, "content-type"), "text/html; charset=utf-8");
        assert_eq!(get(true, "/ten.txt").body(), b"0123456789");
        for (pretty_urls, target) in [(false, "/about"), (true, "/about/"), (true, "/ten")] {
            let status = get(pretty_urls, target).status();
            assert_eq!(status, StatusCode::NOT_FOUND, "{target}");
        }
        let status = get(true, "/plain").status();
        assert_eq!(status, StatusCode::MOVED_PERMANENTLY);
    }

    #[test]
    fn every_response_has_the_fields_that_were_asked_for() {
        let (scratch, _) = site();
        let settings = Settings {
            cors: Cors::new(vec!["*".parse().unwrap()]),
            extra: ExtraFields::new(vec!["X-Frame-Options: DENY".parse().unwrap()]),
            ..Settings::default()
        };
        let site = Arc::new(Site::open(scratch.path(), settings).unwrap());
        for (method, target) in [
            ("GET", "/ten.txt"),
            ("GET", "/"),
            ("HEAD", "/nothing"),
            ("OPTIONS", "/"),
            ("POST", "/"),
        ] {
            let request = Request::builder()
                .method(method)
                .uri(target)
                .body(())
                .unwrap();
            let response = block_on(handle(Arc::clone(&site), request));
            assert_eq!(
                field(&response, "access-control-allow-origin"),
                "*",
                "{method}"
            );
            assert_eq!(field(&response, "x-frame-options"), "DENY", "{method}");
        }
        assert_eq!(
            field(&answer(&site, "GET", "/ten.txt", &[]), "cache-control"),
            "no-cache"
        );
    }
}
