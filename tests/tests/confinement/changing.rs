//! Files that change while they are sent. The client reads nothing until they have: the server
//! stands with the sockets' buffers full, long before the end of the file.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

use neap_tests::client::End;

use super::*;

/// More than the buffers of two sockets hold.
const LENGTH: usize = 16 << 20;
const REQUEST: &str = "GET /large HTTP/1.1\r\nHost: a\r\n\r\n";

/// What the client got.
struct Download {
    /// Or how the connection ended before there was all of it.
    content: Result<Vec<u8>, End>,
    /// What the server wrote to its log, and its report.
    log: String,
}

/// Sends a file whose bytes are all 1, and changes it meanwhile.
fn download(change: impl FnOnce(&fs::File, &Path)) -> Download {
    let tree = Tree::new();
    let path = tree.root.join("large");
    fs::write(&path, vec![1; LENGTH]).unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    // A clock that stands still for some milliseconds would show no change.
    file.set_modified(UNIX_EPOCH).unwrap();
    let mut server = tree.serve(&[]);
    let mut client = Client::with(server.address, REQUEST);
    client.await_some();
    change(&file, &path);
    let content = client.try_response(false).map(|response| {
        assert_eq!(response.status, 200);
        response.content
    });
    if content.is_ok() {
        let next = client.ask(request("/plain.txt"));
        assert_eq!(next.status, 200, "the connection is kept");
        client.vanish();
    }
    server.drain();
    Download {
        content,
        log: server.exit().stderr,
    }
}

fn assert_cut(download: &Download, reason: &str) {
    assert!(matches!(download.content, Err(End::Eof | End::Reset)));
    let line = download
        .log
        .lines()
        .find(|line| line.contains("GET /large"));
    let line = line.unwrap_or_else(|| panic!("{}", download.log));
    let sent: usize = line.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(0 < sent && sent < LENGTH, "{line}");
    let said = format!(" was cut: {reason} while it was sent\n");
    assert!(download.log.contains(&said), "{}", download.log);
    let report = "(0 completed, 1 truncated)";
    assert!(download.log.contains(report), "{}", download.log);
}

fn assert_whole(download: &Download) {
    let content = download.content.as_ref().expect("all of it");
    assert_eq!(content.len(), LENGTH);
    assert!(content.iter().all(|byte| *byte == 1));
}

#[test]
fn a_download_of_a_file_that_is_cut_short_is_cut_itself() {
    let half = download(|file, _| file.set_len(LENGTH as u64 / 2).unwrap());
    assert_cut(&half, "the file became shorter");
    // The very last byte counts.
    let nearly = download(|file, _| file.set_len(LENGTH as u64 - 1).unwrap());
    assert_cut(&nearly, "the file became shorter");
}

#[test]
fn a_download_of_a_file_that_is_written_to_in_place_is_cut() {
    // Where the server was already, and where it was not.
    for offset in [0, LENGTH as u64 - 1] {
        let written = download(|file, _| file.write_all_at(&[2], offset).unwrap());
        assert_cut(&written, "the file was written to");
    }
    // Emptied and filled again while nobody looked.
    let anew = download(|_, path| fs::write(path, vec![2; LENGTH - 1]).unwrap());
    assert_cut(&anew, "the file became shorter");
}

#[test]
fn a_download_of_a_file_that_is_appended_to_has_what_was_promised() {
    assert_whole(&download(|file, _| {
        file.write_all_at(&[2; 5], LENGTH as u64).unwrap();
    }));
}

#[test]
fn a_download_of_a_file_that_is_replaced_or_removed_has_the_old_one() {
    assert_whole(&download(|_, path| {
        let new = path.with_extension("new");
        fs::write(&new, vec![2; LENGTH]).unwrap();
        fs::rename(new, path).unwrap();
    }));
    assert_whole(&download(|_, path| fs::remove_file(path).unwrap()));
}
