//! Text that others wrote, made safe for a log: the little JSON that neap writes, and lines.

use std::borrow::Cow;

/// `text` as a JSON string, quotes included.
///
/// JSON lets DEL and the C1 control characters stand for themselves, but a terminal that shows a
/// log may obey them (U+009B begins a command), and show a line in another order for characters
/// that turn its direction, so that they are escaped as well.
pub(crate) fn string(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    if !json.contains(is_misleading) {
        return json;
    }
    json.chars().fold(
        String::with_capacity(json.len() + 16),
        |mut escaped, char| {
            if is_misleading(char) {
                escaped.push_str(&format!("\\u{:04x}", u32::from(char)));
            } else {
                escaped.push(char);
            }
            escaped
        },
    )
}

/// `text` on one line, with nothing in it that a terminal obeys. Backslashes stay what they are.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    if !text.contains(is_misleading) {
        return text.into();
    }
    let harmless = text.chars().map(|char| match is_misleading(char) {
        true => char.escape_unicode().to_string(),
        false => char.to_string(),
    });
    harmless.collect()
}

/// Whether a character has no shape of its own and changes how others look, or where a line ends.
fn is_misleading(char: char) -> bool {
    matches!(
        char,
        '\0'..='\x1f'
            | '\x7f'..='\u{9f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_never_holds_what_a_terminal_obeys() {
        let turning = ['\u{200f}', '\u{2028}', '\u{202e}', '\u{2066}', '\u{feff}'];
        for char in ('\0'..='\u{ff}').chain(turning) {
            let json = string(&char.to_string());
            assert!(!json.contains(char::is_control), "{json:?}");
            assert!(!json.contains(turning), "{json:?}");
            assert_eq!(
                serde_json::from_str::<String>(&json).unwrap(),
                char.to_string()
            );
        }
    }
}
