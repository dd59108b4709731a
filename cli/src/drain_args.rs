//! The flags that say how a shutdown goes.

use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, ValueEnum};
use neap_smol::{Config, Drain, Interrupt};

use crate::duration;

/// Every setting of the drain, under its own name.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Shutdown")]
pub(crate) struct DrainArgs {
    /// How long the drain may take before it cuts off what is left: 250ms, 30s, 1m
    #[arg(long, value_name = "DURATION", env = "NEAP_DEADLINE", default_value = "30s",
          value_parser = duration::parse)]
    pub(crate) deadline: Duration,
    /// How long to go on accepting, with Connection: close, so that balancers notice
    #[arg(long, value_name = "DURATION", env = "NEAP_LAME_DUCK", default_value = "0s",
          value_parser = duration::parse, hide_short_help = true)]
    lame_duck: Duration,
    /// Go on accepting until nobody waits and nothing is under way, up to the deadline
    #[arg(long, env = "NEAP_KEEP_ACCEPTING", value_parser = BoolishValueParser::new(),
          hide_short_help = true)]
    keep_accepting: bool,
    /// Whether connections that speak another protocol hold the drain until they end
    #[arg(long, value_name = "BOOL", env = "NEAP_HOLD_UPGRADED", default_value = "true",
          action = ArgAction::Set, value_parser = BoolishValueParser::new(),
          hide_short_help = true)]
    hold_upgraded: bool,
    /// How long they have to say goodbye [default: until the deadline]
    #[arg(long, value_name = "DURATION", env = "NEAP_UPGRADED_GRACE",
          value_parser = duration::parse, hide_short_help = true)]
    upgraded_grace: Option<Duration>,
    /// How long to wait for handshakes in flight before a listener is closed
    #[arg(long, value_name = "DURATION", env = "NEAP_SEAL_MAX", default_value = "1s",
          value_parser = duration::parse, hide_short_help = true)]
    seal_max: Duration,
    /// The same with --reuse-port, where new clients have to wait meanwhile
    #[arg(long, value_name = "DURATION", env = "NEAP_SEAL_MAX_GROUP", default_value = "900ms",
          value_parser = duration::parse, hide_short_help = true)]
    seal_max_group: Duration,
    /// How long an idle connection is kept for its last call
    #[arg(long, value_name = "DURATION", env = "NEAP_QUIET", default_value = "250ms",
          value_parser = duration::parse, hide_short_help = true)]
    quiet: Duration,
    /// How long a new connection may take to send its first byte
    #[arg(long, value_name = "DURATION", env = "NEAP_FIRST_BYTE_GRACE", default_value = "1s",
          value_parser = duration::parse, hide_short_help = true)]
    first_byte_grace: Duration,
    /// How long a request's head may take to be completed
    #[arg(long, value_name = "DURATION", env = "NEAP_HEAD_GRACE", default_value = "5s",
          value_parser = duration::parse, hide_short_help = true)]
    head_grace: Duration,
    /// How long to go on for a client that has ended its own side
    #[arg(long, value_name = "DURATION", env = "NEAP_HALF_CLOSE_GRACE", default_value = "1s",
          value_parser = duration::parse, hide_short_help = true)]
    half_close_grace: Duration,
    /// How long at most to read on after the last response, so that no reset destroys it
    #[arg(long, value_name = "DURATION", env = "NEAP_LINGER_MAX", default_value = "1s",
          value_parser = duration::parse, hide_short_help = true)]
    linger_max: Duration,
    /// How many bytes at most to read on
    #[arg(
        long,
        value_name = "N",
        env = "NEAP_LINGER_MAX_BYTES",
        default_value = "1048576",
        hide_short_help = true
    )]
    linger_max_bytes: u64,
    /// How long without input that lasts
    #[arg(long, value_name = "DURATION", env = "NEAP_LINGER_SHORT", default_value = "100ms",
          value_parser = duration::parse, hide_short_help = true)]
    linger_short: Duration,
    /// How long the end by force may take to flush what is left
    #[arg(long, value_name = "DURATION", env = "NEAP_CLOSE_GRACE", default_value = "500ms",
          value_parser = duration::parse, hide_short_help = true)]
    close_grace: Duration,
    /// How soon a second signal is taken for a duplicate of the first
    #[arg(long, value_name = "DURATION", env = "NEAP_DEBOUNCE", default_value = "250ms",
          value_parser = duration::parse, hide_short_help = true)]
    debounce: Duration,
    /// What SIGINT does, which Ctrl-C sends
    #[arg(
        long,
        value_name = "ACTION",
        env = "NEAP_ON_INT",
        default_value = "drain",
        hide_short_help = true
    )]
    on_int: OnInt,
    /// How many pipelined requests of a connection are still answered
    #[arg(
        long,
        value_name = "N",
        env = "NEAP_PIPELINE_MAX",
        default_value = "16",
        hide_short_help = true
    )]
    pipeline_max: u32,
}

