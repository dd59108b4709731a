//! The little JSON that neap writes.

/// `text` as a JSON string, quotes included.
///
/// JSON lets DEL and the C1 control characters stand for themselves, but a terminal that shows a
/// log may obey them (U+009B begins a command), so that they are escaped as well.
pub(crate) fn string(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    if !json.contains(is_late_control) {
        return json;
    }
    json.chars().fold(
        String::with_capacity(json.len() + 16),
        |mut escaped, char| {
            if is_late_control(char) {
                escaped.push_str(&format!("\\u{:04x}", u32::from(char)));
            } else {
                escaped.push(char);
            }
            escaped
        },
    )
}

fn is_late_control(char: char) -> bool {
    matches!(char, '\x7f'..='\u{9f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_never_holds_a_control_character() {
        for char in '\0'..='\u{ff}' {
            let json = string(&char.to_string());
            assert!(!json.contains(char::is_control), "{json:?}");
            assert_eq!(
                serde_json::from_str::<String>(&json).unwrap(),
                char.to_string()
            );
        }
    }
}
