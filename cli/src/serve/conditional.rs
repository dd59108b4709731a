//! Conditional requests (RFC 9110 section 13), as a pure function of fields and validators.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::date;

/// What tells one state of a representation from another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Validators {
    /// An entity tag, quotes and the mark of a weak one included.
    pub(crate) etag: Option<String>,
    /// When it was modified, in seconds since 1970.
    pub(crate) modified: Option<i64>,
}

impl Validators {
    /// What `Last-Modified` says, if the second that it names is over at `now`. A file may change
    /// again within that second: a client that was told of it before would take what it has for
    /// the later file (RFC 9110 section 8.8.2.2). Nor is a date in the future sent (8.8.2.1).
    pub(crate) fn last_modified(&self, now: i64) -> Option<i64> {
        self.modified.filter(|&modified| modified < now)
    }
}

/// What the conditions of a GET or HEAD come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Answer as if there were none.
    Proceed,
    /// 304: the client has it already.
    NotModified,
    /// 412: it is not what the client supposes.
    Failed,
}

/// Weighs the conditions in the order of section 13.2.2.
pub(crate) fn evaluate(fields: &HeaderMap, validators: &Validators) -> Verdict {
    let etag = validators.etag.as_deref();
    if fields.contains_key(header::IF_MATCH) {
        if !any_tag(fields, header::IF_MATCH, |tag| tag.is_strong_match(etag)) {
            return Verdict::Failed;
        }
    } else if let Some((since, modified)) = dates(fields, &header::IF_UNMODIFIED_SINCE, validators)
        && modified > since
    {
        return Verdict::Failed;
    }
    if fields.contains_key(header::IF_NONE_MATCH) {
        if any_tag(fields, header::IF_NONE_MATCH, |tag| tag.is_weak_match(etag)) {
            return Verdict::NotModified;
        }
    } else if let Some((since, modified)) = dates(fields, &header::IF_MODIFIED_SINCE, validators)
        && modified <= since
    {
        return Verdict::NotModified;
    }
    Verdict::Proceed
}

/// Whether a `Range` may be obeyed: the client's other part is of this very representation
/// (section 13.1.5). Without `If-Range` it may; `now` decides whether a date may have been sent.
pub(crate) fn range_holds(fields: &HeaderMap, validators: &Validators, now: i64) -> bool {
    let Some(condition) = fields.get(header::IF_RANGE) else {
        return true;
    };
    if let Some(tag) = tags(condition.as_bytes()).next() {
        return tag.is_strong_match(validators.etag.as_deref()) && !tag.is_any();
    }
    // Every date that was sent is strong; one that would not be sent now is none of ours.
    dates(fields, &header::IF_RANGE, validators)
        .is_some_and(|(condition, _)| validators.last_modified(now) == Some(condition))
}

/// The date of a condition beside that of the representation. A condition that is no date, or
/// more than one, counts as absent (sections 13.1.3 and 13.1.4).
fn dates(fields: &HeaderMap, name: &HeaderName, validators: &Validators) -> Option<(i64, i64)> {
    let mut values = fields.get_all(name).iter();
    let date = date::parse_http_date(values.next()?.to_str().ok()?)?;
    match values.next() {
        Some(_) => None,
        None => Some((date, validators.modified?)),
    }
}

