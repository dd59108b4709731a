//! Which file a request's path names.
//!
//! A path becomes a list of names, one for each directory on the way, and nothing else: no name
//! is empty, `.` or `..`, or has a slash or a NUL in it. What follows cannot misread such a list,
//! wherever it starts from. Names are bytes, as they are to the system.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// Everything but the unreserved characters (RFC 3986 section 2.3) is encoded: a colon would make
/// a scheme of what stands before it, and browsers take a backslash for a slash.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A path as names; by default the root's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    names: Vec<Vec<u8>>,
    slash: bool,
}

/// Why a path names nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathError {
    /// It is not even a path: 400.
    Malformed,
    /// No file can have this name: 404.
    NotFound,
}

impl Names {
    /// Takes a path apart, first by its slashes and only then by its percent signs, so that `%2F`
    /// cannot become a separator.
    pub(crate) fn parse(path: &str) -> Result<Names, PathError> {
        let path = path.strip_prefix('/').ok_or(PathError::Malformed)?;
        let mut names = path.split('/').map(decode).collect::<Result<Vec<_>, _>>()?;
        // What stands behind the last slash is empty exactly when a directory is meant.
        let slash = names.pop_if(|name| name.is_empty()).is_some();
        if names.iter().any(Vec::is_empty) {
            return Err(PathError::NotFound);
        }
        Ok(Names { names, slash })
    }

    /// The names, from the root down.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.names.iter().map(Vec::as_slice)
    }

    /// Whether the path ended in a slash: it asks for a directory.
    pub(crate) fn has_slash(&self) -> bool {
        self.slash
    }

    /// Whether this is the root.
    pub(crate) fn is_root(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether a name on the way begins with a dot, but for `.well-known` in the root (RFC 8615),
    /// where certificates are proved and security contacts looked up.
    pub(crate) fn is_hidden(&self) -> bool {
        let mut names = self.iter().enumerate();
        names.any(|(depth, name)| is_hidden(name) && !(depth == 0 && name == b".well-known"))
    }

    /// The last name; empty for the root.
    pub(crate) fn last(&self) -> &[u8] {
        self.iter().next_back().unwrap_or_default()
    }

    /// One name further down.
    pub(crate) fn join(&self, name: &[u8]) -> Names {
        let mut names = self.names.clone();
        names.push(name.to_vec());
        Names {
            names,
            slash: false,
        }
    }

    /// The name of a file beside this one, which ends in `suffix`.
    pub(crate) fn with_suffix(&self, suffix: &[u8]) -> Names {
        let mut names = self.names.clone();
        if let Some(last) = names.last_mut() {
            last.extend_from_slice(suffix);
        }
        Names {
            names,
            slash: false,
        }
    }

    /// The path as a person writes it, for patterns.
    pub(crate) fn to_path(&self) -> String {
        let shown = self
            .iter()
            .map(|name| "/".to_owned() + &String::from_utf8_lossy(name));
        shown.collect()
    }

    /// The path of this directory, to be sent to a client. It never begins with `//`, which would
    /// send the client to another host.
    pub(crate) fn to_directory_path(&self) -> String {
        let encoded = self.iter().map(|name| encode(name) + "/");
        "/".to_owned() + &encoded.collect::<String>()
    }

    /// The path of this directory, to be shown to a person.
    pub(crate) fn to_title(&self) -> String {
        let shown = self.iter().map(|name| String::from_utf8_lossy(name) + "/");
        "/".to_owned() + &shown.collect::<String>()
    }
}

/// Whether a name is one that `ls` does not show.
pub(crate) fn is_hidden(name: &[u8]) -> bool {
    name.starts_with(b".")
}

/// A name as part of a path in a link.
pub(crate) fn encode(name: &[u8]) -> String {
    percent_encode(name, RESERVED).to_string()
}

