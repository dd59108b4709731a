//! Lists of what a client prefers (RFC 9110 section 12.4).

use http::{HeaderMap, header};

/// An element of a list of preferences, `TOKEN` or `TOKEN;q=0.5`, and its weight in thousandths.
pub(crate) fn element_of_list(element: &str) -> Option<(&str, u16)> {
    let mut parts = element
        .split(';')
        .map(|part| part.trim_matches([' ', '\t']));
    let token = parts.next().filter(|token| !token.is_empty())?;
    // Media types have other parameters before it.
    let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
    Some((token, weight.map_or(Some(1000), thousandths)?))
}

/// What a client calls a page, the most specific first.
pub(crate) const HTML: &[&str] = &["text/html", "text/*", "*/*"];

/// How gladly a client takes a media type, in thousandths (RFC 9110 section 12.5.1): what its
/// `Accept` says of the first of these ranges that it names, which come the most specific first. 0
/// where it names none.
pub(crate) fn quality(fields: &HeaderMap, ranges: &[&str]) -> u16 {
    let values = fields.get_all(header::ACCEPT).iter();
    let elements = values.filter_map(|value| value.to_str().ok());
    let elements = elements.flat_map(|value| value.split(','));
    let ranked = elements.filter_map(|element| {
        let (range, quality) = element_of_list(element)?;
        let mut ranges = ranges.iter();
        let place = ranges.position(|ours| range.eq_ignore_ascii_case(ours))?;
        Some((place, quality))
    });
    let most_specific = ranked.min_by_key(|&(place, _)| place);
    most_specific.map_or(0, |(_, quality)| quality)
}

/// `qvalue` of section 12.4.2: 0 or 1, and three digits behind the point at most.
fn thousandths(weight: &str) -> Option<u16> {
    let (whole, digits) = weight.split_once('.').unwrap_or((weight, ""));
    if digits.len() > 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction = format!("{digits:0<3}").parse::<u16>().ok()?;
    match (whole, fraction) {
        ("0", _) => Some(fraction),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preference_has_a_weight_and_1_is_what_is_not_said() {
        for (element, expected) in [
            ("gzip", Some(("gzip", 1000))),
            (" text/html ; level=1;q=0.5 ", Some(("text/html", 500))),
            ("br;Q=0.25", Some(("br", 250))),
            ("br;q=0", Some(("br", 0))),
            ("br;q=1.000", Some(("br", 1000))),
            ("br;q=1.001", None),
            ("br;q=0.0001", None),
            ("br;q=", None),
            (";q=1", None),
            ("", None),
        ] {
            assert_eq!(element_of_list(element), expected, "{element}");
        }
    }
}
