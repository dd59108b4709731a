//! The flags of `neap serve`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{BoolishValueParser, Resettable};

use super::Settings;
use super::cache::{CachePolicy, Rule, RuleError};
use super::cors::{Cors, Origin};
use super::extra_field::{ExtraField, ExtraFields};
use super::fallback::Page;
use super::listing::Listings;
use super::open::Symlinks;
use super::representation::Forms;
use crate::args::Common;

pub(crate) const AFTER_HELP: &str = "\
A directory shows its index.html, or a list of what it holds. Symbolic links are followed as long
as they stay below the directory. Nothing outside it is ever sent, unless --symlinks anywhere says
so. Neither are FIFOs, sockets and devices, which are not even opened.

Examples:
  neap serve
  neap serve public -p 3000
  neap serve /srv/www --listen 0.0.0.0:80 --listen '[::]:80' --log combined
  neap serve dist --spa --precompressed --cache '/assets/*=365d,immutable'
  neap serve /srv/www --compress --cors --header 'X-Frame-Options: DENY'
  neap serve /srv/www -p 8443 --tls-cert fullchain.pem --tls-key privkey.pem
  NEAP_LISTEN=unix:/run/www.sock NEAP_DEADLINE=8s neap serve /srv/www";

/// The flags of `neap serve`.
#[derive(Args, Debug)]
#[command(next_help_heading = "Content")]
pub(crate) struct Serve {
    /// Directory to serve
    #[arg(value_name = "DIR", default_value = ".", env = "NEAP_DIR",
          help_heading = Resettable::Reset, value_hint = clap::ValueHint::DirPath)]
    pub(crate) directory: PathBuf,
    /// List and serve names that begin with a dot, too
    #[arg(long, env = "NEAP_HIDDEN", value_parser = BoolishValueParser::new())]
    pub(crate) hidden: bool,
    /// Which symbolic links are followed [default: inside, or never where openat2 is missing]
    #[arg(long, value_name = "WHICH", env = "NEAP_SYMLINKS")]
    symlinks: Option<Symlinks>,
    /// Send NAME.br, NAME.zst or NAME.gz for NAME, to who takes it, unless it is older
    #[arg(long, env = "NEAP_PRECOMPRESSED", value_parser = BoolishValueParser::new())]
    precompressed: bool,
    /// Compress text on its way (zstd, gzip), but not listings
    #[arg(long, env = "NEAP_COMPRESS", value_parser = BoolishValueParser::new())]
    compress: bool,
    /// For how long clients may keep files
    ///
    /// POLICY is no-store, revalidate, off (no word of it), a time such as 1h, or a time and
    /// immutable: 365d,immutable. GLOB=POLICY is for the paths that it matches; of several, the
    /// first that fits counts.
    #[arg(
        long,
        value_name = "[GLOB=]POLICY",
        env = "NEAP_CACHE",
        value_delimiter = ';',
        help = "For how long clients may keep files: no-store, revalidate, 1h, 365d,immutable; \
                  '/assets/*=1h' for some [default: revalidate]"
    )]
    cache: Vec<Rule>,
    /// Let scripts of other origins read files, but no health checks: of all, or of these
    #[arg(long, value_name = "ORIGIN", env = "NEAP_CORS", value_delimiter = ',',
          num_args = 0..=1, require_equals = true, default_missing_value = "*")]
    cors: Vec<Origin>,
    /// Add a field to every response, but not to health checks and to what is no request; may be
    /// given several times
    #[arg(
        long,
        value_name = "NAME:VALUE",
        env = "NEAP_HEADER",
        value_delimiter = '\n'
    )]
    header: Vec<ExtraField>,
    /// Let /about be about.html where there is no about
    #[arg(long, env = "NEAP_PRETTY_URLS", value_parser = BoolishValueParser::new())]
    pretty_urls: bool,
    /// Send the root's index.html for pages that are not there, as single-page apps want it
    #[arg(long, env = "NEAP_SPA", value_parser = BoolishValueParser::new())]
    spa: bool,
    /// Page below DIR that is sent, with status 404, where nothing is
    #[arg(long, value_name = "FILE", env = "NEAP_NOT_FOUND")]
    not_found: Option<Page>,
    /// Whether a directory without an index.html is listed
    #[arg(
        long,
        value_name = "on|off",
        env = "NEAP_LISTING",
        default_value = "on",
        hide_possible_values = true
    )]
    listing: Listings,
    /// Open a browser on it once it listens
    #[arg(long, env = "NEAP_OPEN", value_parser = BoolishValueParser::new())]
    pub(crate) open: bool,
    #[command(flatten)]
    pub(crate) common: Common,
}

impl Serve {
    /// What the flags say of how files are sent.
    ///
    /// # Errors
    ///
    /// When rules of `--cache` contradict each other.
    pub(crate) fn settings(&self) -> Result<Settings, RuleError> {
        Ok(Settings {
            hidden: self.hidden,
            symlinks: self.symlinks,
            forms: Forms {
                precompressed: self.precompressed,
                compress: self.compress,
            },
            cache: CachePolicy::new(self.cache.clone())?,
            cors: Cors::new(self.cors.clone()),
            extra: ExtraFields::new(self.header.clone()),
            pretty_urls: self.pretty_urls,
            spa: self.spa,
            not_found: self.not_found.clone(),
            listing: self.listing,
        })
    }
}
