//! The command line of `neap drill`.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;
use rustix::process::{Pid, Signal};

use super::launch::{Launch, Ready};
use super::output::Outputs;
use super::preset::{PRESETS, Preset};
use super::record::Routes;
use super::signal;
use super::situation::{self, Entry};
use crate::duration;

pub(crate) const AFTER_HELP: &str = "\
COMMAND is your server, as you start it, with {port} where its port belongs. It is started anew for
each situation, on a free port, put into the situation, sent the signal, and watched. Tell about
more routes, and more situations can be tried. Also in COMMAND and in --env:
  {deadline}  the drill's deadline in whole seconds, for the server's own limit
  {socket}    a path for a unix socket that it listens on, too

Exit status:
  0  nothing that is required failed
  1  something that is required failed: a request lost that was delivered before the signal, a wrong
     exit, a deadline missed
  2  not held: a flag was wrong, or the server did not start

Signals:
  INT, TERM, HUP, QUIT  the drill ends, and with it the servers that it has started

Examples:
  neap drill -- python3 -m http.server {port}
  neap drill -- ./my-server --listen 127.0.0.1:{port}
  neap drill --env PORT={port} --slow /report --upload /upload -- node server.js
  neap drill --preset nginx --fixed-port 8080 -- nginx -g 'daemon off;' -c $PWD/nginx.conf
  neap drill --preset gunicorn -- gunicorn -b 127.0.0.1:{port} --graceful-timeout {deadline} app:app
  neap drill --preset neap --html drill.html -- neap echo -p {port} --deadline {deadline}s
  neap drill --list
  neap drill --only backlog,in-flight --repeat 10 --slow /delay/MS -- ./my-server {port}
  neap drill --url http://127.0.0.1:8080 --pid 4242 --only load";

/// The flags of `neap drill`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Drill {
    /// The server's command, with {port} in it
    #[arg(last = true, value_name = "COMMAND", required_unless_present_any = ["list", "url"])]
    pub(crate) command: Vec<String>,
    /// A server that is known: its graceful signal, and its routes if it has some
    #[arg(long, value_name = "NAME", env = "NEAP_PRESET", value_parser = preset)]
    preset: Option<&'static Preset>,
    /// The signal that asks the server to drain [default: the preset's, or TERM]
    #[arg(long, value_name = "NAME", env = "NEAP_SIGNAL", value_parser = signal::parse)]
    signal: Option<Signal>,
    /// How long the server may take from the signal to its exit
    #[arg(long, value_name = "DURATION", env = "NEAP_DEADLINE", default_value = "10s",
          value_parser = duration::parse)]
    pub(crate) deadline: Duration,
    /// Path that is answered at once
    #[arg(
        long,
        value_name = "PATH",
        env = "NEAP_FAST",
        default_value = "/",
        help_heading = "Routes"
    )]
    fast: String,
    /// Path that is answered after a while; MS in it stands for milliseconds: /delay/MS
    #[arg(long, value_name = "PATH", env = "NEAP_SLOW", help_heading = "Routes")]
    slow: Option<String>,
    /// Path that is answered piece by piece, in a second or so
    #[arg(
        long,
        value_name = "PATH",
        env = "NEAP_STREAM",
        help_heading = "Routes"
    )]
    stream: Option<String>,
    /// Path that takes the content of a POST, 64 KiB of it
    #[arg(
        long,
        value_name = "PATH",
        env = "NEAP_UPLOAD",
        help_heading = "Routes"
    )]
    upload: Option<String>,
    /// Path that is answered with several megabytes
    #[arg(
        long,
        value_name = "PATH",
        env = "NEAP_DOWNLOAD",
        help_heading = "Routes"
    )]
    download: Option<String>,
    /// Only these situations, by id
    #[arg(long, value_name = "ID", env = "NEAP_ONLY", value_delimiter = ',', value_parser = id)]
    only: Vec<String>,
    /// List the situations, and hold no drill
    #[arg(long, env = "NEAP_LIST", value_parser = BoolishValueParser::new())]
    pub(crate) list: bool,
    /// How often to bring each situation about
    #[arg(long, value_name = "N", env = "NEAP_REPEAT", default_value = "1",
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) repeat: u32,
    /// When the server is ready: tcp as soon as it listens, or a path that it answers [default: the
    /// path of --fast]
    #[arg(long, value_name = "PATH|tcp", env = "NEAP_READY_WHEN")]
    ready_when: Option<String>,
    /// A variable of the server's environment; may be given several times
    #[arg(short, long, value_name = "NAME=VALUE", env = "NEAP_ENV", value_parser = variable)]
    env: Vec<(String, String)>,
    /// The port that the server listens on, if its command has no {port}
    #[arg(long, value_name = "N", env = "NEAP_FIXED_PORT",
          value_parser = clap::value_parser!(u16).range(1..))]
    fixed_port: Option<u16>,
    /// What to append to the command so that two of it share a port by `SO_REUSEPORT`
    #[arg(
        long,
        value_name = "ARG",
        env = "NEAP_PAIR_ARG",
        allow_hyphen_values = true
    )]
    pair_arg: Vec<String>,
    /// A server that was started elsewhere; needs --pid, and tries one situation [default: load]
    #[arg(long, env = "NEAP_URL", requires = "pid", conflicts_with = "command", value_parser = url)]
    pub(crate) url: Option<SocketAddr>,
    /// Its process, which is sent the signal
    #[arg(long, value_name = "N", env = "NEAP_PID", requires = "url", value_parser = pid)]
    pub(crate) pid: Option<Pid>,
    #[command(flatten)]
    pub(crate) outputs: Outputs,
}

