//! Uploads that go to disk as they come, in any size, and appear there whole or not at all:
//! `cargo run -p neap-smol --example upload`, then `curl -T FILE http://127.0.0.1:8080/NAME`, and
//! Ctrl-C.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_lite::{AsyncWriteExt, io};
use http::{Method, Request, Response, StatusCode};
use neap_smol::{Body, Full, IntoResponse, Server};
use smol::fs::{self, File};

/// The name that is asked for: one that leads nowhere else.
fn name(path: &str) -> Option<&str> {
    let name = path.strip_prefix('/')?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let fits = !name.is_empty() && !name.starts_with('.') && name.bytes().all(is_plain);
    fits.then_some(name)
}

/// Removes what was not completed: a handler whose client is gone is dropped where it stands.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        // Once it has been renamed there is nothing to remove.
        let _ = std::fs::remove_file(&self.0);
    }
}

async fn store(folder: &Path, name: &str, content: Body) -> io::Result<u64> {
    let partial = Partial(folder.join(format!(".{name}.{}.part", std::process::id())));
    let mut file = File::create(&partial.0).await?;
    // What the disk does not take yet is not read: the client is slowed down, memory is not filled.
    let length = io::copy(content, &mut file).await?;
    file.flush().await?;
    file.sync_all().await?;
    fs::rename(&partial.0, folder.join(name)).await?;
    Ok(length)
}

pub(crate) async fn app(folder: Arc<Path>, request: Request<Body>) -> Response<Full> {
    if request.method() != Method::PUT {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let (parts, content) = request.into_parts();
    let Some(name) = name(parts.uri.path()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match store(&folder, name, content).await {
        Ok(length) => (StatusCode::CREATED, format!("{length} bytes\n")).into_response(),
        Err(error) => {
            eprintln!("{name}: {error}");
            error.into_response()
        }
    }
}

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:8080");
    let folder = std::env::temp_dir().join("neap-uploads");
    std::fs::create_dir_all(&folder)?;
    let server = Server::bind(address)?.signals()?;
    println!("listening on http://{server}");
    let folder: Arc<Path> = folder.into();
    let report = server.run(move |request| app(Arc::clone(&folder), request))?;
    println!("{report}");
    Ok(())
}
