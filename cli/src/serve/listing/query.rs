//! The query of a listing's address.

/// The value of a parameter: what stands behind the first `name=`. Those that are looked for are
/// plain words, which nobody has to encode.
pub(crate) fn value<'a>(query: Option<&'a str>, name: &str) -> Option<&'a str> {
    let mut parameters = query?.split('&').filter_map(|pair| pair.split_once('='));
    parameters.find_map(|(key, value)| (key == name).then_some(value))
}
