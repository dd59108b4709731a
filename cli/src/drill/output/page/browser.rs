//! The page in a real browser.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::drill::output::sample;

/// Where the browser may be, by name.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// A browser that shows `page` in its own way of seeing colours, or none with a word about it.
fn browser(folder: &Path, is_dark: bool, width: u32) -> Option<Command> {
    let runs = |name: &&&str| {
        let mut probe = Command::new(name);
        probe.arg("--version").stdout(Stdio::null());
        probe
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    let Some(name) = BROWSERS.iter().find(runs) else {
        eprintln!("skipped: none of {BROWSERS:?} runs here");
        return None;
    };
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", "120", name]);
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
    ]);
    command.args([
        "--no-first-run",
        "--disable-background-networking",
        "--hide-scrollbars",
    ]);
    command.args([
        "--disable-component-update",
        "--disable-sync",
        "--virtual-time-budget=1000",
    ]);
    command.arg(format!(
        "--user-data-dir={}",
        folder.join("profile").display()
    ));
    // 0 is dark, 1 is light.
    let scheme = u8::from(!is_dark);
    command.arg(format!("--blink-settings=preferredColorScheme={scheme}"));
    command.arg(format!("--window-size={width},1600"));
    command.stderr(Stdio::null());
    Some(command)
}

/// The colours of what `page` looks like, each with how many pixels have it.
fn look(folder: &Path, is_dark: bool, width: u32) -> Option<Vec<[u8; 3]>> {
    let shot = folder.join("shot.png");
    let mut command = browser(folder, is_dark, width)?;
    command.arg(format!("--screenshot={}", shot.display()));
    command.arg(folder.join("page.html")).stdout(Stdio::null());
    assert!(command.status().expect("the browser runs").success());
    let mut decoder = png::Decoder::new(BufReader::new(
        File::open(shot).expect("there is a picture"),
    ));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().expect("it is a PNG");
    let mut bytes = vec![0; reader.output_buffer_size().expect("its size is known")];
    let frame = reader.next_frame(&mut bytes).expect("it is whole");
    let pixels = bytes[..frame.buffer_size()].chunks_exact(frame.color_type.samples());
    Some(pixels.map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect())
}

/// The folder of a page that can be opened.
fn written() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("there is room");
    fs::write(
        folder.path().join("page.html"),
        super::render(&sample::drill()),
    )
    .expect("there is room");
    folder
}

fn brightness(pixels: &[[u8; 3]]) -> f64 {
    let sum: u64 = pixels.iter().flatten().copied().map(u64::from).sum();
    sum as f64 / (pixels.len() * 3) as f64
}

#[test]
fn a_browser_shows_the_page_in_light_and_in_dark_and_on_a_phone() {
    let folder = written();
    for (width, is_dark) in [(1280, false), (1280, true), (500, false)] {
        let Some(pixels) = look(folder.path(), is_dark, width) else {
            return;
        };
        let colours: HashSet<_> = pixels.iter().collect();
        assert!(colours.len() > 100, "{width} {is_dark}: {}", colours.len());
        let brightness = brightness(&pixels);
        assert_eq!(brightness < 100.0, is_dark, "{width}: {brightness}");
        let lost = if is_dark {
            [255, 84, 112]
        } else {
            [196, 24, 58]
        };
        assert!(pixels.contains(&lost), "{width} {is_dark}");
    }
}

#[test]
fn a_browser_finds_every_verdict_and_runs_nothing() {
    let folder = written();
    let Some(mut command) = browser(folder.path(), false, 1280) else {
        return;
    };
    command
        .arg("--dump-dom")
        .arg(folder.path().join("page.html"));
    let output = command.output().expect("the browser runs");
    let dom = String::from_utf8(output.stdout).expect("a page is UTF-8");
    for situation in sample::drill().situations {
        let verdict = format!("</span> {}</span>", situation.verdict.name());
        assert!(dom.contains(&verdict), "{verdict} in {dom}");
        assert!(dom.contains(&format!("<article id=\"{}\">", situation.id)));
    }
    assert!(!dom.contains("<script"), "{dom}");
}
