//! The flags of `neap serve`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::Settings;
use super::listing::Listings;
use super::open::Symlinks;
use crate::args::Common;

pub(crate) const AFTER_HELP: &str = "\
A directory shows its index.html, or a list of what it holds. Symbolic links are followed as long
as they stay below the directory. Nothing outside it is ever sent, unless --symlinks anywhere says
so. Neither are FIFOs, sockets and devices, which are not even opened.

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
    #[arg(value_name = "DIR", default_value = ".", env = "NEAP_DIR")]
    pub(crate) directory: PathBuf,
    /// List and serve names that begin with a dot, too
    #[arg(long, env = "NEAP_HIDDEN", value_parser = BoolishValueParser::new())]
    pub(crate) hidden: bool,
    /// Which symbolic links are followed [default: inside, or never where openat2 is missing]
    #[arg(long, value_name = "WHICH", env = "NEAP_SYMLINKS")]
    symlinks: Option<Symlinks>,
    /// Whether a directory without an index.html is listed
    #[arg(
        long,
        value_name = "on|off",
        env = "NEAP_LISTING",
        default_value = "on",
        hide_possible_values = true
    )]
    listing: Listings,
    #[command(flatten)]
    pub(crate) common: Common,
}

impl Serve {
    /// What the flags say of how files are sent.
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            hidden: self.hidden,
            symlinks: self.symlinks,
            listing: self.listing,
        }
    }
}