fn any_tag(fields: &HeaderMap, name: HeaderName, matches: impl Fn(Tag<'_>) -> bool) -> bool {
    fields
        .get_all(name)
        .iter()
        .map(HeaderValue::as_bytes)
        .flat_map(tags)
        .any(matches)
}

/// An item of a list of entity tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tag<'a> {
    /// `*`
    Any,
    /// `"opaque"`, quotes included.
    Strong(&'a [u8]),
    /// `W/"opaque"`; the quotes are included, the mark is not.
    Weak(&'a [u8]),
}

impl Tag<'_> {
    fn is_any(self) -> bool {
        self == Tag::Any
    }

    /// Section 8.8.3.2: both are strong and the same.
    fn is_strong_match(self, etag: Option<&str>) -> bool {
        match self {
            Tag::Any => true,
            // Ours has the mark in front of its quotes if it is weak, and equals none.
            Tag::Strong(tag) => etag.is_some_and(|etag| etag.as_bytes() == tag),
            Tag::Weak(_) => false,
        }
    }

    /// Section 8.8.3.2: they are the same but for the mark.
    fn is_weak_match(self, etag: Option<&str>) -> bool {
        match self {
            Tag::Any => true,
            Tag::Strong(tag) | Tag::Weak(tag) => etag.is_some_and(|etag| {
                let opaque = etag.strip_prefix("W/").unwrap_or(etag);
                opaque.as_bytes() == tag
            }),
        }
    }
}

/// The tags of a list, up to the first thing that is none: behind it nothing is certain, since
/// commas may stand inside a tag.
fn tags(mut list: &[u8]) -> impl Iterator<Item = Tag<'_>> {
    std::iter::from_fn(move || {
        while let [b' ' | b'\t' | b',', rest @ ..] = list {
            list = rest;
        }
        let (tag, rest) = split_tag(list)?;
        list = rest;
        Some(tag)
    })
}

