//! What a directory holds, in little memory.

use std::fs::File;
use std::hash::{Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, statat};
use rustix::io::Errno;

use super::order::Order;
use crate::serve::budget::{Budget, Charge, Exhausted};
use crate::serve::open::{OpenError, Root, Wait};
use crate::serve::path::{self, Names};

/// The most entries of one listing. More help nobody; and so many of the longest names take less
/// than all listings may, so that one alone is never refused.
pub(crate) const MAX_ENTRIES: usize = 200_000;

/// What each listing may take without asking. It is less than what any file takes on its way, so
/// that a directory of ordinary size is listed however many long listings are under way.
pub(crate) const FREE: usize = 64 * 1024;

/// Bytes that the memory of a table grows by at first.
const STEP: usize = 16 * 1024;

/// The entries of a directory, in order: all names in one piece of memory, and what else is known
/// of each in a record of 24 bytes.
#[derive(Debug)]
pub(crate) struct Table {
    names: Vec<u8>,
    records: Vec<Record>,
    directories: usize,
    /// Bytes of all files together.
    size: u64,
    is_cut: bool,
    charge: Charge,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    size: u64,
    modified: i64,
    /// Where the name begins.
    start: u32,
    length: u16,
    is_directory: bool,
}

/// One of the entries.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) is_directory: bool,
    /// In bytes; 0 for a directory, whose own says nothing about what is in it.
    pub(crate) size: u64,
    /// In seconds since 1970.
    pub(crate) modified: i64,
}

/// What of a directory is listed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// Whether names that begin with a dot are.
    pub(crate) hidden: bool,
    /// How many entries, at most.
    pub(crate) most: usize,
}

/// Why a directory cannot be listed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ReadError {
    /// It cannot be read.
    Open(OpenError),
    /// Other listings have the memory.
    Exhausted,
}

impl From<Errno> for ReadError {
    fn from(errno: Errno) -> ReadError {
        ReadError::Open(errno.into())
    }
}

impl From<Exhausted> for ReadError {
    fn from(_: Exhausted) -> ReadError {
        ReadError::Exhausted
    }
}

impl Table {
    pub(crate) fn new(budget: &Arc<Budget>) -> Table {
        Table {
            names: Vec::new(),
            records: Vec::new(),
            directories: 0,
            size: 0,
            is_cut: false,
            charge: Charge::new(budget, FREE),
        }
    }

    /// Reads the directory that `names` led to. An entry is listed if a request for it could
    /// succeed, but for permissions: files and directories, links to them that are followed, and
    /// what begins with a dot only if it is not hidden.
    pub(crate) fn read(
        root: &Root,
        names: &Names,
        directory: File,
        extent: Extent,
        budget: &Arc<Budget>,
    ) -> Result<Table, ReadError> {
        let mut table = Table::new(budget);
        let mut directory = Dir::new(directory)?;
        while let Some(entry) = directory.read() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            let is_itself_or_parent = name == b"." || name == b"..";
            if is_itself_or_parent || (!extent.hidden && path::is_hidden(name)) {
                continue;
            }
            if table.len() == extent.most {
                table.is_cut = true;
                break;
            }
            let found = match statat(directory.fd()?, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => Found::new(stat.st_mode, stat.st_size.cast_unsigned(), stat.st_mtime),
                // It is gone by now, which is no reason not to list the others.
                Err(_) => continue,
            };
            // Only what is a link needs to be followed, and with care.
            let found = match found.kind {
                FileType::Symlink => follow(root, &names.join(name)),
                _ => Some(found),
            };
            if let Some(found) = found {
                table.add(name, &found)?;
            }
        }
        Ok(table)
    }

    /// Adds an entry if it is a file or a directory.
    fn add(&mut self, name: &[u8], found: &Found) -> Result<(), ReadError> {
        let is_directory = found.kind == FileType::Directory;
        if !is_directory && found.kind != FileType::RegularFile {
            return Ok(());
        }
        // No file system has names of 64 KiB, and so many of those it has are far below 4 GiB.
        let (Ok(start), Ok(length)) = (u32::try_from(self.names.len()), u16::try_from(name.len()))
        else {
            return Ok(());
        };
        make_room(&mut self.names, name.len(), &mut self.charge)?;
        make_room(&mut self.records, 1, &mut self.charge)?;
        let size = if is_directory { 0 } else { found.size };
        self.names.extend_from_slice(name);
        self.records.push(Record {
            size,
            modified: found.modified,
            start,
            length,
            is_directory,
        });
        self.directories += usize::from(is_directory);
        self.size = self.size.saturating_add(size);
        Ok(())
    }

    /// Puts the entries in order.
    pub(crate) fn sort(&mut self, order: Order) {
        let Table { names, records, .. } = self;
        records
            .sort_unstable_by(|one, other| order.compare(&one.entry(names), &other.entry(names)));
    }

    /// The entry of this number, from 0 on.
    pub(crate) fn get(&self, index: usize) -> Option<Entry<'_>> {
        Some(self.records.get(index)?.entry(&self.names))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        self.records.iter().map(|record| record.entry(&self.names))
    }

    pub(crate) fn directories(&self) -> usize {
        self.directories
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    pub(crate) fn files(&self) -> usize {
        self.len() - self.directories
    }

    /// Bytes of all files together.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Whether the directory holds more than is here.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut
    }
}

