//! `docs/serve.md` as what it is besides a text: servers, probes, and a table of what they found.
//!
//! The page says how each server is started and which command tries each row. The harness in
//! `bench` runs what stands there and writes the table; `tests/serve_docs.rs` holds the page to its
//! own rules. So neither can say what the other does not.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Before and behind the table.
const MARKS: [&str; 2] = ["<!-- the table -->\n", "<!-- its end -->\n"];

/// What a server does unasked.
pub const YES: &str = "✓";
/// What it does when a flag or a file asks for it.
pub const FLAG: &str = "flag";
/// What it does not do.
pub const NO: &str = "–";

/// The page, taken apart.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// What fills the directory that all of them serve.
    pub preparation: String,
    /// Who is compared, neap first.
    pub servers: Vec<Server>,
    /// What is tried, in the order of the table.
    pub probes: Vec<Probe>,
    /// What was found.
    pub table: Table,
}

/// A server, and the command lines for it.
#[derive(Clone, Debug, Default)]
pub struct Server {
    /// What it is called.
    pub name: String,
    /// What starts it, by what it is started for; `install` and `version` are among them.
    pub commands: Vec<(String, String)>,
}

/// A row of the table: a command that tries something.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    /// What the program knows it by.
    pub id: String,
    /// What the table says.
    pub title: String,
    /// The part of the table it belongs to.
    pub part: String,
    /// Which of a server's command lines it needs.
    pub setup: String,
    /// What the command's end means.
    pub kind: Kind,
    /// Whether the command starts the server by itself.
    pub starts_it: bool,
    /// Whether a server that has no such line cannot do it.
    pub needs_own: bool,
    /// Whether figures are told as multiples of neap's.
    pub is_ratio: bool,
    /// The command.
    pub command: String,
    /// Why another is better here, where that is told.
    pub reason: Option<String>,
}

/// What the end of a probe's command means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Its exit status says whether the server does it.
    #[default]
    Yes,
    /// It prints a figure; the least is best.
    Least,
    /// It prints a figure; the most is best.
    Most,
}

/// What was found: a column for each server, a row for each probe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The servers' names and versions.
    pub columns: Vec<String>,
    /// The probes' ids, and a cell for each server.
    pub rows: Vec<(String, Vec<String>)>,
}

impl Page {
    /// Where the page is.
    #[must_use]
    pub fn path() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/serve.md")
    }

    /// Takes a page apart.
    #[must_use]
    pub fn parse(text: &str) -> Page {
        let mut page = Page::default();
        let (mut heading, mut part) = (String::new(), String::new());
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(title) = line.strip_prefix("## ") {
                title.clone_into(&mut heading);
            } else if let Some(title) = line.strip_prefix("### ") {
                title.clone_into(&mut part);
                if heading == "How each is started" {
                    page.servers.push(Server {
                        name: title.into(),
                        commands: Vec::new(),
                    });
                }
            } else if let Some(title) = line.strip_prefix("#### ") {
                page.probes.extend(Probe::titled(title, &part));
            } else if let Some(told) = line.strip_prefix("```sh") {
                let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
                page.take_block(&heading, told.trim(), &block.join("\n"));
            } else if let (Some(reason), Some(probe)) =
                (line.strip_prefix("Reason: "), page.probes.last_mut())
            {
                probe.reason = Some(reason.into());
            }
        }
        page.table = Table::parse(between_marks(text).unwrap_or_default());
        page
    }

    fn take_block(&mut self, heading: &str, told: &str, block: &str) {
        match (heading, self.servers.last_mut(), self.probes.last_mut()) {
            ("The directory", ..) => block.clone_into(&mut self.preparation),
            ("How each is started", Some(server), _) => {
                let block = format!("\n{block}");
                let pieces = block
                    .split("\n# ")
                    .filter_map(|piece| piece.split_once('\n'));
                let pieces = pieces.map(|(name, line)| (name.into(), line.trim_end().into()));
                server.commands.extend(pieces);
            }
            ("The rows", _, Some(probe)) => probe.take(told, block),
            _ => {}
        }
    }

    /// The page's text with another table in it.
    ///
    /// # Errors
    ///
    /// If there is no place for one.
    pub fn with_table(&self, text: &str) -> io::Result<String> {
        let cut = |mark| text.split_once(mark).ok_or(io::ErrorKind::NotFound);
        let ((before, _), (_, after)) = (cut(MARKS[0])?, cut(MARKS[1])?);
        let [begin, end] = MARKS;
        Ok(format!("{before}{begin}{}{end}{after}", self.told()))
    }

    /// The table, as the page has it.
    #[must_use]
    pub fn told(&self) -> String {
        let mut told = format!("\n|  | {} |\n", self.table.columns.join(" | "));
        told += &"|---".repeat(self.table.columns.len() + 1);
        told += "|\n";
        let mut part = "";
        for probe in &self.probes {
            let Some(cells) = self.table.cells(&probe.id) else {
                continue;
            };
            if part != probe.part {
                part = &probe.part;
                let empty = "|  ".repeat(cells.len());
                // Writing to a string does not fail.
                let _ = writeln!(told, "| **{part}** {empty}|");
            }
            let (id, title) = (&probe.id, &probe.title);
            let _ = writeln!(told, "| `{id}` {title} | {} |", cells.join(" | "));
        }
        told + "\n"
    }

    /// Reads the page.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn read() -> io::Result<Page> {
        Ok(Page::parse(&fs::read_to_string(Page::path())?))
    }
}

impl Server {
    /// The command line for this.
    #[must_use]
    pub fn command(&self, setup: &str) -> Option<&str> {
        let found = self.commands.iter().find(|(name, _)| name == setup);
        found.map(|(_, command)| &**command)
    }
}

