//! The files that a drill leaves behind: for programs, for CI, for people.

mod json;
mod junit;
mod markdown;
mod page;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::drill::record::{Drill, Situation};

/// Where to write what.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Outputs {
    /// Write what was found to this file, as JSON
    #[arg(long, value_name = "FILE", env = "NEAP_JSON", help_heading = "Output")]
    pub(crate) json: Option<PathBuf>,
    /// Write it to this file as `JUnit` XML, which CI systems show as tests
    #[arg(long, value_name = "FILE", env = "NEAP_JUNIT", help_heading = "Output")]
    pub(crate) junit: Option<PathBuf>,
    /// Write it to this file as a table in Markdown
    #[arg(
        long,
        value_name = "FILE",
        env = "NEAP_MARKDOWN",
        help_heading = "Output"
    )]
    pub(crate) markdown: Option<PathBuf>,
    /// Write it to this file as a page with a picture of each situation
    #[arg(long, value_name = "FILE", env = "NEAP_HTML", help_heading = "Output")]
    pub(crate) html: Option<PathBuf>,
}

/// Writes all that is asked for.
///
/// # Errors
///
/// If a file cannot be written; the error names it.
pub(crate) fn write(drill: &Drill, outputs: &Outputs) -> io::Result<()> {
    let Outputs {
        json,
        junit,
        markdown,
        html,
    } = outputs;
    save(json.as_deref(), || json::render(drill))?;
    save(junit.as_deref(), || junit::render(drill))?;
    save(markdown.as_deref(), || Ok(markdown::render(drill)))?;
    save(html.as_deref(), || Ok(page::render(drill)))
}

fn save(path: Option<&Path>, render: impl FnOnce() -> io::Result<String>) -> io::Result<()> {
    let Some(path) = path else {
        return Ok(());
    };
    let written = render().and_then(|text| fs::write(path, text));
    written.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// What a drill came to, in a sentence.
fn headline(drill: &Drill) -> String {
    let required = drill.situations.iter().filter(|it| it.required);
    let (all, failed) = required.fold((0, 0), |(all, failed), situation| {
        let fails = situation.verdict.is_failure();
        (all + 1, failed + usize::from(fails))
    });
    if failed == 0 {
        "Nothing that is required failed".into()
    } else {
        format!("{failed} of {all} required situations failed")
    }
}

/// What was drilled: the command, or where it was.
fn subject(drill: &Drill) -> String {
    let command = drill.command.iter().map(|word| clean(word));
    let command = command.collect::<Vec<_>>().join(" ");
    match &drill.url {
        Some(url) if command.is_empty() => clean(url),
        _ => command,
    }
}

/// Why it ended so, what that means and what helps, as far as there is something to say.
fn remarks(situation: &Situation) -> impl Iterator<Item = String> {
    let all = [&situation.reason, &situation.meaning, &situation.mend];
    let said = all.into_iter().filter(|remark| !remark.is_empty());
    said.map(|remark| clean(remark))
}

/// `text` without what a terminal or a browser might obey, or what makes it look like another text:
/// control characters, and those that turn the direction of writing.
fn clean(text: &str) -> String {
    let is_unfit = |char: char| {
        let turns = matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' | '\u{feff}');
        char.is_control() || turns
    };
    text.replace(is_unfit, "\u{fffd}")
}

#[cfg(test)]
mod sample;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_files_that_are_asked_for_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let outputs = Outputs {
            json: Some(folder.path().join("json")),
            html: Some(folder.path().join("html")),
            ..Outputs::default()
        };
        write(&sample::drill(), &outputs).unwrap();
        let mut names: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["html", "json"]);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let outputs = Outputs {
            junit: Some("/nowhere/at/all".into()),
            ..Outputs::default()
        };
        let error = write(&sample::drill(), &outputs).unwrap_err();
        assert!(
            error.to_string().starts_with("/nowhere/at/all: "),
            "{error}"
        );
    }

    #[test]
    fn nothing_that_could_be_obeyed_is_left_in_a_text() {
        let text = clean("a\u{1b}[31m\u{9b}\u{202e}b\n\u{2066}");
        assert_eq!(text, "a\u{fffd}[31m\u{fffd}\u{fffd}b\u{fffd}\u{fffd}");
    }

    #[test]
    fn the_headline_counts_what_is_required() {
        let mut drill = sample::drill();
        assert_eq!(headline(&drill), "2 of 4 required situations failed");
        drill.situations.retain(|it| !it.verdict.is_failure());
        assert_eq!(headline(&drill), "Nothing that is required failed");
    }
}
