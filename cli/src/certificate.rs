//! The certificate of HTTPS: loaded at the start, and again when SIGHUP says so.

use std::io;
use std::path::PathBuf;
use std::thread;

use async_io::block_on;
use async_signal::{Signal, Signals};
use clap::Args;
use futures_lite::StreamExt;
use futures_lite::future::or;
use neap_smol::{Handle, Progress, Tls};

use crate::log::Log;

/// The flags of HTTPS.
#[derive(Args, Clone, Debug)]
pub(crate) struct TlsArgs {
    /// Speak HTTPS, with the certificate in this file (PEM, intermediate ones behind it)
    ///
    /// SIGHUP loads it and its key again. Connections go on as they are.
    #[arg(long, value_name = "FILE", env = "NEAP_TLS_CERT", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's key (PEM)
    #[arg(long, value_name = "FILE", env = "NEAP_TLS_KEY", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
}

/// A certificate, and where it is from.
#[derive(Debug)]
pub(crate) struct Certificate {
    pub(crate) tls: Tls,
    files: (PathBuf, PathBuf),
}

impl Certificate {
    /// The one that is asked for, if one is.
    pub(crate) fn load(args: &TlsArgs) -> io::Result<Option<Certificate>> {
        let Some(files) = args.tls_cert.clone().zip(args.tls_key.clone()) else {
            return Ok(None);
        };
        let tls = Tls::from_files(&files.0, &files.1)?;
        Ok(Some(Certificate { tls, files }))
    }

    /// Loads it again whenever SIGHUP says so, on a thread of its own, until the server is done.
    /// One that cannot be loaded leaves the old one in its place.
    pub(crate) fn watch(self, server: Handle, log: Option<Log>) -> io::Result<()> {
        let mut signals = Signals::new([Signal::Hup])?;
        let reload = move || {
            let loaded = Tls::from_files(&self.files.0, &self.files.1);
            let told = match loaded {
                Ok(new) => {
                    self.tls.replace(&new);
                    "the certificate has been loaded again".to_owned()
                }
                Err(error) => format!("the certificate stays as it was: {error}"),
            };
            if let Some(log) = &log {
                log.event(&told);
            }
        };
        let watch = async move {
            let done = async {
                server.reached(Progress::Done).await;
                None
            };
            let mut done = std::pin::pin!(done);
            while or(done.as_mut(), signals.next()).await.is_some() {
                reload();
            }
        };
        thread::Builder::new()
            .name("neap-reload".to_owned())
            .spawn(move || block_on(watch))?;
        Ok(())
    }
}
