//! For programs: what `docs/drill.md` describes.

use std::io;

use serde::Serialize;

use crate::drill::record::Drill;

/// Rises when a field changes its meaning or goes; new fields may come at any time.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct File<'d> {
    format: u32,
    passed: bool,
    #[serde(flatten)]
    drill: &'d Drill,
}

/// The file's text.
///
/// # Errors
///
/// None that is known of: all names are strings, and all figures numbers.
pub(super) fn render(drill: &Drill) -> io::Result<String> {
    let file = File {
        format: FORMAT,
        passed: drill.is_passed(),
        drill,
    };
    let mut text = serde_json::to_string_pretty(&file)?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::drill::output::sample;

    #[test]
    fn a_situation_has_the_fields_that_programs_rely_on() {
        let file: Value = serde_json::from_str(&render(&sample::drill()).unwrap()).unwrap();
        assert_eq!(file["format"], json!(1));
        assert_eq!(file["passed"], json!(false));
        assert_eq!(file["settings"]["signal"], json!("SIGTERM"));
        let backlog = &file["situations"][0];
        for (name, value) in [
            ("id", json!("backlog")),
            ("required", json!(true)),
            ("verdict", json!("failed")),
            ("attempts", json!(200)),
            ("lost", json!(60)),
            ("figure", json!("60 of 200 lost, exit after 254 ms")),
            ("meaning", json!("Clients that had connected were reset")),
        ] {
            assert_eq!(backlog[name], value, "{name}");
        }
        assert_eq!(backlog["outcomes"]["answered-with-close"], json!(140));
        assert_eq!(backlog["outcomes"]["reset"], json!(60));
        assert_eq!(backlog["end"]["exit_status"], json!("0"));
    }

    #[test]
    fn each_verdict_has_a_word_of_its_own() {
        let file: Value = serde_json::from_str(&render(&sample::drill()).unwrap()).unwrap();
        let situations = file["situations"].as_array().unwrap();
        let words: Vec<_> = situations.iter().map(|it| it["verdict"].clone()).collect();
        let expected = [
            "failed",
            "passed",
            "passed",
            "n/a",
            "noted",
            "inconclusive",
            "signal-not-received",
        ];
        assert_eq!(words, expected.map(Value::from));
    }
}
