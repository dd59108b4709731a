//! The file of settings: `--config FILE`, in TOML.
//!
//! A key is a flag's long name, and its value becomes that flag: it is put before what was typed,
//! unless the line or the environment has the flag already. So each flag has one parser and one set
//! of rules, wherever its value is from. What the file adds is where a mistake stands.

use std::error::Error;
use std::ffi::OsString;
use std::num::{IntErrorKind, ParseIntError};
use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::builder::{ArgAction, PossibleValue};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Flags that are about the command line itself.
const NOT_SETTINGS: [&str; 3] = ["config", "help", "version"];

/// A file as it was read.
pub(crate) struct ConfigFile {
    path: PathBuf,
    text: String,
}

/// A value of the file, as the words that stand for it on a command line.
struct Setting {
    /// The argument's id.
    id: String,
    /// Whether it stands in the command's own table.
    is_own: bool,
    words: Vec<OsString>,
}

impl ConfigFile {
    pub(crate) fn read(path: &Path) -> Result<ConfigFile, clap::Error> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let what = match error.kind() {
                std::io::ErrorKind::NotFound => "there is no such file; check its name".to_owned(),
                std::io::ErrorKind::IsADirectory => {
                    "it is a directory; name a file in it".to_owned()
                }
                std::io::ErrorKind::PermissionDenied => {
                    "this user may not read it; change its mode, or the user".to_owned()
                }
                _ => error.to_string(),
            };
            let message = format!("cannot read the settings in {}: {what}\n", path.display());
            clap::Error::raw(ErrorKind::Io, message)
        })?;
        let path = path.to_owned();
        Ok(ConfigFile { path, text })
    }

    /// A file of this text.
    #[cfg(test)]
    pub(crate) fn of_text(text: &str) -> ConfigFile {
        let path = "neap.toml".into();
        let text = text.to_owned();
        ConfigFile { path, text }
    }

    /// The words that the file stands for on the line of the command `name`.
    ///
    /// `is_given` tells whether the line or the environment has the argument of an id, and so
    /// outranks the file. All of the file is checked, also what is for another command.
    pub(crate) fn words(
        &self,
        root: &Command,
        name: &str,
        is_given: impl Fn(&str) -> bool,
    ) -> Result<Vec<OsString>, clap::Error> {
        let table = DeTable::parse(&self.text)
            .map_err(|error| self.error(error.span().unwrap_or(0..0), error.message()))?;
        let commands = serving(root);
        let mut settings = Vec::new();
        for (key, value) in table.get_ref() {
            let key_name = key.get_ref().as_ref();
            match (value.get_ref(), command_named(&commands, key_name)) {
                (DeValue::Table(own), Some(command)) => {
                    let is_own = true;
                    let keys = self.settings(own, |key| find(command, key), command, is_own)?;
                    settings.extend(keys.into_iter().filter(|_| key_name == name));
                }
                (DeValue::Table(_), None) => {
                    return Err(self.error(key.span(), &unknown_table(&commands, key_name)));
                }
                (other, Some(_)) => {
                    let what = format!(
                        "{key_name} is a command, and not {}: write a table, [{key_name}], once, \
                         and its settings below",
                        a(other)
                    );
                    return Err(self.error(key.span(), &what));
                }
                (_, None) => {}
            }
        }
        let shared = |key: &str| find_shared(&commands, key);
        let first = commands.first().copied().unwrap_or(root);
        settings.extend(self.settings(table.get_ref(), shared, first, false)?);
        Ok(outranking(settings, is_given))
    }

    /// The settings of one table, each judged by its own flag's parser.
    fn settings<'a>(
        &self,
        table: &DeTable<'_>,
        find: impl Fn(&str) -> Result<&'a Arg, String>,
        command: &Command,
        is_own: bool,
    ) -> Result<Vec<Setting>, clap::Error> {
        let is_command = |value: &DeValue<'_>| !is_own && value.is_table();
        let mut settings = Vec::new();
        for (key, value) in table {
            if is_command(value.get_ref()) {
                continue;
            }
            let name = key.get_ref().as_ref();
            let arg = find(name).map_err(|error| self.error(key.span(), &error))?;
            let words = words(arg, value.get_ref())
                .and_then(|words| judge(command, arg, &words).map(|()| words))
                .map_err(|error| self.error(key.span(), &format!("{name}: {error}")))?;
            settings.push(Setting {
                id: arg.get_id().to_string(),
                is_own,
                words,
            });
        }
        Ok(settings)
    }

    /// An error that says where it stands.
    fn error(&self, at: Range<usize>, what: &str) -> clap::Error {
        let before = self.text.get(..at.start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let path = self.path.display();
        // Nothing but a missing file says ErrorKind::Io: all of this is a wrong value, status 2.
        clap::Error::raw(
            ErrorKind::ValueValidation,
            format!("{path}, line {line}: {what}\n"),
        )
    }
}

