//! What was found, as a table for people.

use std::env;
use std::io::IsTerminal;

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};

use super::preset::PRESETS;
use super::record::{Drill, Situation, Verdict};
use super::situation;

/// How wide it is where nobody can tell how wide the terminal is.
const WIDTH: u16 = 110;
/// Nobody could read what is narrower.
const WIDTH_MIN: u16 = 60;

/// The table, and a sentence below it.
pub(crate) fn render(drill: &Drill, is_terminal: bool) -> String {
    let mut table = plain(is_terminal);
    let is_coloured = is_coloured(is_terminal);
    table.set_header([
        "situation",
        "verdict",
        "what was seen, what it means, how to mend it",
    ]);
    let (left_out, tried): (Vec<&Situation>, Vec<&Situation>) = drill
        .situations
        .iter()
        .partition(|it| it.verdict == Verdict::NotApplicable);
    for situation in tried {
        let mut verdict = Cell::new(verdict(situation));
        if is_coloured {
            verdict = verdict.fg(colour(situation)).add_attribute(Attribute::Bold);
        }
        table.add_row([
            Cell::new(situation.id),
            verdict,
            Cell::new(words(situation)),
        ]);
    }
    let mut text = format!("{table}\n");
    if !left_out.is_empty() {
        text.push_str("\nNot for this server:\n");
        for situation in left_out {
            text.push_str(&format!("  {:<18}{}\n", situation.id, situation.reason));
        }
    }
    text.push_str(&format!("\n{}\n", summary(drill)));
    text
}

/// All situations and all presets, for `--list`.
pub(crate) fn list() -> String {
    let mut text = String::from("Situations:\n");
    for entry in situation::all() {
        let required = if entry.required { "required" } else { "" };
        text.push_str(&format!(
            "  {:<18}{:<10}{}\n",
            entry.id, required, entry.title
        ));
    }
    text.push_str("\nPresets:\n");
    for preset in PRESETS {
        text.push_str(&format!(
            "  {:<18}SIG{:<7}{}\n",
            preset.name, preset.signal, preset.note
        ));
        text.push_str(&format!("{:<30}{}\n", "", preset.example));
    }
    text
}

fn plain(is_terminal: bool) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    // Not every terminal says how wide it is.
    if table.width().is_none_or(|width| width < WIDTH_MIN) {
        table.set_width(WIDTH);
    }
    if !is_terminal {
        table.force_no_tty();
    } else if is_coloured(is_terminal) {
        table.enforce_styling();
    }
    table
}

/// <https://no-color.org>
fn is_coloured(is_terminal: bool) -> bool {
    is_terminal && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether standard output is one.
pub(crate) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

fn verdict(situation: &Situation) -> String {
    let name = situation.verdict.name();
    if situation.verdict.is_failure() && !situation.required {
        return format!("{name}\n(not required)");
    }
    name.into()
}

fn colour(situation: &Situation) -> Color {
    match situation.verdict {
        Verdict::Passed => Color::Green,
        verdict if verdict.is_failure() && situation.required => Color::Red,
        _ => Color::Yellow,
    }
}

fn words(situation: &Situation) -> String {
    let lines = [
        (&situation.reason, ""),
        (&situation.figure, ""),
        (&situation.meaning, ""),
        (&situation.mend, "mend: "),
    ];
    let lines = lines.iter().filter(|(line, _)| !line.is_empty());
    let lines: Vec<String> = lines
        .map(|(line, label)| format!("{label}{line}"))
        .collect();
    lines.join("\n")
}

fn summary(drill: &Drill) -> String {
    let count = |is_it: &dyn Fn(&&Situation) -> bool| drill.situations.iter().filter(is_it).count();
    let of = |verdict| count(&|it: &&Situation| it.verdict == verdict);
    let failed = count(&|it: &&Situation| it.verdict.is_failure() && it.required);
    let other = count(&|it: &&Situation| it.verdict.is_failure() && !it.required);
    let mut parts = vec![format!("{} passed", of(Verdict::Passed))];
    for (number, what) in [
        (failed, "failed"),
        (other, "failed that are not required"),
        (of(Verdict::Noted), "noted"),
        (of(Verdict::Inconclusive), "inconclusive"),
        (of(Verdict::NotApplicable), "not applicable"),
    ] {
        if number > 0 {
            parts.push(format!("{number} {what}"));
        }
    }
    let seconds = drill.took_ms / 1000;
    let verdict = if drill.is_passed() {
        "nothing that is required failed"
    } else {
        "the drill FAILED"
    };
    format!("{} in {seconds} s: {verdict}", parts.join(", "))
}
