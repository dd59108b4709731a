//! The flags of `neap serve`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::Settings;
use crate::args::Common;

pub(crate) const AFTER_HELP: &str = "\
A directory shows its index.html, or a list of what it holds. Symbolic links are followed as long
as they stay below the directory. Nothing outside it is ever sent.

Examples:
  neap serve
  neap serve public -p 3000
  neap serve /srv/www --listen 0.0.0.0:80 --listen '[::]:80' --log combined
  neap serve /srv/www -p 8443 --tls-cert fullchain.pem --tls-key privkey.pem
  NEAP_LISTEN=unix:/run/www.sock NEAP_DEADLINE=8s neap serve /srv/www";

/// The flags of `neap serve`.
#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// Directory to serve
    #[arg(value_name = "DIR", default_value = ".", env = "NEAP_DIR",
          value_hint = clap::ValueHint::DirPath)]
    pub(crate) directory: PathBuf,
    /// List and serve names that begin with a dot, too
    #[arg(long, env = "NEAP_HIDDEN", value_parser = BoolishValueParser::new())]
    pub(crate) hidden: bool,
    /// Open a browser on it once it listens
    #[arg(long, env = "NEAP_OPEN", value_parser = BoolishValueParser::new())]
    pub(crate) open: bool,
    #[command(flatten)]
    pub(crate) common: Common,
}

impl Serve {
    /// What the flags say of how files are sent.
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            hidden: self.hidden,
        }
    }
}
