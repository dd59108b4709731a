//! For people who read Markdown: a pull request's comment, a job's summary.

use std::fmt::Write;

use super::{clean, headline, remarks, subject};
use crate::drill::record::{Drill, Situation};

/// The file's text.
pub(super) fn render(drill: &Drill) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = try_render(drill, &mut text);
    text
}

fn try_render(drill: &Drill, text: &mut String) -> std::fmt::Result {
    let settings = &drill.settings;
    writeln!(text, "## Shutdown drill: {}\n", headline(drill))?;
    writeln!(text, "{}\n", fenced(&subject(drill)))?;
    let server = drill.server.as_deref().unwrap_or("no name of its own");
    writeln!(
        text,
        "{}; {}, to exit within {} ms. neap {} on {}, {}, {} processors, {}.\n",
        escaped(server),
        escaped(&settings.signal),
        settings.deadline_ms,
        drill.neap,
        escaped(&drill.machine.system),
        escaped(&drill.machine.architecture),
        drill.machine.processors,
        escaped(&drill.started),
    )?;
    writeln!(text, "| situation | required | verdict | lost | figure |")?;
    writeln!(text, "|---|---|---|--:|---|")?;
    for situation in &drill.situations {
        writeln!(text, "{}", row(situation))?;
    }
    let telling = drill.situations.iter().filter(|it| !is_plain(it));
    let mut first = true;
    for situation in telling {
        let lead = if first { "\n" } else { "" };
        first = false;
        let remarks: Vec<_> = remarks(situation).map(|remark| escaped(&remark)).collect();
        let verdict = situation.verdict.name();
        let remarks = remarks.join(" ");
        writeln!(text, "{lead}- **{}**, {verdict}. {remarks}", situation.id)?;
    }
    Ok(())
}

fn row(situation: &Situation) -> String {
    let required = if situation.required { "yes" } else { "" };
    let verdict = situation.verdict.name();
    let verdict = match situation.verdict.is_failure() {
        true => format!("**{verdict}**"),
        false => verdict.into(),
    };
    let lost = match situation.attempts {
        0 => String::new(),
        attempts => format!("{} of {attempts}", situation.lost),
    };
    let figure = escaped(&situation.figure);
    let Situation { id, title, .. } = situation;
    format!("| `{id}` {title} | {required} | {verdict} | {lost} | {figure} |")
}

/// Whether its row says all there is to say.
fn is_plain(situation: &Situation) -> bool {
    situation.verdict == crate::drill::record::Verdict::Passed || remarks(situation).count() == 0
}

/// `text` as words that stand for themselves.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in clean(text).chars() {
        match char {
            '<' => escaped.push_str("&lt;"),
            '&' => escaped.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '!' | '@' => {
                escaped.push('\\');
                escaped.push(char);
            }
            _ => escaped.push(char),
        }
    }
    escaped
}

/// `text` as a block of code that it cannot end.
fn fenced(text: &str) -> String {
    let runs = text.split(|char| char != '`').map(str::len);
    let fence = "`".repeat(runs.max().unwrap_or(0).max(2) + 1);
    format!("{fence}sh\n{text}\n{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::output::sample;

    #[test]
    fn a_situation_is_a_row_and_what_failed_is_explained_below() {
        let text = render(&sample::drill());
        let row = "| `backlog` Clients in the listen queue | yes | **failed** | 60 of 200 | \
                   60 of 200 lost, exit after 254 ms |";
        assert!(text.contains(row), "{text}");
        let remark = "- **backlog**, failed. The listener was closed before its queue was empty.";
        assert!(text.contains(remark), "{text}");
        assert!(!text.contains("- **idle**"), "{text}");
    }

    #[test]
    fn a_row_has_as_many_cells_as_the_table_whatever_it_holds() {
        let text = render(&sample::drill());
        let rows = text.lines().filter(|line| line.starts_with('|'));
        for row in rows {
            let cells = row.replace("\\|", "").matches('|').count();
            assert_eq!(cells, 6, "{row}");
        }
    }

    #[test]
    fn what_comes_from_outside_is_neither_markup_nor_the_end_of_its_block() {
        let text = render(&sample::drill());
        let outside = text.split("````").nth(2).unwrap();
        assert!(!outside.contains("<script>"), "{outside}");
        assert_eq!(fenced("a```b"), "````sh\na```b\n````");
        assert_eq!(escaped("a|b<c\n"), "a\\|b&lt;c\u{fffd}");
    }
}
