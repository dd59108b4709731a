//! Content codings, and which of them a client takes (RFC 9110 section 12.5.3).

use std::cmp::Reverse;

use http::{HeaderMap, HeaderValue, header};

use super::preference::element_of_list;

/// A way to make content shorter on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// RFC 7932.
    Brotli,
    /// RFC 8878.
    Zstd,
    /// RFC 1952.
    Gzip,
}

impl Coding {
    /// All of them, what is usually the shortest first.
    pub(crate) const ALL: [Coding; 3] = [Coding::Brotli, Coding::Zstd, Coding::Gzip];

    /// Its name in `Content-Encoding`.
    pub(crate) const fn token(self) -> &'static str {
        match self {
            Coding::Brotli => "br",
            Coding::Zstd => "zstd",
            Coding::Gzip => "gzip",
        }
    }

    /// The same as a field value.
    pub(crate) const fn value(self) -> HeaderValue {
        HeaderValue::from_static(self.token())
    }

    /// What its files' names end in.
    pub(crate) const fn suffix(self) -> &'static [u8] {
        match self {
            Coding::Brotli => b".br",
            Coding::Zstd => b".zst",
            Coding::Gzip => b".gz",
        }
    }

    fn is_named(self, token: &str) -> bool {
        let is = |name| token.eq_ignore_ascii_case(name);
        // Section 8.4.1.3 knows an older name.
        is(self.token()) || (self == Coding::Gzip && is("x-gzip"))
    }
}

/// How gladly a client takes each form, in thousandths; 0 is not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    codings: [u16; Coding::ALL.len()],
    /// Without any coding, if the client says so itself. It takes that in any case: a client that
    /// forbids it gets it all the same where there is nothing else, as section 12.5 allows, since
    /// whoever wrote `identity;q=0` can do more with a page than with a 406.
    identity: u16,
}

impl Accepted {
    /// What the fields say. Elements that are malformed say nothing.
    pub(crate) fn of(fields: &HeaderMap) -> Accepted {
        let mut named = [None; Coding::ALL.len()];
        let (mut identity, mut any) = (None, None);
        let values = fields.get_all(header::ACCEPT_ENCODING).iter();
        let elements = values.filter_map(|value| value.to_str().ok());
        for element in elements.flat_map(|value| value.split(',')) {
            let Some((token, quality)) = element_of_list(element) else {
                continue;
            };
            for (coding, named) in Coding::ALL.iter().zip(&mut named) {
                if coding.is_named(token) {
                    *named = Some(quality);
                }
            }
            if token.eq_ignore_ascii_case("identity") {
                identity = Some(quality);
            } else if token == "*" {
                any = Some(quality);
            }
        }
        Accepted {
            codings: named.map(|quality| quality.or(any).unwrap_or(0)),
            identity: identity.unwrap_or(0),
        }
    }

    /// Those of `ours` that the client takes, and would rather have than none: what it prefers
    /// first, and where it does not care what we prefer, in whose order they come.
    pub(crate) fn best<T: Copy, const COUNT: usize>(
        self,
        mut ours: [T; COUNT],
        coding: impl Fn(T) -> Coding,
    ) -> impl Iterator<Item = T> {
        let quality = move |one: T| self.codings[coding(one) as usize];
        ours.sort_by_key(|&one| Reverse(quality(one)));
        let least = self.identity.max(1);
        ours.into_iter().filter(move |&one| quality(one) >= least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(value: &'static str) -> Vec<&'static str> {
        let fields =
            HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(value))]);
        let accepted = Accepted::of(&fields);
        accepted
            .best(Coding::ALL, |coding| coding)
            .map(Coding::token)
            .collect()
    }

    #[test]
    fn what_a_client_prefers_comes_first_and_then_what_is_shortest() {
        for (value, expected) in [
            ("gzip", &["gzip"][..]),
            ("X-GZIP", &["gzip"]),
            ("gzip, deflate, br, zstd", &["br", "zstd", "gzip"]),
            ("br;q=0.5, gzip", &["gzip", "br"]),
            ("gzip ; q=0.001,\tbr; Q=0", &["gzip"]),
            ("*", &["br", "zstd", "gzip"]),
            ("*;q=0.1, gzip", &["gzip", "br", "zstd"]),
            ("br, *;q=0", &["br"]),
            ("identity, gzip;q=0.5", &[]),
            ("identity;q=0.5, gzip", &["gzip"]),
            ("identity;q=0.5, gzip;q=0.5", &["gzip"]),
            ("identity;q=0", &[]),
            ("deflate", &[]),
            ("", &[]),
        ] {
            assert_eq!(best(value), expected, "{value}");
        }
    }

    #[test]
    fn what_is_malformed_says_nothing() {
        for value in [
            "gzip;q=2",
            "gzip;q=1.001",
            "gzip;q=0.0001",
            "gzip;q=",
            "gzip;q=-1",
            ";q=1",
        ] {
            assert_eq!(best(value), [""; 0], "{value}");
        }
        assert_eq!(best("br;q=x, gzip"), ["gzip"]);
    }

    #[test]
    fn who_says_nothing_gets_no_coding() {
        assert_eq!(
            Accepted::of(&HeaderMap::new())
                .best(Coding::ALL, |coding| coding)
                .count(),
            0
        );
    }

    #[test]
    fn only_what_there_is_is_chosen() {
        let fields =
            HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static("*"))]);
        let best = Accepted::of(&fields)
            .best([Coding::Gzip], |coding| coding)
            .collect::<Vec<_>>();
        assert_eq!(best, [Coding::Gzip]);
    }
}
