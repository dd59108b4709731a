//! In which order a directory's entries are listed.

use std::cmp::{Ordering, Reverse};
use std::iter::Peekable;

use super::query;
use super::table::Entry;

/// What entries are sorted by.
#[derive(Clone, Copy, Debug, Default, Hash, PartialEq, Eq)]
pub(crate) enum Key {
    #[default]
    Name,
    Size,
    Date,
}

/// By what, and in which direction. Directories come first in any case.
#[derive(Clone, Copy, Debug, Default, Hash, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) key: Key,
    pub(crate) descending: bool,
}

impl Key {
    pub(crate) const ALL: [Key; 3] = [Key::Name, Key::Size, Key::Date];

    /// The value of `sort` in a query.
    pub(crate) fn token(self) -> &'static str {
        match self {
            Key::Name => "name",
            Key::Size => "size",
            Key::Date => "date",
        }
    }
}

impl Order {
    /// The order that a query asks for: `sort=name|size|date` and `order=asc|desc`. What is missing
    /// or unknown is by name, and ascending.
    pub(crate) fn of(query: Option<&str>) -> Order {
        let sort = query::value(query, "sort");
        let key = Key::ALL.into_iter().find(|key| sort == Some(key.token()));
        Order {
            key: key.unwrap_or_default(),
            descending: query::value(query, "order") == Some("desc"),
        }
    }

    /// The order that a click on the heading of `key` asks for: the other way round if that is the
    /// order already, else what is looked for most often: A first, or the largest, or the newest.
    pub(crate) fn after_click(self, key: Key) -> Order {
        let descending = if self.key == key {
            !self.descending
        } else {
            key != Key::Name
        };
        Order { key, descending }
    }

    /// The link to the same listing in this order.
    pub(crate) fn link(self) -> String {
        if self == Order::default() {
            return "./".to_owned();
        }
        let direction = if self.descending { "desc" } else { "asc" };
        format!("?sort={}&order={direction}", self.key.token())
    }

    /// Compares two entries. Only an entry itself equals it: where the key does not decide, the
    /// name does, upwards.
    pub(crate) fn compare(self, one: &Entry<'_>, other: &Entry<'_>) -> Ordering {
        let names = || natural(one.name, other.name).then_with(|| one.name.cmp(other.name));
        let by_key = match self.key {
            Key::Name => names(),
            Key::Size => one.size.cmp(&other.size),
            Key::Date => one.modified.cmp(&other.modified),
        };
        let by_key = if self.descending {
            by_key.reverse()
        } else {
            by_key
        };
        Reverse(one.is_directory)
            .cmp(&Reverse(other.is_directory))
            .then(by_key)
            .then_with(names)
    }
}

/// Compares names as a person does: case does not matter, and digits are numbers, so that `file2`
/// comes before `file10`. Letters are in the order of Unicode, not of any language.
fn natural(one: &[u8], other: &[u8]) -> Ordering {
    if one.is_ascii() && other.is_ascii() {
        // The same by another way, as most names are.
        let fold = |byte: &u8| char::from(byte.to_ascii_lowercase());
        return compare(one.iter().map(fold), other.iter().map(fold));
    }
    compare(folded(one), folded(other))
}

/// The characters of a name in lower case; what is no UTF-8 is U+FFFD.
fn folded(name: &[u8]) -> impl Iterator<Item = char> {
    let chunks = name.utf8_chunks().flat_map(|chunk| {
        let invalid = (!chunk.invalid().is_empty()).then_some(char::REPLACEMENT_CHARACTER);
        chunk.valid().chars().chain(invalid)
    });
    chunks.flat_map(char::to_lowercase)
}

