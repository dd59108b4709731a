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
