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

/// Nobody keeps anything.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// How globs are matched: a star stays within a name, two of them go through directories.
const GLOB: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// A rule of `--cache`: `POLICY`, or `GLOB=POLICY` for some paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    /// As it was written.
    text: String,
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
    /// A policy of these rules.
    ///
    /// # Errors
    ///
    /// When a rule stands behind one for everything, and so would never count.
    pub(crate) fn new(rules: Vec<Rule>) -> Result<CachePolicy, RuleError> {
        let for_all = rules.iter().position(Rule::is_for_all);
        let behind = for_all.map_or(&[][..], |index| &rules[index..]);
        match behind {
            [all, unreached, ..] => Err(RuleError(format!(
                "{:?} is never reached: write it before {:?}, which is for everything",
                unreached.text, all.text
            ))),
            _ => Ok(CachePolicy { rules }),
        }
    }

    /// Adds `Cache-Control` to the response with the file that the names lead to.
    pub(crate) fn add(&self, names: &Names, fields: &mut HeaderMap) {
        let value = match self.rule(|| names.to_path()) {
            Some(rule) => rule.value.clone(),
            None => Some(DEFAULT),
        };
        if let Some(value) = value {
            fields.insert(header::CACHE_CONTROL, value);
        }
    }

    /// `Cache-Control` of a directory's listing, and of the redirect to it. What it shows changes
    /// with any file in there, so that no lifetime is for it; not being kept at all is.
    pub(crate) fn of_directory(&self, names: &Names) -> HeaderValue {
        match self.rule(|| names.to_title()) {
            Some(rule) if rule.value == Some(NO_STORE) => NO_STORE,
            _ => DEFAULT,
        }
    }

    /// The rule for a path.
    fn rule(&self, path: impl FnOnce() -> String) -> Option<&Rule> {
        let path = match self.rules.iter().any(|rule| rule.paths.is_some()) {
            true => path(),
            false => String::new(),
        };
        let fits = |rule: &&Rule| match &rule.paths {
            Some(paths) => paths.matches_with(&path, GLOB),
            None => true,
        };
        self.rules.iter().find(fits)
    }
}

impl Rule {
    fn is_for_all(&self) -> bool {
        let paths = self.paths.as_ref().map(Pattern::as_str);
        matches!(paths, None | Some("/**" | "/**/*"))
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
            "no-store" => Some(NO_STORE),
            "revalidate" => Some(DEFAULT),
            lifetime => Some(max_age(lifetime).map_err(error)?),
        };
        let text = text.to_owned();
        Ok(Rule { text, paths, value })
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
    if seconds == 0 && !lifetime.is_zero() {
        return Err(format!(
            "{text:?} is less than a second: write 1s, or revalidate"
        ));
    }
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
        let policy = CachePolicy::new(rules).unwrap();
        policy.add(&Names::parse(path).unwrap(), &mut fields);
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
            ("0s", "max-age=0"),
            ("0ms", "max-age=0"),
            ("1999ms", "max-age=1"),
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
    fn a_rule_behind_one_for_everything_is_an_error() {
        let policy = |rules: &[&str]| {
            let rules = rules.iter().map(|rule| rule.parse().unwrap());
            CachePolicy::new(rules.collect()).map(|_| ())
        };
        for rules in [
            &["1h", "/sub/*=no-store"][..],
            &["/a=1h", "1h", "/sub/*=no-store", "/b=off"],
            &["1h", "2h"],
        ] {
            let error = policy(rules).unwrap_err().to_string();
            let told = "is never reached: write it before \"1h\"";
            assert!(error.contains(told), "{error}");
        }
        for all in ["/**=1h", "/**/*=1h"] {
            assert_eq!(control(&[all], "/a"), "max-age=3600", "{all}");
            assert_eq!(control(&[all], "/a/b/c"), "max-age=3600", "{all}");
            assert!(policy(&[all, "/a=2h"]).is_err(), "{all}");
        }
        for rules in [
            &[][..],
            &["1h"],
            &["/sub/*=no-store", "1h"],
            &["/a=1h", "/a=2h"],
        ] {
            assert_eq!(policy(rules), Ok(()), "{rules:?}");
        }
    }

    #[test]
    fn what_is_no_rule_is_told_with_its_remedy() {
        for (text, remedy) in [
            ("1", "a time such as 1h"),
            ("forever", "no-store"),
            ("1h,public", "immutable"),
            // It would be max-age=0: the reverse of what was meant.
            ("500ms", "less than a second: write 1s"),
            ("/a=999ms,immutable", "less than a second"),
            ("*.js=1h", "begin with a slash"),
            ("/***=1h", "no pattern"),
        ] {
            let error = text.parse::<Rule>().unwrap_err().to_string();
            assert!(error.contains(remedy), "{error}");
        }
    }
}