fn preset(name: &str) -> Result<&'static Preset, String> {
    Preset::find(name).ok_or_else(|| {
        let names: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
        format!("known are {}", names.join(", "))
    })
}

fn id(id: &str) -> Result<String, String> {
    let is_known = situation::all().any(|entry| entry.id == id);
    is_known
        .then(|| id.to_owned())
        .ok_or_else(|| "neap drill --list has the ids".into())
}

fn variable(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let parts = parts.map(|(name, value)| (name.to_owned(), value.to_owned()));
    parts.ok_or_else(|| "write NAME=VALUE".into())
}

fn url(text: &str) -> Result<SocketAddr, String> {
    let rest = text
        .strip_prefix("http://")
        .ok_or("write http://ADDRESS:PORT")?;
    let authority = rest.split('/').next().unwrap_or(rest);
    let with_port = match authority.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => authority.to_owned(),
        _ => format!("{authority}:80"),
    };
    let mut found = with_port
        .to_socket_addrs()
        .map_err(|error| error.to_string())?;
    let local = found.find(|address| is_local(address.ip()));
    local.ok_or_else(|| "the server must be on this machine: it is sent a signal".into())
}

/// Whether it is an address of this machine: something can be bound to it.
fn is_local(ip: IpAddr) -> bool {
    std::net::TcpListener::bind((ip, 0)).is_ok()
}

fn pid(text: &str) -> Result<Pid, String> {
    let number = text.parse().ok().filter(|number| *number > 1);
    number
        .and_then(Pid::from_raw)
        .ok_or_else(|| "write the number of a process".into())
}

impl Drill {
    /// What the server is told from the command line, where it does not say so itself.
    pub(crate) fn signal(&self) -> Result<Signal, String> {
        match (self.signal, self.preset) {
            (Some(signal), _) => Ok(signal),
            (None, Some(preset)) => signal::parse(preset.signal),
            (None, None) => Ok(Signal::TERM),
        }
    }

    pub(crate) fn preset_name(&self) -> Option<String> {
        self.preset.map(|preset| preset.name.to_owned())
    }

    pub(crate) fn routes(&self) -> Routes {
        let of_preset = self.preset.map(|preset| preset.routes).unwrap_or_default();
        let or = |own: &Option<String>, other: Option<&str>| {
            own.clone().or_else(|| other.map(str::to_owned))
        };
        Routes {
            fast: self.fast.clone(),
            slow: or(&self.slow, of_preset.slow),
            stream: or(&self.stream, of_preset.stream),
            upload: or(&self.upload, of_preset.upload),
            download: or(&self.download, of_preset.download),
        }
    }

    pub(crate) fn pair_args(&self) -> Vec<String> {
        let of_preset = self
            .preset
            .map(|preset| preset.pair_args)
            .unwrap_or_default();
        match self.pair_arg.is_empty() {
            true => of_preset.iter().map(|arg| (*arg).to_owned()).collect(),
            false => self.pair_arg.clone(),
        }
    }

    /// How to start the server.
    pub(crate) fn launch(&self) -> Launch {
        let ready = match self.ready_when.as_deref() {
            None => Ready::Answers(self.fast.clone()),
            Some("tcp") => Ready::Tcp,
            Some(path) => Ready::Answers(path.to_owned()),
        };
        Launch {
            command: self.command.clone(),
            env: self.env.clone(),
            port: self.fixed_port,
            deadline: self.deadline,
            ready,
        }
    }