fn split_tag(list: &[u8]) -> Option<(Tag<'_>, &[u8])> {
    if let Some(rest) = list.strip_prefix(b"*") {
        return Some((Tag::Any, rest));
    }
    let (is_weak, list) = match list.strip_prefix(b"W/") {
        Some(list) => (true, list),
        None => (false, list),
    };
    let opaque = list.strip_prefix(b"\"")?;
    let end = opaque
        .iter()
        .position(|&byte| !matches!(byte, b'!' | b'#'..=b'~' | 0x80..))?;
    if opaque[end] != b'"' {
        return None;
    }
    let (tag, rest) = list.split_at(end + 2);
    Some((
        if is_weak {
            Tag::Weak(tag)
        } else {
            Tag::Strong(tag)
        },
        rest,
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ETAG: &str = "\"a,b\"";
    const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn validators() -> Validators {
        Validators {
            etag: Some(ETAG.to_owned()),
            modified: Some(784_111_777),
        }
    }

    fn fields(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for (name, value) in lines {
            fields.append(*name, HeaderValue::from_str(value).unwrap());
        }
        fields
    }

    fn verdict(lines: &[(&'static str, &str)]) -> Verdict {
        evaluate(&fields(lines), &validators())
    }

    #[test]
    fn without_conditions_the_request_proceeds() {
        assert_eq!(verdict(&[]), Verdict::Proceed);
    }

    #[test]
    fn if_match_compares_strongly() {
        for (value, expected) in [
            ("*", Verdict::Proceed),
            (ETAG, Verdict::Proceed),
            ("\"x\", \"a,b\"", Verdict::Proceed),
            (" ,,\"a,b\" ,", Verdict::Proceed),
            ("W/\"a,b\"", Verdict::Failed),
            ("\"x\"", Verdict::Failed),
            ("\"a\"", Verdict::Failed),
            ("a,b", Verdict::Failed),
            ("\"a,b", Verdict::Failed),
            ("", Verdict::Failed),
        ] {
            assert_eq!(verdict(&[("if-match", value)]), expected, "{value}");
        }
        assert_eq!(
            verdict(&[("if-match", "\"x\""), ("if-match", ETAG)]),
            Verdict::Proceed
        );
    }

    #[test]
    fn if_none_match_compares_weakly() {
        for (value, expected) in [
            ("*", Verdict::NotModified),
            (ETAG, Verdict::NotModified),
            ("W/\"a,b\"", Verdict::NotModified),
            ("\"x\",\"a,b\"", Verdict::NotModified),
            ("w/\"a,b\"", Verdict::Proceed),
            ("\"x\"", Verdict::Proceed),
            ("junk \"a,b\"", Verdict::Proceed),
            ("", Verdict::Proceed),
        ] {
            assert_eq!(verdict(&[("if-none-match", value)]), expected, "{value}");
        }
    }

    #[test]
    fn a_date_is_compared_in_its_direction() {
        for (name, value, expected) in [
            ("if-modified-since", BEFORE, Verdict::Proceed),
            ("if-modified-since", MODIFIED, Verdict::NotModified),
            ("if-modified-since", AFTER, Verdict::NotModified),
            (
                "if-modified-since",
                "Sunday, 06-Nov-94 08:49:37 GMT",
                Verdict::NotModified,
            ),
            (
                "if-modified-since",
                "Sun Nov  6 08:49:37 1994",
                Verdict::NotModified,
            ),
            ("if-modified-since", "yesterday", Verdict::Proceed),
            ("if-unmodified-since", BEFORE, Verdict::Failed),
            ("if-unmodified-since", MODIFIED, Verdict::Proceed),
            ("if-unmodified-since", AFTER, Verdict::Proceed),
            ("if-unmodified-since", "tomorrow", Verdict::Proceed),
        ] {
            assert_eq!(verdict(&[(name, value)]), expected, "{name}: {value}");
        }
    }

    #[test]
    fn a_tag_outranks_a_date_and_a_failure_outranks_a_304() {
        for (lines, expected) in [
            (
                [("if-match", ETAG), ("if-unmodified-since", BEFORE)],
                Verdict::Proceed,
            ),
            (
                [("if-none-match", "\"x\""), ("if-modified-since", AFTER)],
                Verdict::Proceed,
            ),
            (
                [("if-match", "\"x\""), ("if-none-match", ETAG)],
                Verdict::Failed,
            ),
            (
                [("if-match", ETAG), ("if-none-match", ETAG)],
                Verdict::NotModified,
            ),
            (
                [("if-modified-since", AFTER), ("if-modified-since", AFTER)],
                Verdict::Proceed,
            ),
        ] {
            assert_eq!(verdict(&lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_representation_without_validators_exists_all_the_same() {
        let verdict = |name, value| evaluate(&fields(&[(name, value)]), &Validators::default());
        assert_eq!(verdict("if-match", "*"), Verdict::Proceed);
        assert_eq!(verdict("if-match", ETAG), Verdict::Failed);
        assert_eq!(verdict("if-none-match", "*"), Verdict::NotModified);
        assert_eq!(verdict("if-none-match", ETAG), Verdict::Proceed);
        assert_eq!(verdict("if-modified-since", AFTER), Verdict::Proceed);
        assert_eq!(verdict("if-unmodified-since", BEFORE), Verdict::Proceed);
    }

    #[test]
    fn if_range_holds_only_for_the_very_same_representation() {
        let now = 784_111_777 + 1;
        for (value, expected) in [
            (ETAG, true),
            ("W/\"a,b\"", false),
            ("\"x\"", false),
            ("*", false),
            (MODIFIED, true),
            (BEFORE, false),
            (AFTER, false),
            ("", false),
        ] {
            let fields = fields(&[("if-range", value)]);
            assert_eq!(
                range_holds(&fields, &validators(), now),
                expected,
                "{value}"
            );
        }
        assert!(range_holds(&HeaderMap::new(), &validators(), now));
    }

    #[test]
    fn if_range_distrusts_a_date_whose_second_is_not_over() {
        let fields = fields(&[("if-range", MODIFIED)]);
        assert!(!range_holds(&fields, &validators(), 784_111_777));
    }

    #[test]
    fn no_date_is_sent_before_its_second_is_over() {
        let modified = 784_111_777;
        for (now, expected) in [
            (modified - 1, None),
            (modified, None),
            (modified + 1, Some(modified)),
        ] {
            assert_eq!(validators().last_modified(now), expected, "{now}");
        }
    }

    /// A tag in a list, before it is written down.
    #[derive(Clone, Copy, Debug)]
    struct Named {
        is_own: bool,
        is_weak: bool,
    }

    impl Named {
        fn write(self) -> String {
            let mark = if self.is_weak { "W/" } else { "" };
            let name = if self.is_own { "a,b" } else { "x" };
            format!("{mark}\"{name}\"")
        }
    }

    /// A list as the fields have it: `*`, or some tags.
    #[derive(Clone, Debug)]
    enum List {
        Any,
        Tags(Vec<Named>),
    }

    impl List {
        fn write(&self) -> String {
            match self {
                List::Any => "*".to_owned(),
                List::Tags(tags) => tags.iter().map(|tag| tag.write() + ", ").collect(),
            }
        }

        /// Section 8.8.3.2 word by word, given whether ours is weak, if we have any.
        fn has(&self, ours_is_weak: Option<bool>, strongly: bool) -> bool {
            let same = |tag: &Named| match ours_is_weak {
                None => false,
                Some(_) if !strongly => tag.is_own,
                Some(ours_is_weak) => tag.is_own && !tag.is_weak && !ours_is_weak,
            };
            match self {
                List::Any => true,
                List::Tags(tags) => tags.iter().any(same),
            }
        }
    }

    fn lists() -> impl Strategy<Value = Option<List>> {
        let tag = (any::<bool>(), any::<bool>());
        let tag = tag.prop_map(|(is_own, is_weak)| Named { is_own, is_weak });
        let tags = prop::collection::vec(tag, 0..4).prop_map(List::Tags);
        prop::option::of(prop_oneof![1 => Just(List::Any), 4 => tags])
    }

    proptest! {
        /// The steps of section 13.2.2, one by one, on conditions that were never text.
        #[test]
        fn the_steps_of_the_specification_come_to_the_same(
            if_match in lists(),
            if_none_match in lists(),
            unmodified_since in prop::option::of(-2i64..3),
            modified_since in prop::option::of(-2i64..3),
            ours_is_weak in prop::option::of(any::<bool>()),
            is_dated in any::<bool>(),
        ) {
            let modified = 784_111_777;
            let mut fields = HeaderMap::new();
            let mut add = |name: HeaderName, value: Option<String>| {
                let value = value.map(|value| HeaderValue::try_from(value).unwrap());
                fields.extend(value.map(|value| (name, value)));
            };
            add(header::IF_MATCH, if_match.as_ref().map(List::write));
            add(header::IF_NONE_MATCH, if_none_match.as_ref().map(List::write));
            let date = |after: Option<i64>| date::http_date(modified + after?);
            add(header::IF_UNMODIFIED_SINCE, date(unmodified_since));
            add(header::IF_MODIFIED_SINCE, date(modified_since));
            let mark = if ours_is_weak == Some(true) { "W/" } else { "" };
            let validators = Validators {
                etag: ours_is_weak.map(|_| format!("{mark}{ETAG}")),
                modified: is_dated.then_some(modified),
            };
            // Steps 1 and 2, then 3 and 4: dates count only where there is no list.
            let is_false = match (&if_match, unmodified_since) {
                (Some(list), _) => !list.has(ours_is_weak, true),
                (None, Some(after)) => is_dated && after < 0,
                (None, None) => false,
            };
            let is_known = match (&if_none_match, modified_since) {
                (Some(list), _) => list.has(ours_is_weak, false),
                (None, Some(after)) => is_dated && after >= 0,
                (None, None) => false,
            };
            let expected = match (is_false, is_known) {
                (true, _) => Verdict::Failed,
                (false, true) => Verdict::NotModified,
                (false, false) => Verdict::Proceed,
            };
            prop_assert_eq!(evaluate(&fields, &validators), expected, "{:?}", fields);
        }
    }
}