fn compare(one: impl Iterator<Item = char>, other: impl Iterator<Item = char>) -> Ordering {
    let (mut one, mut other) = (one.peekable(), other.peekable());
    loop {
        let (Some(left), Some(right)) = (one.peek(), other.peek()) else {
            return one.peek().is_some().cmp(&other.peek().is_some());
        };
        let order = if left.is_ascii_digit() && right.is_ascii_digit() {
            compare_numbers(&mut one, &mut other)
        } else {
            let order = left.cmp(right);
            one.next();
            other.next();
            order
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Takes a number of any length from both.
fn compare_numbers<I, J>(one: &mut Peekable<I>, other: &mut Peekable<J>) -> Ordering
where
    I: Iterator<Item = char>,
    J: Iterator<Item = char>,
{
    while one.next_if_eq(&'0').is_some() {}
    while other.next_if_eq(&'0').is_some() {}
    // Of two numbers of the same length the first digit that differs decides.
    let mut order = Ordering::Equal;
    loop {
        let digits = (
            one.next_if(char::is_ascii_digit),
            other.next_if(char::is_ascii_digit),
        );
        match digits {
            (Some(left), Some(right)) => order = order.then(left.cmp(&right)),
            (left, right) => return left.is_some().cmp(&right.is_some()).then(order),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(name: &[u8]) -> Entry<'_> {
        let size = name.len() as u64 / 2;
        Entry {
            name,
            is_directory: name.first().is_some_and(|&byte| byte % 3 == 0),
            size,
            modified: -1,
        }
    }

    /// Every order there is.
    fn orders() -> impl Iterator<Item = Order> {
        let both = |key| [false, true].map(|descending| Order { key, descending });
        Key::ALL.into_iter().flat_map(both)
    }

    fn sorted<'a>(order: Order, entries: &[(&'a str, bool, u64, i64)]) -> Vec<&'a str> {
        let mut entries = entries.to_vec();
        entries.sort_by(|one, other| {
            let [one, other] = [one, other].map(|&(name, is_directory, size, modified)| Entry {
                name: name.as_bytes(),
                is_directory,
                size,
                modified,
            });
            order.compare(&one, &other)
        });
        entries.iter().map(|entry| entry.0).collect()
    }

    #[test]
    fn directories_come_first_case_does_not_matter_and_numbers_count() {
        let entries = [
            ("file10", false, 3, 3),
            ("Z", true, 0, 9),
            ("File2", false, 1, 5),
            ("file2", false, 1, 4),
            ("äb", false, 9, 9),
            ("ÄA", false, 9, 9),
            ("y", true, 0, 1),
        ];
        for (query, expected) in [
            ("", ["y", "Z", "File2", "file2", "file10", "ÄA", "äb"]),
            (
                "order=desc",
                ["Z", "y", "äb", "ÄA", "file10", "file2", "File2"],
            ),
            (
                "sort=size",
                ["y", "Z", "File2", "file2", "file10", "ÄA", "äb"],
            ),
            (
                "sort=size&order=desc",
                ["y", "Z", "ÄA", "äb", "file10", "File2", "file2"],
            ),
            (
                "x&sort=date&order=asc",
                ["y", "Z", "file10", "file2", "File2", "ÄA", "äb"],
            ),
            (
                "order=desc&sort=date",
                ["Z", "y", "ÄA", "äb", "File2", "file2", "file10"],
            ),
            (
                "sort=owner&order=up",
                ["y", "Z", "File2", "file2", "file10", "ÄA", "äb"],
            ),
        ] {
            assert_eq!(
                sorted(Order::of(Some(query)), &entries),
                expected,
                "{query}"
            );
        }
    }

    #[test]
    fn a_number_is_compared_as_one_however_long_it_is() {
        for (smaller, larger) in [
            ("a", "b"),
            ("a", "a1"),
            ("a1", "aa"),
            ("a9", "a10"),
            ("a009", "a10"),
            ("1.2.9", "1.2.10"),
            ("9999999999999999999998", "9999999999999999999999"),
            ("9999999999999999999999", "10000000000000000000000"),
            ("ä2", "Ä10"),
            ("1a", "01b"),
        ] {
            let order = natural(smaller.as_bytes(), larger.as_bytes());
            assert_eq!(order, Ordering::Less, "{smaller} {larger}");
        }
        assert_eq!(natural(b"a01B", b"A1b"), Ordering::Equal);
    }

    #[test]
    fn a_click_turns_the_order_round_or_begins_with_what_is_looked_for() {
        let clicked = |query, key: Key| Order::of(Some(query)).after_click(key).link();
        assert_eq!(clicked("", Key::Name), "?sort=name&order=desc");
        assert_eq!(clicked("order=desc", Key::Name), "./");
        assert_eq!(clicked("sort=size", Key::Name), "./");
        assert_eq!(clicked("", Key::Size), "?sort=size&order=desc");
        assert_eq!(
            clicked("sort=size&order=desc", Key::Size),
            "?sort=size&order=asc"
        );
        assert_eq!(
            clicked("sort=size&order=desc", Key::Date),
            "?sort=date&order=desc"
        );
        for order in orders() {
            let link = order.link();
            assert_eq!(Order::of(link.strip_prefix('?')), order);
        }
    }

    proptest! {
        /// Sorting may panic on anything else.
        #[test]
        fn any_names_have_one_order(
            names in prop::collection::vec("[aAbB019é\u{130}\u{fffd}.]{0,5}", 3),
            bytes in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3), 3),
        ) {
            let names = names.into_iter().map(String::into_bytes).zip(bytes);
            let names = names.map(|(name, bytes)| [name, bytes].concat()).collect::<Vec<_>>();
            let [a, b, c] = [&names[0], &names[1], &names[2]].map(|name| entry(name));
            for order in orders() {
                prop_assert_eq!(order.compare(&a, &b), order.compare(&b, &a).reverse());
                prop_assert_eq!(order.compare(&a, &b).is_eq(), a.name == b.name);
                if order.compare(&a, &b).is_le() && order.compare(&b, &c).is_le() {
                    prop_assert!(order.compare(&a, &c).is_le());
                }
            }
        }
    }
}