impl Probe {
    fn titled(title: &str, part: &str) -> Option<Probe> {
        let (id, title) = title.split_once(": ")?;
        Some(Probe {
            id: id.into(),
            title: title.into(),
            part: part.into(),
            ..Probe::default()
        })
    }

    /// Takes what stands behind the block's fence, the setup and words about it, and the block.
    fn take(&mut self, told: &str, block: &str) {
        let mut words = told.split(' ');
        words.next().unwrap_or_default().clone_into(&mut self.setup);
        for word in words {
            match word {
                "least" => self.kind = Kind::Least,
                "most" => self.kind = Kind::Most,
                "own" => self.needs_own = true,
                "starts" => self.starts_it = true,
                "ratio" => self.is_ratio = true,
                _ => {}
            }
        }
        block.clone_into(&mut self.command);
    }

    /// Whether the cell `one` is better than `other`, which figures are by more than a tenth.
    #[must_use]
    pub fn is_better(&self, one: &str, other: &str) -> bool {
        let rank = |cell: &str| [NO, FLAG, YES].iter().position(|known| *known == cell);
        let figure = |cell: &str| cell.split(' ').next()?.parse::<f64>().ok();
        match (self.kind, figure(one), figure(other)) {
            (Kind::Yes, ..) => rank(one) > rank(other),
            (_, Some(_), None) => true,
            (Kind::Least, Some(one), Some(other)) => one * 1.1 < other,
            (Kind::Most, Some(one), Some(other)) => one > other * 1.1,
            (_, None, _) => false,
        }
    }
}

impl Table {
    fn parse(text: &str) -> Table {
        let cells = |line: &str| -> Vec<String> {
            let cells = line.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().into()).collect()
        };
        let mut lines = text.lines().filter(|line| line.starts_with('|'));
        let columns = lines.next().map(cells).unwrap_or_default();
        let rows = lines.filter_map(|line| {
            let mut cells = cells(line);
            let id = cells.first()?.strip_prefix('`')?.split('`').next()?.into();
            cells.remove(0);
            Some((id, cells))
        });
        Table {
            rows: rows.collect(),
            columns: columns.into_iter().skip(1).collect(),
        }
    }

    /// The row of a probe.
    #[must_use]
    pub fn cells(&self, id: &str) -> Option<&[String]> {
        let row = self.rows.iter().find(|(known, _)| known == id);
        row.map(|(_, cells)| &**cells)
    }
}

fn between_marks(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once(MARKS[0])?;
    Some(rest.split_once(MARKS[1])?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
<!-- the table -->

|  | neap 1.0 | other 2 |
|---|---|---|
| **Files** |  |  |
| `one` a file | – | flag |

<!-- its end -->
## The directory

```sh
touch a
```

## How each is started

### neap

```sh
# plain
neap $DIR
# two
other <<END
no
END
```

## The rows

### Files

#### one: a file

```sh two own starts
curl $URL
```

Reason: it is so.
";

    fn probe(kind: Kind) -> Probe {
        Probe {
            kind,
            ..Probe::default()
        }
    }

    #[test]
    fn a_page_is_taken_apart() {
        let page = Page::parse(TEXT);
        assert_eq!(page.preparation, "touch a");
        assert_eq!(page.servers[0].command("plain"), Some("neap $DIR"));
        let [one] = &page.probes[..] else {
            panic!("{:?}", page.probes)
        };
        assert_eq!(
            (&*one.id, &*one.title, &*one.part),
            ("one", "a file", "Files")
        );
        assert_eq!((&*one.setup, &*one.command), ("two", "curl $URL"));
        assert!(one.needs_own && one.starts_it && !one.is_ratio);
        assert_eq!(one.reason.as_deref(), Some("it is so."));
        assert_eq!(page.table.columns, ["neap 1.0", "other 2"]);
        assert_eq!(page.table.cells("one").unwrap_or_default(), [NO, FLAG]);
    }

    #[test]
    fn the_table_that_was_read_is_the_one_that_is_written() {
        let mut page = Page::parse(TEXT);
        assert_eq!(page.with_table(TEXT).ok().as_deref(), Some(TEXT));
        page.table.rows[0].1[0] = YES.into();
        let changed = page.with_table(TEXT).unwrap_or_default();
        assert_eq!(changed, TEXT.replace("file | –", "file | ✓"));
    }

    /// The first table was once put before the page's first line.
    #[test]
    fn the_first_table_stands_where_there_was_none() {
        let page = Page::parse(TEXT);
        let (before, rest) = TEXT.split_once(MARKS[0]).unwrap_or_default();
        let (_, after) = rest.split_once(MARKS[1]).unwrap_or_default();
        let empty = format!("{before}{}{}{after}", MARKS[0], MARKS[1]);
        assert_eq!(page.with_table(&empty).ok().as_deref(), Some(TEXT));
    }

    #[test]
    fn unasked_is_better_than_a_flag_and_a_figure_by_more_than_a_tenth() {
        let yes = probe(Kind::Yes);
        assert!(yes.is_better(YES, FLAG) && yes.is_better(FLAG, NO));
        assert!(!yes.is_better(FLAG, YES) && !yes.is_better(NO, NO));
        let least = probe(Kind::Least);
        assert!(least.is_better("1.0 s", "1.2 s") && least.is_better("9 s", NO));
        assert!(!least.is_better("1.0 s", "1.05 s") && !least.is_better(NO, "1 s"));
        let most = probe(Kind::Most);
        assert!(most.is_better("300", "226") && !most.is_better("50.0 MB", "50.0 MB"));
    }
}
