//! What is sent where there is nothing.

use std::fmt;
use std::path::{Component, Path};
use std::str::FromStr;

use http::{header, request};

use super::path::Names;
use super::preference::{HTML, quality};

/// A file below the directory, as `--not-found` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page(Names);

impl Page {
    pub(crate) fn names(&self) -> &Names {
        &self.0
    }
}

impl FromStr for Page {
    type Err = PageError;

    fn from_str(text: &str) -> Result<Page, PageError> {
        let mut names = Names::default();
        for component in Path::new(text).components() {
            match component {
                Component::Normal(name) => names = names.join(name.as_encoded_bytes()),
                Component::RootDir | Component::CurDir => {}
                Component::ParentDir | Component::Prefix(_) => return Err(PageError),
            }
        }
        match names.is_root() {
            true => Err(PageError),
            false => Ok(Page(names)),
        }
    }
}

/// A text names no file below the directory. Its `Display` says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PageError;

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("write the name of a file below DIR, such as 404.html")
    }
}

impl std::error::Error for PageError {}

/// Whether a person may be about to see what this asks for: it is not the name of a file, such as a
/// script or an image that is missing.
pub(crate) fn is_page(head: &request::Parts) -> bool {
    let last = head.uri.path().rsplit('/').next().unwrap_or_default();
    !last.contains('.')
}

/// Whether a page is welcome.
pub(crate) fn takes_html(head: &request::Parts) -> bool {
    !head.headers.contains_key(header::ACCEPT) || quality(&head.headers, HTML) > 0
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn a_navigation_is_told_from_what_a_page_asks_for() {
        for (target, accept, expected) in [
            ("/", "", true),
            (
                "/users/7",
                "text/html,application/xml;q=0.9,*/*;q=0.8",
                true,
            ),
            ("/users/7?x=a.b", "*/*", true),
            ("/app.js", "*/*", false),
            ("/users/7", "application/json", false),
            ("/users/7", "text/html;q=0, image/png", false),
        ] {
            let mut request = Request::builder().uri(target);
            if !accept.is_empty() {
                request = request.header("accept", accept);
            }
            let (head, ()) = request.body(()).unwrap().into_parts();
            let is_navigation = is_page(&head) && takes_html(&head);
            assert_eq!(is_navigation, expected, "{target} {accept}");
        }
    }

    #[test]
    fn a_page_is_a_file_below_the_directory() {
        for text in ["404.html", "/404.html", "./404.html"] {
            let page = text.parse::<Page>().unwrap();
            assert_eq!(page.names().last(), b"404.html");
        }
        // A name is what it is: nothing is decoded.
        assert_eq!("a/%2e".parse::<Page>().unwrap().names().last(), b"%2e");
        for text in ["", "/", "..", "../404.html", "a/../../b"] {
            assert_eq!(text.parse::<Page>(), Err(PageError), "{text}");
        }
    }
}
