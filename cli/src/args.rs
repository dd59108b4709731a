//! The command line and its environment.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::builder::BoolishValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use neap_smol::Address;

use crate::address;
use crate::certificate::TlsArgs;
use crate::completions::{self, Completions};
use crate::config_file::ConfigFile;
use crate::drain_args::DrainArgs;
#[cfg(target_os = "linux")]
use crate::drill;
use crate::help;
use crate::man::{self, Man};
use crate::serve;

/// An HTTP/1.1 micro-server whose shutdown can be proved
///
/// SIGTERM or Ctrl-C starts the drain: what has reached the server is still answered, then it
/// ends. A second signal ends it at once.
#[derive(Debug, Parser)]
#[command(name = "neap", version, subcommand_required = true, after_help = help::AFTER_HELP,
          after_long_help = help::AFTER_LONG_HELP)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the files of a directory
    #[command(after_help = serve::args::AFTER_HELP)]
    Serve(serve::args::Serve),
    /// Serve an endpoint to test clients, balancers and shutdowns with
    #[command(after_help = help::AFTER_ECHO_HELP)]
    Echo(Echo),
    #[cfg(target_os = "linux")]
    /// Hold a shutdown drill: start any server, send it its signal, see what its clients lose
    #[command(after_help = drill::args::AFTER_HELP)]
    Drill(Box<drill::args::Drill>),
    /// Print what makes a shell complete commands and flags
    #[command(after_help = completions::AFTER_HELP)]
    Completions(Completions),
    /// Print the manual pages, or write them to a directory
    #[command(after_help = man::AFTER_HELP)]
    Man(Man),
}

/// The flags of `neap echo`.
#[derive(Args, Debug)]
pub(crate) struct Echo {
    #[command(flatten)]
    pub(crate) common: Common,
}

/// The flags of every command that serves.
#[derive(Args, Debug)]
#[command(next_help_heading = "Server")]
pub(crate) struct Common {
    /// Settings in TOML: a flag's long name is a key; flags and the environment outrank them
    ///
    /// What the commands share stands at the top, what is for one of them in the table of its
    /// name. Lists are written `["a", "b"]`, flags without a value = true. DIR is called directory,
    /// and paths are meant as if they were typed.
    #[arg(long, value_name = "FILE", env = "NEAP_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Addresses to listen on.
    #[arg(
        long,
        value_name = "ADDR",
        env = "NEAP_LISTEN",
        value_delimiter = ',',
        value_parser = address::parse,
        help = "Address to listen on: 127.0.0.1:8080, [::]:80, unix:PATH or unix:@NAME; may be \
                given several times [default: 127.0.0.1:8080]"
    )]
    pub(crate) listen: Vec<Address>,
    /// Port to listen on, on 127.0.0.1; 0 takes a free one, which is printed
    #[arg(short, long, value_name = "N", env = "NEAP_PORT", value_parser = address::parse_port)]
    port: Option<u16>,
    /// Take over listening sockets from whoever starts it, a systemd socket unit for instance
    ///
    /// They stay open at the end: who connects then waits for the next process.
    #[arg(long, env = "NEAP_INHERIT", value_parser = BoolishValueParser::new())]
    pub(crate) inherit: bool,
    /// Share the addresses with other processes that do the same
    #[arg(long, env = "NEAP_REUSE_PORT", value_parser = BoolishValueParser::new())]
    pub(crate) reuse_port: bool,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
    /// Address for /livez, /readyz and /metrics, answered through the drain
    #[arg(long, value_name = "ADDR", env = "NEAP_ADMIN", value_delimiter = ',',
          value_parser = address::parse)]
    pub(crate) admin: Vec<Address>,
    /// Answer /livez and /readyz on the main addresses, too
    ///
    /// While it drains only clients that are connected already can ask, and with --lame-duck or
    /// --keep-accepting new ones.
    #[arg(long, env = "NEAP_HEALTH", value_parser = BoolishValueParser::new())]
    pub(crate) health: bool,
    /// Status of /readyz while draining; HAProxy takes 404 for a server that drains
    #[arg(
        long,
        value_name = "CODE",
        env = "NEAP_DRAINING_STATUS",
        default_value = "503",
        value_parser = clap::value_parser!(u16).range(400..=599),
        hide_short_help = true
    )]
    pub(crate) draining_status: u16,
    /// How many connections may wait to be accepted
    #[arg(
        long,
        value_name = "N",
        env = "NEAP_BACKLOG",
        default_value = "4096",
        value_parser = clap::value_parser!(u32).range(1..=65_535),
        hide_short_help = true
    )]
    pub(crate) backlog: u32,
    /// How many connections may be open; more wait to be accepted [default: what the limit of
    /// open files allows]
    #[arg(
        long,
        value_name = "N",
        env = "NEAP_MAX_CONNECTIONS",
        hide_short_help = true
    )]
    pub(crate) max_connections: Option<NonZeroUsize>,
    /// Threads that serve [default: as many as there are cores]
    #[arg(long, value_name = "N", env = "NEAP_THREADS")]
    pub(crate) threads: Option<NonZeroUsize>,
    /// What tells when sockets are ready
    #[arg(
        long,
        value_name = "NAME",
        env = "NEAP_REACTOR",
        default_value = "own",
        hide_short_help = true
    )]
    pub(crate) reactor: ReactorName,
    /// Log of requests, on stderr; off also silences what happens to the server
    #[arg(
        long,
        value_name = "FORMAT",
        env = "NEAP_LOG",
        default_value = "common"
    )]
    pub(crate) log: LogFormat,
    /// Name the targets of requests that hold the drain in the log, every five seconds
    #[arg(long, env = "NEAP_LOG_TARGETS", value_parser = BoolishValueParser::new(),
          hide_short_help = true)]
    pub(crate) log_targets: bool,
    /// The report at the end, on stderr
    #[arg(
        long,
        value_name = "FORMAT",
        env = "NEAP_REPORT",
        default_value = "text"
    )]
    pub(crate) report: ReportFormat,
    /// Ask the service manager (systemd) for more time as long as the drain takes
    #[arg(long, env = "NEAP_EXTEND_TIMEOUT", value_parser = BoolishValueParser::new(),
          hide_short_help = true)]
    pub(crate) extend_timeout: bool,
    #[command(flatten)]
    pub(crate) drain: DrainArgs,
}

