//! What a person does wrong in the first minute, and what they are told.

use std::net::TcpListener;

use crate::{neap, stderr};

#[test]
fn what_cannot_be_started_is_one_sentence_and_status_2() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (words, sentence) in [
        (
            &["serve", "/nowhere", "-p", "0"][..],
            "neap: cannot serve /nowhere: there is no such",
        ),
        (
            &["serve", "Cargo.toml", "-p", "0"],
            "neap: cannot serve Cargo.toml: it is a file",
        ),
        (&["echo", "-p", &port], "the port is taken"),
        (
            &["echo", "--inherit"],
            "neap: cannot take over sockets: there are none",
        ),
    ] {
        let output = neap(words).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(output.stdout.is_empty());
        let said = stderr(&output);
        assert!(
            said.contains(sentence) && said.lines().count() == 1,
            "{said}"
        );
    }
    let output = neap(&["echo", "--deadline", "30"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains(r#""30" has no unit: write 30s"#));
}