/// The commands that have a `--config`.
fn serving(root: &Command) -> Vec<&Command> {
    let has_config =
        |command: &&Command| command.get_arguments().any(|arg| arg.get_id() == "config");
    root.get_subcommands().filter(has_config).collect()
}

fn command_named<'a>(commands: &[&'a Command], name: &str) -> Option<&'a Command> {
    let mut commands = commands.iter().copied();
    commands.find(|command| command.get_name() == name)
}

/// What an argument is called in the file: its long flag, or what it is.
fn key(arg: &Arg) -> Option<&str> {
    let key = arg.get_long().unwrap_or(arg.get_id().as_str());
    (!NOT_SETTINGS.contains(&key)).then_some(key)
}

fn find_key<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|arg| key(arg) == Some(name))
}

fn find<'a>(command: &'a Command, name: &str) -> Result<&'a Arg, String> {
    find_key(command, name).ok_or_else(|| {
        let known = command.get_arguments().filter_map(key);
        unknown("key", name, known)
    })
}

/// An argument that all of these commands have.
fn find_shared<'a>(commands: &[&'a Command], name: &str) -> Result<&'a Arg, String> {
    let having = |name: &str| {
        let commands = commands.iter().copied();
        commands
            .filter(|command| find_key(command, name).is_some())
            .collect::<Vec<_>>()
    };
    match having(name)[..] {
        [] => {
            let all = commands.iter().flat_map(|command| command.get_arguments());
            Err(unknown("key", name, all.filter_map(key)))
        }
        [first, ..] if having(name).len() == commands.len() => find(first, name),
        [only, ..] => {
            let command = only.get_name();
            Err(format!(
                "{name} is a setting of one command: write it below [{command}]"
            ))
        }
    }
}

fn unknown_table(commands: &[&Command], name: &str) -> String {
    let known = commands.iter().map(|command| command.get_name());
    unknown("table", name, known)
}

/// Names what may have been meant, as clap does for flags.
fn unknown<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    const ALIKE: f64 = 0.7;
    let likeness = |known: &&str| strsim::jaro(&name.replace('_', "-"), known);
    let nearest = known.max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match nearest.filter(|nearest| likeness(nearest) > ALIKE) {
        Some(nearest) => format!("there is no {kind} {name:?}; {nearest:?} is there"),
        None => format!("there is no {kind} {name:?}; `neap serve --help` names the flags"),
    }
}

/// The words that a value stands for.
fn words(arg: &Arg, value: &DeValue<'_>) -> Result<Vec<OsString>, String> {
    let is_switch = matches!(arg.get_action(), ArgAction::SetTrue | ArgAction::SetFalse);
    let may_stand_alone = arg
        .get_num_args()
        .is_some_and(|range| range.min_values() == 0);
    let long = arg.get_long();
    match value {
        DeValue::Boolean(on) if is_switch || may_stand_alone => {
            let word = long.map(|long| format!("--{long}").into());
            Ok(word.into_iter().filter(|_| *on).collect())
        }
        _ if is_switch => Err(format!("write true or false, not {}", a(value))),
        DeValue::Array(values) if matches!(arg.get_action(), ArgAction::Append) => values
            .iter()
            .map(|value: &Spanned<DeValue<'_>>| Ok(word(long, &scalar(value.get_ref())?)))
            .collect(),
        DeValue::Array(_) => Err("it takes one value, not a list".to_owned()),
        value => Ok(vec![word(long, &scalar(value)?)]),
    }
}

fn word(long: Option<&str>, value: &str) -> OsString {
    match long {
        Some(long) => format!("--{long}={value}").into(),
        // What is no flag must not look like one.
        None if value.starts_with('-') => format!("./{value}").into(),
        None => value.into(),
    }
}

fn scalar(value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Boolean(on) => Ok(on.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str().to_owned()),
        other => Err(format!("write a text or a whole number, not {}", a(other))),
    }
}