fn decode(segment: &str) -> Result<Vec<u8>, PathError> {
    let mut name = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        name.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                let pair = digit().zip(digit()).ok_or(PathError::Malformed)?;
                u8::try_from(pair.0 * 16 + pair.1).map_err(|_| PathError::Malformed)?
            }
            _ => byte,
        });
    }
    // A client resolves dots itself before it sends them. One that does not is probing.
    if name == b"." || name == b".." || name.contains(&b'\0') {
        return Err(PathError::Malformed);
    }
    if name.contains(&b'/') {
        return Err(PathError::NotFound);
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &str) -> Vec<Vec<u8>> {
        Names::parse(path).unwrap().names
    }

    #[test]
    fn a_path_is_taken_apart_into_names() {
        assert_eq!(names("/"), Vec::<Vec<u8>>::new());
        assert_eq!(names("/a"), [b"a"]);
        assert_eq!(names("/a/b%20c/"), [&b"a"[..], b"b c"]);
        assert_eq!(names("/%ff%FE"), [b"\xff\xfe"]);
        assert_eq!(names("/%252e%252e/..."), [&b"%2e%2e"[..], b"..."]);
        assert_eq!(names("/é"), ["é".as_bytes()]);
        assert_eq!(names("/a\\..\\b"), [b"a\\..\\b"]);
        assert!(Names::parse("/a/").unwrap().has_slash() && Names::parse("/").unwrap().has_slash());
        assert!(!Names::parse("/a").unwrap().has_slash());
    }

    #[test]
    fn a_hostile_path_names_nothing() {
        use PathError::{Malformed, NotFound};
        for (path, error) in [
            ("", Malformed),
            ("*", Malformed),
            ("a", Malformed),
            ("../etc/passwd", Malformed),
            ("/..", Malformed),
            ("/../etc/passwd", Malformed),
            ("/a/../../etc/passwd", Malformed),
            ("/a/..", Malformed),
            ("/.", Malformed),
            ("/./a", Malformed),
            ("/%2e%2e/etc/passwd", Malformed),
            ("/.%2E/etc/passwd", Malformed),
            ("/%2e", Malformed),
            ("/a%00.txt", Malformed),
            ("/%00", Malformed),
            ("/%", Malformed),
            ("/%2", Malformed),
            ("/%zz", Malformed),
            ("/%+1", Malformed),
            ("/%é", Malformed),
            ("/a%2fb", NotFound),
            ("/..%2fetc%2fpasswd", NotFound),
            ("/%2e%2e%2fetc%2fpasswd", NotFound),
            ("/%2fetc/passwd", NotFound),
            ("//", NotFound),
            ("//etc/passwd", NotFound),
            ("//evil.example/", NotFound),
            ("///", NotFound),
            ("/a//b", NotFound),
            ("/a//", NotFound),
        ] {
            assert_eq!(Names::parse(path), Err(error), "{path}");
        }
    }

    #[test]
    fn a_path_that_is_sent_back_leads_to_the_same_file_on_the_same_host() {
        for name in 1..=u8::MAX {
            if name == b'/' || name == b'.' {
                continue;
            }
            let names = Names {
                names: vec![vec![name], vec![name; 3]],
                slash: true,
            };
            let path = names.to_directory_path();
            assert_eq!(Names::parse(&path), Ok(names));
            assert!(
                !path.starts_with("//") && !path.contains(['\\', ':', '"', '<', '&', '?', '#'])
            );
            assert!(path.bytes().all(|byte| byte.is_ascii_graphic()), "{path}");
        }
        assert_eq!(Names::parse("/").unwrap().to_directory_path(), "/");
    }

    #[test]
    fn a_name_is_hidden_by_its_dot_anywhere_on_the_way() {
        for (path, hidden) in [
            ("/", false),
            ("/a.b/c", false),
            ("/.git/config", true),
            ("/a/.env", true),
        ] {
            assert_eq!(Names::parse(path).unwrap().is_hidden(), hidden, "{path}");
        }
        assert!(Names::parse("/a/%2eenv").unwrap().is_hidden());
    }
}
