//! Names are bytes, and every one of them is reached by the link of its listing.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::*;

/// All that a name may be, but the hidden ones.
fn names() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = [
        "a b",
        "a%20b",
        "%2e%2e",
        "%",
        "%%",
        "a\"b",
        "a'b",
        "<b>&amp;",
        "a\nb",
        "a\r\nb",
        "\t",
        " ",
        "a\\b",
        "\\\\host",
        "a?b",
        "a#b",
        "javascript:alert(1)",
        "C:",
        "~",
        "*",
        "é",
        "e\u{301}",
        "\u{1f4a9}",
        "\u{202e}txt.exe",
        "\u{feff}",
        "a;b=c",
        "a+b",
        "a&b",
        "-rf",
    ]
    .iter()
    .map(|name| name.as_bytes().to_vec())
    .collect();
    names.push(b"\xff\xfe".to_vec());
    names.push(b"\xc0\xae\xc0\xae".to_vec());
    names.push(b"\xed\xa0\x80".to_vec());
    names.push(vec![b'x'; 255]);
    names.push(vec![0xff; 255]);
    names.push("é".repeat(127).into_bytes());
    let rest = (1..=u8::MAX).filter(|byte| !b"./".contains(byte));
    names.extend(rest.map(|byte| vec![b'n', byte]));
    names
}

/// The addresses that a page links to, as a browser reads them: relative to `base`.
fn links(server: &Server, base: &str) -> Vec<String> {
    let page = get(server, base);
    assert_eq!(page.status, 200, "{base}");
    let page = String::from_utf8(page.content).unwrap();
    let links = page.split("href=\"./").skip(1);
    let link = |rest: &str| format!("{base}{}", rest.split('"').next().unwrap());
    links.map(link).collect()
}

#[test]
fn every_name_is_reached_by_its_link_as_a_file_and_as_a_directory() {
    let tree = Tree::new();
    let (files, directories) = (tree.root.join("files"), tree.root.join("directories"));
    let names = names();
    for name in &names {
        let path = OsStr::from_bytes(name);
        fs::create_dir_all(directories.join(path)).unwrap();
        fs::write(directories.join(path).join("file"), name).unwrap();
        fs::create_dir_all(&files).unwrap();
        fs::write(files.join(path), name).unwrap();
    }
    for server in [
        tree.serve(&["--log", "off"]),
        tree.serve_stepwise(&["--log", "off"]),
    ] {
        let mut found: Vec<Vec<u8>> = Vec::new();
        let targets = links(&server, "/files/");
        found.extend(targets.iter().map(|target| get(&server, target).content));
        let mut expected = names.clone();
        expected.sort();
        expected.dedup();
        found.sort();
        assert_eq!(found, expected);
        let mut found: Vec<Vec<u8>> = Vec::new();
        for target in links(&server, "/directories/") {
            // Without its slash it is sent to where it has one.
            let moved = get(&server, target.strip_suffix('/').unwrap());
            let location = moved.field("location").unwrap();
            assert_eq!(location.replacen("./", "/directories/", 1), target);
            let inner = links(&server, &target);
            assert_eq!(inner, [format!("{target}file")]);
            found.push(get(&server, &inner[0]).content);
        }
        found.sort();
        assert_eq!(found, expected);
    }
}