/// What kind of value it is, as TOML calls it.
fn a(value: &DeValue<'_>) -> String {
    match value.type_str() {
        kind @ ("integer" | "array") => format!("an {kind}"),
        kind => format!("a {kind}"),
    }
}

/// Lets the argument's own parser say whether it takes the value.
fn judge(command: &Command, arg: &Arg, words: &[OsString]) -> Result<(), String> {
    let alone = command.clone().no_binary_name(true);
    let alone = alone.mut_args(|arg| arg.env(None::<&str>).required(false));
    let Err(error) = alone.try_get_matches_from(words) else {
        return Ok(());
    };
    match error.kind() {
        ErrorKind::ValueValidation => Err(match error.source() {
            Some(source) => of_number(source).map_or_else(|| source.to_string(), str::to_owned),
            None => error.kind().to_string(),
        }),
        ErrorKind::InvalidValue => {
            let given = match error.get(ContextKind::InvalidValue) {
                Some(ContextValue::String(given)) => given.as_str(),
                _ => "",
            };
            let known = arg.get_possible_values();
            let known: Vec<_> = known.iter().map(PossibleValue::get_name).collect();
            Err(match known[..] {
                [] => "it is empty: write a value, or leave the line out".to_owned(),
                _ => format!("{given:?} is none of {}", known.join(", ")),
            })
        }
        // A flag that needs another one is judged when all are together.
        _ => Ok(()),
    }
}

/// What to write instead of what the standard library found to be no number.
fn of_number(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let error = error.downcast_ref::<ParseIntError>()?;
    Some(match error.kind() {
        IntErrorKind::Zero => "write at least 1",
        IntErrorKind::PosOverflow => "it is too large: write a smaller number",
        _ => "write a whole number, such as 100",
    })
}

/// Leaves out what is outranked: by the line and the environment, and by the command's own table.
fn outranking(settings: Vec<Setting>, is_given: impl Fn(&str) -> bool) -> Vec<OsString> {
    let own: Vec<String> = settings
        .iter()
        .filter(|setting| setting.is_own)
        .flat_map(|setting| same_question(&setting.id))
        .map(str::to_owned)
        .collect();
    settings
        .into_iter()
        .filter(|setting| !same_question(&setting.id).into_iter().any(&is_given))
        .filter(|setting| setting.is_own || !own.contains(&setting.id))
        .flat_map(|setting| setting.words)
        .collect()
}