/// What the access log looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Nothing but the report at the end
    Off,
    /// The format that every log reader knows
    Common,
    /// The same with referer and user agent
    Combined,
    /// An object a line
    Json,
}

/// What tells when sockets are ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReactorName {
    /// Edge-triggered epoll of the server's own, where the system has it
    Own,
    /// The portable one, which programs on smol and async-std have
    AsyncIo,
}

/// What the report looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// A paragraph
    Text,
    /// An object on one line
    Json,
}

/// Reads the command line of this process; ends it with what there is to say about a wrong one.
pub(crate) fn parse() -> Cli {
    try_parse(std::env::args_os()).unwrap_or_else(|error| error.exit())
}

pub(crate) fn try_parse(words: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let mut words: Vec<OsString> = words.into_iter().collect();
    let in_file = words_in_file(&words)?;
    // What the file says stands right behind the command's name, before what is typed.
    let place = words.len().min(2);
    words.splice(place..place, in_file);
    let matches = command().try_get_matches_from(words).map_err(advise)?;
    let mut cli = Cli::from_arg_matches(&matches)?;
    if let Some((_, matches)) = matches.subcommand() {
        let is_typed = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
        if let Some(common) = cli.command.common_mut() {
            common.settle_addresses(is_typed);
        }
    }
    Ok(cli)
}

/// The whole command line.
pub(crate) fn command() -> clap::Command {
    Cli::command().mut_subcommands(|command| {
        let is_serve = command.get_name() == "serve";
        command.mut_args(|flag| {
            // Each flag's variable has its name: the help says so once.
            let flag = flag.hide_env(true);
            match flag.get_id().as_str() {
                // A file of settings may have them for echo as well: they are taken, that is all.
                "hold_upgraded" | "upgraded_grace" if is_serve => flag.hide(true),
                _ => flag,
            }
        })
    })
}

/// Adds to an error what a command is needed for, where the line has none.
fn advise(error: clap::Error) -> clap::Error {
    let context = match error.kind() {
        ErrorKind::InvalidSubcommand => ContextKind::InvalidSubcommand,
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        _ => return error,
    };
    let Some(ContextValue::String(word)) = error.get(context) else {
        return error;
    };
    let usage = error.get(ContextKind::Usage).map(ToString::to_string);
    let is_file = Path::new(word).is_file();
    let advice = if context == ContextKind::InvalidArg {
        // Below a command clap knows what was meant; above it there are only --help and --version.
        let of_root = usage.is_some_and(|usage| usage.contains("neap <COMMAND>"));
        of_root
            .then(|| format!("{word} is a command's flag; write it behind one: neap serve {word}"))
    } else if is_file {
        Some(format!(
            "{word} is a file; name the directory that holds it: neap serve DIR"
        ))
    } else if word.contains('/') || Path::new(word).exists() {
        Some(format!(
            "{word} is no command; to serve that directory: neap serve {word}"
        ))
    } else if word.parse::<u16>().is_ok() {
        Some(format!(
            "{word} is no command; to listen on that port: neap serve -p {word}"
        ))
    } else {
        None
    };
    match advice {
        Some(advice) => clap::Error::raw(error.kind(), advice + "\n"),
        None => error,
    }
}