/// Two of the same are shown alike.
impl Hash for Table {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.is_cut.hash(state);
        self.len().hash(state);
        self.iter().for_each(|entry| entry.hash(state));
    }
}

impl Record {
    fn entry<'a>(&self, names: &'a [u8]) -> Entry<'a> {
        let start = self.start as usize;
        Entry {
            name: &names[start..start + usize::from(self.length)],
            is_directory: self.is_directory,
            size: self.size,
            modified: self.modified,
        }
    }
}

/// What the system says of a name.
struct Found {
    kind: FileType,
    size: u64,
    modified: i64,
}

impl Found {
    fn new(mode: u32, size: u64, modified: i64) -> Found {
        Found {
            kind: FileType::from_raw_mode(mode),
            size,
            modified,
        }
    }
}

/// What a link leads to, if it is followed.
fn follow(root: &Root, names: &Names) -> Option<Found> {
    let metadata = root.look(names, Wait::Allowed).ok()?;
    Some(Found::new(
        metadata.mode(),
        metadata.len(),
        metadata.mtime(),
    ))
}

/// Makes room for `more` elements, paid for before it is there.
fn make_room<T>(vec: &mut Vec<T>, more: usize, charge: &mut Charge) -> Result<(), Exhausted> {
    if vec.capacity() - vec.len() < more {
        // By a part of what there is: less often than that would be much that stays unused.
        let step = (STEP / size_of::<T>()).max(vec.capacity() / 8).max(more);
        charge.add(step * size_of::<T>())?;
        vec.reserve_exact(vec.capacity() - vec.len() + step);
    }
    Ok(())
}

#[cfg(test)]
impl Table {
    /// A table of files and directories that there need not be.
    pub(crate) fn of(entries: &[Entry<'_>], budget: &Arc<Budget>) -> Result<Table, ReadError> {
        let mut table = Table::new(budget);
        for entry in entries {
            let kind = match entry.is_directory {
                true => FileType::Directory,
                false => FileType::RegularFile,
            };
            let (size, modified) = (entry.size, entry.modified);
            let found = Found {
                kind,
                size,
                modified,
            };
            table.add(entry.name, &found)?;
        }
        Ok(table)
    }

    /// As if there had been more.
    pub(crate) fn cut(&mut self) {
        self.is_cut = true;
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    use super::super::MEMORY;
    use super::*;
    use crate::serve::open::{Found as Opened, Symlinks};

    fn listed(root: &Root, path: &str, hidden: bool) -> Vec<String> {
        let names = Names::parse(path).unwrap();
        let Ok(Opened::Directory(directory)) = root.find(&names, Wait::Allowed) else {
            panic!("no directory")
        };
        let extent = Extent {
            hidden,
            most: MAX_ENTRIES,
        };
        let mut table = Table::read(root, &names, directory, extent, &Budget::new(0)).unwrap();
        table.sort(Order::default());
        let slash = |entry: Entry<'_>| if entry.is_directory { "/" } else { "" };
        let shown = |entry: Entry<'_>| entry.name.escape_ascii().to_string() + slash(entry);
        table.iter().map(shown).collect()
    }

    /// All that a request finds, and nothing that it does not find.
    #[test]
    fn a_directory_lists_what_a_request_could_get() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path();
        fs::create_dir_all(path.join("below/further")).unwrap();
        for name in ["file", ".hidden", "below/file"] {
            fs::write(path.join(name), "12345").unwrap();
        }
        fs::write(path.join(OsStr::from_bytes(b"\xff")), "").unwrap();
        for (target, link) in [
            ("/etc/passwd", "outside"),
            ("../file", "below/inside"),
            ("..", "below/up"),
            ("../..", "below/out"),
            ("nowhere", "dangling"),
            ("loop", "loop"),
        ] {
            symlink(target, path.join(link)).unwrap();
        }
        rustix::fs::mkfifoat(rustix::fs::CWD, path.join("fifo"), rustix::fs::Mode::RUSR).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(path.join("socket")).unwrap();
        for symlinks in [None, Some(Symlinks::Never), Some(Symlinks::Anywhere)] {
            let root = Root::open(path, symlinks).unwrap();
            for directory in ["/", "/below/", "/below/further/"] {
                let listed = listed(&root, directory, true);
                let there = fs::read_dir(path.join(&directory[1..])).unwrap();
                for entry in there {
                    let name = entry.unwrap().file_name();
                    let names = Names::parse(directory).unwrap().join(name.as_bytes());
                    let slash = match root.find(&names, Wait::Allowed) {
                        Ok(Opened::File(..)) => Some(""),
                        Ok(Opened::Directory(_)) => Some("/"),
                        Err(_) => None,
                    };
                    let shown = name.as_bytes().escape_ascii().to_string();
                    for possible in ["", "/"] {
                        let is_listed = listed.contains(&(shown.clone() + possible));
                        let could_be = slash == Some(possible);
                        assert_eq!(is_listed, could_be, "{directory}{shown} {symlinks:?}");
                    }
                }
            }
        }
        let root = Root::open(path, Some(Symlinks::Never)).unwrap();
        assert_eq!(listed(&root, "/", false), ["below/", "file", "\\xff"]);
    }

    fn read(path: &std::path::Path, most: usize) -> Table {
        let root = Root::open(path, Some(Symlinks::Anywhere)).unwrap();
        let names = Names::parse("/").unwrap();
        let directory = File::open(path).unwrap();
        let extent = Extent {
            hidden: false,
            most,
        };
        Table::read(&root, &names, directory, extent, &Budget::new(0)).unwrap()
    }

    #[test]
    fn a_listing_ends_when_it_is_full_and_says_so_only_if_there_is_more() {
        let scratch = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c", ".hidden"] {
            fs::write(scratch.path().join(name), "").unwrap();
        }
        for (most, listed, is_cut) in [(4, 3, false), (3, 3, false), (2, 2, true)] {
            let table = read(scratch.path(), most);
            assert_eq!((table.len(), table.is_cut()), (listed, is_cut), "{most}");
        }
    }