/// The ids that answer the same question: a port that was typed replaces a list of addresses.
fn same_question(id: &str) -> Vec<&str> {
    match id {
        "listen" | "port" => vec!["listen", "port"],
        id => vec![id],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args;

    fn words(text: &str, name: &str, given: &[&str]) -> Result<String, String> {
        let file = ConfigFile::of_text(text);
        let words = file.words(&args::command(), name, |id| given.contains(&id));
        let words = words.map_err(|error| error.to_string())?;
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        Ok(words.join(" "))
    }

    #[test]
    fn each_kind_of_value_becomes_the_words_of_its_flag() {
        for (text, line) in [
            ("", ""),
            ("deadline = '8s'", "--deadline=8s"),
            ("backlog = 1_000", "--backlog=1000"),
            ("health = true", "--health"),
            ("health = false", ""),
            ("hold-upgraded = false", "--hold-upgraded=false"),
            (
                "listen = ['[::]:80', 'unix:/run/x']",
                "--listen=[::]:80 --listen=unix:/run/x",
            ),
            ("listen = '[::]:80'", "--listen=[::]:80"),
            ("[serve]\ndirectory = 'a b'", "a b"),
            ("[serve]\ndirectory = '-a'", "./-a"),
        ] {
            assert_eq!(words(text, "serve", &[]).as_deref(), Ok(line), "{text}");
        }
    }

    #[test]
    fn a_commands_own_table_outranks_what_the_commands_share() {
        let text = "log = 'off'\nport = 1\n[serve]\nlog = 'json'\nlisten = 'unix:/a'\n[echo]\n";
        assert_eq!(
            words(text, "serve", &[]).unwrap(),
            "--listen=unix:/a --log=json"
        );
        assert_eq!(words(text, "echo", &[]).unwrap(), "--log=off --port=1");
        // And what was given outranks both; a port replaces addresses.
        assert_eq!(words(text, "serve", &["port"]).unwrap(), "--log=json");
        assert_eq!(words(text, "echo", &["listen", "log"]).unwrap(), "");
    }

    #[test]
    fn a_mistake_is_told_with_its_file_line_and_key() {
        for (text, told) in [
            ("a = ", "line 1: "),
            (
                "\n\ndeadline = 30",
                "line 3: deadline: \"30\" has no unit: write 30s",
            ),
            (
                "log = 'loud'",
                "line 1: log: \"loud\" is none of off, common, ",
            ),
            ("listen = ['80:']", "line 1: listen: \"80:\" is no address"),
            ("port = [1]", "line 1: port: it takes one value, not a list"),
            (
                "port = 1.5",
                "port: write a text or a whole number, not a float",
            ),
            ("port = 65536", "port: \"65536\" is no port"),
            (
                "health = 'yes'",
                "health: write true or false, not a string",
            ),
            (
                "dedline = '3s'",
                "there is no key \"dedline\"; \"deadline\" is there",
            ),
            ("lame_duck = '3s'", "\"lame-duck\" is there"),
            ("qqqqqqqqqqqq = 1", "`neap serve --help` names the flags"),
            ("config = 'other.toml'", "there is no key \"config\""),
            ("version = true", "there is no key \"version\""),
            ("directory = '.'", "write it below [serve]"),
            (
                "[echo]\nhidden = true",
                "line 2: there is no key \"hidden\"",
            ),
            (
                "[sevre]\n",
                "there is no table \"sevre\"; \"serve\" is there",
            ),
            ("[drill]\n", "there is no table \"drill\""),
            ("port = 1\nport = 2", "line 2: duplicate key"),
            (
                "[serve]\ndirectory = ''",
                "line 2: directory: it is empty: write a value",
            ),
            ("tls-cert = ''", "line 1: tls-cert: it is empty"),
            (
                "\n[[serve]]\n",
                "line 2: serve is a command, and not an array: write a table, [serve]",
            ),
            ("echo = 3", "and not an integer: write a table, [echo]"),
            ("serve = 'public'", "not a string: write a table, [serve]"),
            (
                "max-connections = 0",
                "line 1: max-connections: write at least 1",
            ),
            ("threads = -1", "threads: write a whole number"),
            (
                "pipeline-max = 'many'",
                "pipeline-max: write a whole number",
            ),
            ("backlog = 'many'", "backlog: write a whole number"),
            ("threads = 99999999999999999999", "threads: it is too large"),
        ] {
            let error = words(text, "echo", &[]).unwrap_err();
            assert!(error.starts_with("error: neap.toml, line "), "{error}");
            assert!(error.contains(told), "{text}: {error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }

    #[test]
    fn every_flags_default_can_stand_in_the_file_and_every_switch() {
        let root = args::command();
        let mut checked = 0;
        for arg in find_command(&root, "echo").get_arguments() {
            let Some(name) = key(arg) else { continue };
            let (text, line) = match arg.get_default_values() {
                _ if matches!(arg.get_action(), ArgAction::SetTrue) => {
                    (format!("{name} = true"), format!("--{name}"))
                }
                [] => continue,
                default => {
                    let default = default[0].to_string_lossy();
                    (
                        format!("{name} = '{default}'"),
                        format!("--{name}={default}"),
                    )
                }
            };
            assert_eq!(words(&text, "echo", &[]), Ok(line));
            checked += 1;
        }
        assert!(checked > 20, "{checked}");
    }

    fn find_command<'a>(root: &'a Command, name: &str) -> &'a Command {
        command_named(&serving(root), name).unwrap()
    }
}