    /// What is wrong with the command line as a whole.
    pub(crate) fn check(&self) -> Result<(), String> {
        let mut paths = vec![("--fast", Some(&self.fast))];
        paths.push(("--slow", self.slow.as_ref()));
        paths.push(("--stream", self.stream.as_ref()));
        paths.push(("--upload", self.upload.as_ref()));
        paths.push(("--download", self.download.as_ref()));
        paths.push((
            "--ready-when",
            self.ready_when.as_ref().filter(|when| *when != "tcp"),
        ));
        let is_path =
            |path: &str| path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
        if let Some((flag, path)) = paths
            .iter()
            .find_map(|(flag, path)| path.filter(|path| !is_path(path)).map(|path| (flag, path)))
        {
            return Err(format!(
                "{flag} {path}: a path begins with / and has no spaces"
            ));
        }
        if self.url.is_some() {
            return if self.only.len() > 1 {
                Err(
                    "a server that was started elsewhere is there for one situation: --only ID"
                        .into(),
                )
            } else {
                Ok(())
            };
        }
        if !self.launch().has("{port}") && self.fixed_port.is_none() {
            return Err(
                "nothing tells the server its port: write {port} where it belongs in \
                        COMMAND or in --env, or --fixed-port N if it is always the same"
                    .into(),
            );
        }
        if self.fixed_port.is_some_and(|_| self.launch().has("{port}")) {
            return Err("either {port} or --fixed-port".into());
        }
        Ok(())
    }

    /// The situations to try.
    pub(crate) fn entries(&self) -> Vec<&'static Entry> {
        let is_only = |entry: &&Entry| match (self.only.is_empty(), self.url) {
            (false, _) => self.only.iter().any(|id| id == entry.id),
            (true, None) => true,
            (true, Some(_)) => entry.id == "load",
        };
        situation::all().filter(is_only).collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        drill: Drill,
    }

    fn parse(words: &[&str]) -> Result<Drill, String> {
        let words = [&["neap drill"], words].concat();
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        line.drill.check()?;
        Ok(line.drill)
    }

    #[test]
    fn a_command_with_a_port_is_enough() {
        let drill = parse(&["--", "server", "--port={port}"]).unwrap();
        assert_eq!(drill.signal(), Ok(Signal::TERM));
        assert_eq!(drill.entries().len(), situation::all().count());
        assert_eq!(drill.launch().ready, Ready::Answers("/".into()));
        assert!(parse(&["--env", "PORT={port}", "--", "server"]).is_ok());
        assert!(parse(&["--fixed-port", "80", "--", "server"]).is_ok());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_remedy() {
        for (words, remedy) in [
            (&["--", "server"][..], "--fixed-port"),
            (&["--fast", "x", "--", "server", "{port}"], "begins with /"),
            (&["--only", "backlogs", "--", "server", "{port}"], "--list"),
            (&["--preset", "iis", "--", "server", "{port}"], "nginx"),
            (&["--signal", "KILL", "--", "server", "{port}"], "TERM, INT"),
            (&["--env", "A", "--", "server", "{port}"], "NAME=VALUE"),
            (&["--url", "http://127.0.0.1:80"], "--pid"),
            (
                &[
                    "--url",
                    "http://127.0.0.1:80",
                    "--pid",
                    "9",
                    "--only",
                    "load,idle",
                ],
                "one situation",
            ),
        ] {
            let error = parse(words).unwrap_err();
            assert!(error.contains(remedy), "{words:?}: {error}");
        }
    }

    #[test]
    fn a_preset_fills_in_what_the_command_line_leaves_open() {
        let words = [
            "--preset", "neap", "--slow", "/s", "--", "neap", "echo", "{port}",
        ];
        let drill = parse(&words).unwrap();
        let routes = drill.routes();
        assert_eq!(routes.slow.as_deref(), Some("/s"));
        assert_eq!(routes.upload.as_deref(), Some("/echo"));
        assert_eq!(drill.pair_args(), ["--reuse-port"]);
    }

    #[test]
    fn a_server_that_was_started_elsewhere_is_there_for_one_situation() {
        let drill = parse(&["--url", "http://127.0.0.1:8080/", "--pid", "99"]).unwrap();
        assert_eq!(drill.url, Some(([127, 0, 0, 1], 8080).into()));
        let ids: Vec<&str> = drill.entries().iter().map(|entry| entry.id).collect();
        assert_eq!(ids, ["load"]);
    }
}
