//! For how long clients may keep what they got (RFC 9111 section 5.2.2).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use glob::{MatchOptions, Pattern};
use http::{HeaderMap, HeaderValue, header};

use super::path::Names;
use crate::duration;
use crate::reply;

/// What a client does unless somebody says otherwise: it keeps a file and asks each time whether it
/// still is the same. Nothing is ever out of date then, and asking costs a few hundred bytes. Said
/// nothing at all, browsers guess, and show what was there yesterday.
const DEFAULT: HeaderValue = HeaderValue::from_static("no-cache");

/// How globs are matched: a star stays within a name, two of them go through directories.
const GLOB: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// A rule of `--cache`: `POLICY`, or `GLOB=POLICY` for some paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    paths: Option<Pattern>,
    /// Nothing where the field is left out.
    value: Option<HeaderValue>,
}

/// All rules, of which the first counts that fits.
#[derive(Clone, Debug, Default)]
pub(crate) struct CachePolicy {
    rules: Vec<Rule>,
}

impl CachePolicy {
    pub(crate) fn new(rules: Vec<Rule>) -> CachePolicy {
        CachePolicy { rules }
    }

    /// Adds `Cache-Control` to the response with the file that the names lead to.
    pub(crate) fn add(&self, names: &Names, fields: &mut HeaderMap) {
        let path = match self.rules.iter().any(|rule| rule.paths.is_some()) {
            true => names.to_path(),
            false => String::new(),
        };
        let fits = |rule: &&Rule| match &rule.paths {
            Some(paths) => paths.matches_with(&path, GLOB),
            None => true,
        };
        let value = match self.rules.iter().find(fits) {
            Some(rule) => rule.value.clone(),
            None => Some(DEFAULT),
        };
        if let Some(value) = value {
            fields.insert(header::CACHE_CONTROL, value);
        }
    }
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Rule, RuleError> {
        let error = |reason: String| RuleError(reason);
        let (paths, policy) = match text.rsplit_once('=') {
            Some((glob, policy)) if glob.starts_with('/') => {
                let glob = Pattern::new(glob)
                    .map_err(|source| error(format!("{glob:?} is no pattern: {}", source.msg)))?;
                (Some(glob), policy)
            }
            Some((glob, _)) => {
                return Err(error(format!(
                    "the pattern {glob:?} has to begin with a slash"
                )));
            }
            None => (None, text),
        };
        let value = match policy {
            "off" => None,
            "no-store" => Some(HeaderValue::from_static("no-store")),
            "revalidate" => Some(DEFAULT),
            lifetime => Some(max_age(lifetime).map_err(error)?),
        };
        Ok(Rule { paths, value })
    }
}

/// `1h`, or `1y,immutable`.
fn max_age(text: &str) -> Result<HeaderValue, String> {
    let (lifetime, immutable) = match text.split_once(',') {
        Some((lifetime, "immutable")) => (lifetime, ", immutable"),
        Some(_) => return Err(advice(text)),
        None => (text, ""),
    };
    let lifetime: Duration = duration::parse(lifetime).map_err(|_| advice(text))?;
    let seconds = lifetime.as_secs();
    Ok(reply::value(format!("max-age={seconds}{immutable}")))
}

fn advice(text: &str) -> String {
    format!(
        "{text:?} is no policy: write off, no-store, revalidate, a time such as 1h, or \
         365d,immutable"
    )
}

/// Why a text is no rule. Its `Display` says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RuleError(String);

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RuleError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(rules: &[&str], path: &str) -> String {
        let rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        let mut fields = HeaderMap::new();
        CachePolicy::new(rules).add(&Names::parse(path).unwrap(), &mut fields);
        let value = fields.get(header::CACHE_CONTROL);
        value.map_or("", |value| value.to_str().unwrap()).to_owned()
    }

    #[test]
    fn files_are_asked_for_again_unless_somebody_says_otherwise() {
        assert_eq!(control(&[], "/a"), "no-cache");
        assert_eq!(control(&["/assets/*=1h"], "/a"), "no-cache");
        for (rule, expected) in [
            ("off", ""),
            ("no-store", "no-store"),
            ("revalidate", "no-cache"),
            ("90s", "max-age=90"),
            ("1h", "max-age=3600"),
            ("365d,immutable", "max-age=31536000, immutable"),
        ] {
            assert_eq!(control(&[rule], "/a"), expected, "{rule}");
        }
    }

    #[test]
    fn the_first_rule_that_fits_counts() {
        let rules = ["/assets/**/*=365d,immutable", "/*.html=no-store", "1h"];
        for (path, expected) in [
            ("/assets/app.js", "max-age=31536000, immutable"),
            ("/assets/a/b/app.js", "max-age=31536000, immutable"),
            ("/index.html", "no-store"),
            ("/a/index.html", "max-age=3600"),
            ("/%61ssets/x", "max-age=31536000, immutable"),
        ] {
            assert_eq!(control(&rules, path), expected, "{path}");
        }
    }

    #[test]
    fn what_is_no_rule_is_told_with_its_remedy() {
        for (text, remedy) in [
            ("1", "a time such as 1h"),
            ("forever", "no-store"),
            ("1h,public", "immutable"),
            ("*.js=1h", "begin with a slash"),
            ("/***=1h", "no pattern"),
        ] {
            let error = text.parse::<Rule>().unwrap_err().to_string();
            assert!(error.contains(remedy), "{error}");
        }
    }
}
