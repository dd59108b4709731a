//! An application with a task and a database of its own: the server drains, then the task ends,
//! then the database is closed, and nothing that was answered is lost.
//! `cargo run -p neap-smol --example database`, then `curl -d entry http://127.0.0.1:8080`, and
//! Ctrl-C. A second server tells how many entries wait to be written.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::AsyncWriteExt;
use futures_lite::future::{or, zip};
use http::{Request, StatusCode};
use neap_smol::{Body, BodyError, Handle, Handles, Progress, Server};
use smol::Timer;
use smol::fs::File;
use smol::lock::Mutex;

/// A database: entries wait in memory, and are written every now and then.
struct Database {
    file: Mutex<File>,
    waiting: Mutex<Vec<String>>,
}

impl Database {
    async fn open(path: PathBuf) -> io::Result<Database> {
        Ok(Database {
            file: Mutex::new(File::create(path).await?),
            waiting: Mutex::default(),
        })
    }

    async fn insert(&self, entry: String) {
        self.waiting.lock().await.push(entry);
    }

    async fn write(&self) -> io::Result<()> {
        let waiting = std::mem::take(&mut *self.waiting.lock().await);
        let mut file = self.file.lock().await;
        for entry in waiting {
            file.write_all(format!("{entry}\n").as_bytes()).await?;
        }
        file.flush().await
    }

    /// Writes what is left. Nobody else may have it any more.
    async fn close(self) -> io::Result<()> {
        self.write().await?;
        self.file.into_inner().sync_all().await
    }
}

/// Writes every second, until the server is done.
async fn write_regularly(database: Arc<Database>, server: Handle) -> io::Result<()> {
    while server.progress() < Progress::Done {
        let done = server.reached(Progress::Done);
        let second = async {
            Timer::after(Duration::from_secs(1)).await;
        };
        or(done, second).await;
        database.write().await?;
    }
    Ok(())
}

async fn insert(database: Arc<Database>, request: Request<Body>) -> Result<StatusCode, BodyError> {
    let entry = request.into_body().text(1024).await?;
    database.insert(entry).await;
    Ok(StatusCode::CREATED)
}

async fn app(address: String, path: PathBuf) -> io::Result<()> {
    let database = Arc::new(Database::open(path).await?);
    let public = Server::bind(address)?.signals()?;
    let private = Server::bind("127.0.0.1:0")?;
    println!("listening on http://{public}");
    println!("the number of entries that wait is on http://{private}");
    let handle = public.handle();
    let servers: Handles = [handle.clone(), private.handle()].into_iter().collect();
    let writing = smol::spawn(write_regularly(Arc::clone(&database), handle.clone()));

    let inserting = public.serve(|request| insert(Arc::clone(&database), request));
    let counting =
        private.serve(|_request| async { database.waiting.lock().await.len().to_string() });
    // The signal is the public server's. What it stops are both.
    let stopping = async {
        handle.reached(Progress::LameDuck).await;
        servers.drain();
    };
    let ((inserted, counted), ()) = zip(zip(inserting, counting), stopping).await;

    writing.await?;
    let database = Arc::into_inner(database).expect("the server and the task have ended");
    database.close().await?;
    println!("{inserted}\n{counted}");
    Ok(())
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or("127.0.0.1:8080".to_owned());
    let path = arguments.next().map(PathBuf::from);
    let path = path.unwrap_or_else(|| std::env::temp_dir().join("neap-entries"));
    smol::block_on(app(address, path))
}
