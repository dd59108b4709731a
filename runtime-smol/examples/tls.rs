//! HTTPS: `cargo run -p neap-smol --example tls --features rustls`, then
//! `curl -k https://127.0.0.1:8080`, and Ctrl-C. With the files of a certificate and of its key
//! behind an address, those are used, and looked at again every minute.

use std::time::Duration;

use futures_lite::future::or;
use neap_smol::{Progress, Server, Tls};
use smol::Timer;

/// One that its owner has signed: for trying things out.
fn own_certificate() -> std::io::Result<Tls> {
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
    let signed = signed.map_err(std::io::Error::other)?;
    let (certificate, key) = (signed.cert.pem(), signed.signing_key.serialize_pem());
    Tls::from_pem(certificate.as_bytes(), key.as_bytes())
}

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (address, files) = match &arguments[..] {
        [] => ("127.0.0.1:8080", None),
        [address, certificate, key, ..] => (address.as_str(), Some((certificate, key))),
        [address, ..] => (address.as_str(), None),
    };
    let load = || match files {
        Some((certificate, key)) => Tls::from_files(certificate, key),
        None => own_certificate(),
    };
    let tls = load()?;
    let address = address.parse().map_err(std::io::Error::other)?;
    let server = Server::new().tls(&tls).listen(&address)?.signals()?;
    let handle = server.handle();
    println!("listening on https://{server}");
    let renew = async {
        while handle.progress() < Progress::Done {
            let done = handle.reached(Progress::Done);
            or(done, async {
                Timer::after(Duration::from_secs(60)).await;
            })
            .await;
            match load() {
                Ok(new) => tls.replace(&new),
                Err(error) => eprintln!("the certificate stays as it was: {error}"),
            }
        }
    };
    let serving = server.serve(|_request| async { "Hello, World!" });
    let (report, ()) = smol::block_on(smol::future::zip(serving, renew));
    println!("{report}; {:?}", tls.handshakes());
    Ok(())
}
