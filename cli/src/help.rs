//! What the help says besides the flags, section by section. The manual pages say the same.

/// Below the help of `neap`, short and long.
pub(crate) const AFTER_HELP: &str = "\
Examples:
  neap serve                     the current directory on http://127.0.0.1:8080
  neap serve public -p 0         another one on any free port, which is printed
  neap serve --config neap.toml  what a file says
  neap echo --deadline 10s       an endpoint for tests, drained within ten seconds
  neap drill -- ./server {port}  a drill: what do its clients lose when it is told to stop?

`neap COMMAND --help` has a command's flags, and more examples.";

/// Below the long help of `neap`. It holds for every command that serves.
pub(crate) const AFTER_LONG_HELP: &str = "\
Exit status:
  0  drained: every request that was begun has been answered
  1  a request was cut off when the deadline came, or was lost
  2  not started: a flag, a file, a directory or an address was wrong

Environment:
  NEAP_...        each flag is also a variable, --lame-duck NEAP_LAME_DUCK; what is typed outranks
                  it, and it outranks a file of settings; switches take true, false, yes, no, 1, 0,
                  and one that is true there cannot be typed away
  NO_COLOR        no colours, where stderr is a terminal
  CLICOLOR_FORCE  colours, where it is none

Signals:
  TERM, INT  the drain begins; a second one ends the server at once
  HUP        the certificate of --tls-cert is loaded again; without one, it ends the process

Files:
  --config FILE, or NEAP_CONFIG, names a file of settings in TOML. Keys are flags; at the top stand
  those that serve and echo share, in a table those of one:

    deadline = \"10s\"
    listen = [\"127.0.0.1:8080\", \"unix:/run/neap.sock\"]
    log = \"combined\"

    [serve]
    directory = \"public\"

Examples:
  neap serve                     the current directory on http://127.0.0.1:8080
  neap serve public -p 0         another one on any free port, which is printed
  neap serve --config neap.toml  what a file says
  neap echo --deadline 10s       an endpoint for tests, drained within ten seconds
  neap drill -- ./server {port}  a drill: what do its clients lose when it is told to stop?";

/// Below the help of `neap echo`.
pub(crate) const AFTER_ECHO_HELP: &str = "\
Targets:
  GET /              Hello, World!
  POST /echo         the content, returned while it is coming in (PUT as well)
  GET /delay/MS      an answer after so many milliseconds
  GET /block/MS      the same, but it blocks a thread of the server: for testing
  GET /stream/N/MS   N chunks, so many milliseconds apart
  GET /bytes/N       N bytes
  any /status/CODE   a response with this status, 200 to 599
  GET /headers       the request's fields as JSON
  GET /upgrade       with Upgrade: echo, every byte that follows, until the drain

Examples:
  neap echo -p 0 --log off
  neap echo --listen '[::]:8080' --listen unix:/run/neap.sock --reuse-port
  curl -T large.iso http://127.0.0.1:8080/echo | cmp - large.iso
  curl http://127.0.0.1:8080/delay/5000 & sleep 1; kill -TERM \"$(pidof neap)\"; wait";

/// A part of such a text: what stands before its first heading has none.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Section<'a> {
    pub(crate) heading: Option<&'a str>,
    pub(crate) lines: Vec<&'a str>,
}

/// Divides a text into its sections. A heading is a line that begins a paragraph and ends with a
/// colon.
pub(crate) fn sections(text: &str) -> Vec<Section<'_>> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    let mut begins_paragraph = true;
    for line in text.lines() {
        let heading = line.strip_suffix(':');
        let heading = heading.filter(|line| begins_paragraph && !line.starts_with(' '));
        match sections.last_mut().filter(|_| heading.is_none()) {
            Some(section) => section.lines.push(line),
            None => sections.push(Section {
                heading,
                lines: Vec::from_iter(heading.is_none().then_some(line)),
            }),
        }
        begins_paragraph = line.is_empty();
    }
    for section in &mut sections {
        while section.lines.last().is_some_and(|line| line.is_empty()) {
            section.lines.pop();
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::process::Command;

    use super::*;
    use crate::{args, config_file};

    #[test]
    fn a_text_is_divided_at_its_headings() {
        let text = "first\nthen:\n  a\n\nOne:\n  b\n\n  c:\n\nTwo:\n  d\n";
        let section = |heading, lines: &[&'static str]| Section {
            heading,
            lines: lines.to_vec(),
        };
        assert_eq!(
            sections(text),
            [
                section(None, &["first", "then:", "  a"]),
                section(Some("One"), &["  b", "", "  c:"]),
                section(Some("Two"), &["  d"]),
            ]
        );
    }

    /// All that stands below the help of this command, as it is printed.
    fn after_help(command: &clap::Command) -> String {
        let texts = [command.get_after_help(), command.get_after_long_help()];
        let texts = texts.into_iter().flatten();
        texts.map(|text| format!("{text}\n\n")).collect()
    }

    fn examples(text: &str) -> Vec<&str> {
        let sections = sections(text).into_iter();
        let examples = sections.filter(|section| section.heading == Some("Examples"));
        examples
            .flat_map(|section| section.lines)
            .map(str::trim)
            .collect()
    }

    /// The words of an example as a shell makes them, without what it is piped to and without
    /// explanation; variables before it become flags.
    fn words(example: &str) -> Vec<OsString> {
        let ends = ["  ", " | ", " > ", " >> ", " & "];
        let end = ends.iter().filter_map(|end| example.find(end)).min();
        let script = format!(
            "printf '%s\\n' {}",
            &example[..end.unwrap_or(example.len())]
        );
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert!(output.status.success(), "{example}");
        let text = String::from_utf8(output.stdout).unwrap();
        let (variables, words): (Vec<_>, Vec<_>) =
            text.lines().partition(|word| word.starts_with("NEAP_"));
        let flags = variables.iter().map(|variable| {
            let (name, value) = variable["NEAP_".len()..].split_once('=').unwrap();
            format!("--{}={value}", name.to_lowercase().replace('_', "-"))
        });
        let mut words: Vec<_> = words.into_iter().map(OsString::from).collect();
        words.splice(2..2, flags.map(OsString::from));
        words
    }

    #[test]
    fn every_example_of_every_help_is_a_command_line() {
        let root = args::command();
        let mut counts = Vec::new();
        for command in [&root].into_iter().chain(root.get_subcommands()) {
            let text = after_help(command);
            let examples = examples(&text).into_iter();
            let examples =
                examples.filter(|line| line.starts_with("neap ") || line.starts_with("NEAP_"));
            let mut count = 0;
            for example in examples {
                let words = words(example);
                // The file of an example is not there.
                let words = words.into_iter().map(|word| match word.to_str() {
                    Some("neap.toml") => "/dev/null".into(),
                    _ => word,
                });
                if let Err(error) = args::try_parse(words) {
                    panic!("{example}: {error}");
                }
                count += 1;
            }
            counts.push(count);
        }
        assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    }

    #[test]
    fn the_settings_in_the_help_are_settings() {
        let sections = sections(AFTER_LONG_HELP);
        let files = sections.iter().find(|it| it.heading == Some("Files"));
        let lines = files.unwrap().lines.iter();
        let example: Vec<_> = lines.filter_map(|line| line.strip_prefix("    ")).collect();
        assert_eq!(example.len(), 5);
        let file = config_file::ConfigFile::of_text(&example.join("\n"));
        let words = file.words(&args::command(), "serve", |_| false).unwrap();
        assert_eq!(words[0], "public");
    }
}