/// What SIGINT does.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum OnInt {
    /// The same as SIGTERM
    Drain,
    /// Closes the server at once; requests under way are aborted
    Close,
}

impl DrainArgs {
    /// What SIGINT is to do.
    pub(crate) fn interrupt(self) -> Interrupt {
        match self.on_int {
            OnInt::Drain => Interrupt::Drain,
            OnInt::Close => Interrupt::Close,
        }
    }

    /// The settings that the flags stand for.
    pub(crate) fn config(self) -> Config {
        let mut config = Config::default();
        config.limits.pipeline = self.pipeline_max;
        config.limits.linger = self.linger_max_bytes;
        let drain: &mut Drain = &mut config.drain;
        drain.deadline = self.deadline;
        drain.lame_duck = self.lame_duck;
        drain.keep_accepting = self.keep_accepting;
        drain.hold_upgraded = self.hold_upgraded;
        drain.upgraded_grace = self.upgraded_grace.unwrap_or(drain.upgraded_grace);
        drain.seal_max = self.seal_max;
        drain.seal_max_group = self.seal_max_group;
        drain.quiet = self.quiet;
        drain.first_byte_grace = self.first_byte_grace;
        drain.head_grace = self.head_grace;
        drain.half_close_grace = self.half_close_grace;
        drain.linger_max = self.linger_max;
        drain.linger_short = self.linger_short;
        drain.close_grace = self.close_grace;
        drain.debounce = self.debounce;
        config
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        drain: DrainArgs,
    }

    #[test]
    fn the_flags_defaults_are_the_librarys() {
        let flags = Flags::try_parse_from(["neap"]).unwrap();
        assert_eq!(flags.drain.config(), Config::default());
    }

    #[test]
    fn every_flag_reaches_its_setting() {
        let windows = [
            "deadline",
            "lame-duck",
            "seal-max",
            "seal-max-group",
            "quiet",
            "first-byte-grace",
            "head-grace",
            "half-close-grace",
            "linger-max",
            "linger-short",
            "close-grace",
            "debounce",
            "upgraded-grace",
        ];
        let default = format!("{:?}", Config::default());
        for (index, window) in windows.into_iter().enumerate() {
            let value = format!("{}s", 1_000 + index);
            let flag = format!("--{window}");
            let flags = Flags::try_parse_from(["neap", &flag, &value]).unwrap();
            let field = format!("{}: {value}", window.replace('-', "_"));
            let config = format!("{:?}", flags.drain.config());
            assert!(
                config.contains(&field) && config != default,
                "{field} in {config}"
            );
        }
        let flags = Flags::try_parse_from(["neap", "--pipeline-max", "3"]).unwrap();
        assert_eq!(flags.drain.config().limits.pipeline, 3);
        let flags = Flags::try_parse_from(["neap", "--linger-max-bytes", "5"]).unwrap();
        assert_eq!(flags.drain.config().limits.linger, 5);
        let flags = Flags::try_parse_from(["neap", "--keep-accepting"]).unwrap();
        assert!(flags.drain.config().drain.keep_accepting);
        let flags = Flags::try_parse_from(["neap", "--hold-upgraded", "no"]).unwrap();
        assert!(!flags.drain.config().drain.hold_upgraded);
    }
}