    #[test]
    fn a_link_shows_what_it_leads_to() {
        let scratch = tempfile::tempdir().unwrap();
        fs::write(scratch.path().join("file"), "12345").unwrap();
        symlink("file", scratch.path().join("link")).unwrap();
        let table = read(scratch.path(), 2);
        assert!(!table.is_cut());
        let entries = table.iter().collect::<Vec<_>>();
        assert_eq!(entries.len(), 2);
        assert_eq!(
            (entries[0].size, entries[0].modified),
            (5, entries[1].modified)
        );
        assert_eq!(
            (table.files(), table.directories(), table.size()),
            (2, 0, 10)
        );
    }

    fn numbered(name: &[u8]) -> Entry<'_> {
        Entry {
            name,
            is_directory: false,
            size: 1,
            modified: 0,
        }
    }

    #[test]
    fn a_table_pays_for_all_its_memory_and_gives_it_back() {
        let budget = Budget::new(MEMORY);
        let names = (0..20_000).map(|number| format!("{number:0200}"));
        let names = names.collect::<Vec<_>>();
        let entries = names.iter().map(|name| numbered(name.as_bytes()));
        let table = Table::of(&entries.collect::<Vec<_>>(), &budget).unwrap();
        let memory = table.names.capacity() + table.records.capacity() * size_of::<Record>();
        assert_eq!(MEMORY - budget.left(), memory - FREE);
        assert!(memory < 20_000 * (200 + 24) * 5 / 4);
        drop(table);
        assert_eq!(budget.left(), MEMORY);
    }

    #[test]
    fn a_small_directory_is_listed_when_others_have_all_the_memory_and_a_large_one_is_not() {
        let budget = Budget::new(0);
        let names = (0..2_000).map(|number| format!("{number:020}"));
        let names = names.collect::<Vec<_>>();
        let entries = names.iter().map(|name| numbered(name.as_bytes()));
        let entries = entries.collect::<Vec<_>>();
        assert_eq!(Table::of(&entries[..600], &budget).unwrap().files(), 600);
        let refused = Table::of(&entries, &budget).map(|_| ()).unwrap_err();
        assert_eq!(refused, ReadError::Exhausted);
        assert_eq!(budget.left(), 0);
    }

    /// The largest table that may be has room when it is the only one.
    #[test]
    fn the_longest_names_there_are_fit_as_often_as_any() {
        let budget = Budget::new(MEMORY);
        let name = [b'x'; 255];
        let entries = vec![numbered(&name); MAX_ENTRIES];
        assert_eq!(Table::of(&entries, &budget).unwrap().files(), MAX_ENTRIES);
    }
}