/// What the file of settings adds to these words, if they or the environment name one.
fn words_in_file(words: &[OsString]) -> Result<Vec<OsString>, clap::Error> {
    // What is wrong with the line is told when it is read with the file's words in it: it may lack
    // only what the file has.
    let matches = command().ignore_errors(true).try_get_matches_from(words)?;
    let Some((name, matches)) = matches.subcommand() else {
        return Ok(Vec::new());
    };
    let Ok(Some(path)) = matches.try_get_one::<PathBuf>("config") else {
        return Ok(Vec::new());
    };
    let is_given = |id: &str| {
        let source = matches.value_source(id);
        source.is_some_and(|source| source != ValueSource::DefaultValue)
    };
    ConfigFile::read(path)?.words(&command(), name, is_given)
}

impl Command {
    fn common_mut(&mut self) -> Option<&mut Common> {
        match self {
            Command::Serve(serve) => Some(&mut serve.common),
            Command::Echo(echo) => Some(&mut echo.common),
            #[cfg(target_os = "linux")]
            Command::Drill(_) => None,
            Command::Completions(_) | Command::Man(_) => None,
        }
    }
}

impl Common {
    /// Makes one list of `--listen` and `--port`. Both count, unless one was typed and the other
    /// comes from the environment: what is typed outranks it, as with any single flag.
    fn settle_addresses(&mut self, is_typed: impl Fn(&str) -> bool) {
        if is_typed("port") && !is_typed("listen") {
            self.listen.clear();
        }
        if is_typed("listen") && !is_typed("port") {
            self.port = None;
        }
        self.listen.extend(self.port.map(address::on_loopback));
        if self.listen.is_empty() && !self.inherit {
            self.listen.push(address::on_loopback(8080));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn common(line: &str) -> Result<Common, String> {
        let words = line.split(' ').map(OsString::from);
        match try_parse(words).map_err(|error| error.to_string())?.command {
            Command::Serve(serve) => Ok(serve.common),
            Command::Echo(echo) => Ok(echo.common),
            #[cfg(target_os = "linux")]
            Command::Drill(drill) => Err(format!("{drill:?}")),
            other => Err(format!("{other:?}")),
        }
    }

    fn addresses(line: &str) -> Vec<String> {
        common(line)
            .unwrap()
            .listen
            .iter()
            .map(Address::to_string)
            .collect()
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn addresses_come_from_listen_and_port() {
        assert_eq!(addresses("neap echo"), ["127.0.0.1:8080"]);
        assert_eq!(addresses("neap serve -p 0"), ["127.0.0.1:0"]);
        assert_eq!(addresses("neap echo --listen [::]:80"), ["[::]:80"]);
        assert!(addresses("neap echo --inherit").is_empty());
        assert_eq!(addresses("neap echo --inherit -p 1"), ["127.0.0.1:1"]);
        let several = addresses("neap echo --listen 0.0.0.0:80,unix:@a --listen unix:/b -p 1");
        assert_eq!(several, ["0.0.0.0:80", "unix:@a", "unix:/b", "127.0.0.1:1"]);
    }

    #[test]
    fn what_is_typed_outranks_the_environment() {
        let settled = |typed: &[&str]| {
            let words = ["neap", "echo", "--listen", "[::1]:80", "-p", "1"];
            let mut cli = Cli::try_parse_from(words).unwrap();
            let common = cli.command.common_mut().unwrap();
            common.settle_addresses(|id| typed.contains(&id));
            let listen = common.listen.iter();
            listen.map(Address::to_string).collect::<Vec<_>>()
        };
        assert_eq!(settled(&["port"]), ["127.0.0.1:1"]);
        assert_eq!(settled(&["listen"]), ["[::1]:80"]);
        assert_eq!(settled(&["listen", "port"]), ["[::1]:80", "127.0.0.1:1"]);
        assert_eq!(settled(&[]), ["[::1]:80", "127.0.0.1:1"]);
    }

    #[test]
    fn every_flag_has_an_environment_variable_of_its_name() {
        for command in Cli::command().get_subcommands() {
            for argument in command.get_arguments() {
                if let Some(long) = argument.get_long() {
                    let name = format!("NEAP_{}", long.replace('-', "_").to_uppercase());
                    assert_eq!(argument.get_env(), Some(name.as_ref()), "--{long}");
                }
            }
        }
    }

    #[test]
    fn a_wrong_flag_is_told_with_its_remedy() {
        for (line, remedy) in [
            ("neap echo --deadline 30", "write 30s"),
            ("neap echo --backlog 0", "1..=65535"),
            ("neap echo --max-connections 0", "zero"),
            ("neap echo --threads 0", "zero"),
            ("neap echo --log loud", "common, combined, json"),
        ] {
            let error = common(line).unwrap_err();
            assert!(error.contains(remedy), "{error}");
        }
    }
}
