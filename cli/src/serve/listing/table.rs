//! What a directory holds, in little memory.

use std::fs::File;
use std::hash::{Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, statat};
use rustix::io::Errno;

use super::budget::{Budget, Charge, Exhausted};
use super::order::Order;
use crate::serve::open::{OpenError, Root};
use crate::serve::path::{self, Names};

/// The most entries of one listing. More help nobody; and so many of the longest names take less
/// than all listings may, so that one alone is never refused.
pub(crate) const MAX_ENTRIES: usize = 200_000;

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
            charge: Charge::new(budget),
        }
    }

    /// Reads the directory that `names` led to. An entry is listed if a request for it could
    /// succeed, but for permissions: files and directories, links to them that are followed, and
    /// what begins with a dot only if `hidden` is set.
    pub(crate) fn read(
        root: &Root,
        names: &Names,
        directory: File,
        hidden: bool,
        budget: &Arc<Budget>,
    ) -> Result<Table, ReadError> {
        let mut table = Table::new(budget);
        let mut directory = Dir::new(directory)?;
        while let Some(entry) = directory.read() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            let is_itself_or_parent = name == b"." || name == b"..";
            if is_itself_or_parent || (!hidden && path::is_hidden(name)) {
                continue;
            }
            if table.records.len() == MAX_ENTRIES {
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

    pub(crate) fn files(&self) -> usize {
        self.records.len() - self.directories
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
        self.records.len().hash(state);
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
    let metadata = root.look(names).ok()?;
    Some(Found::new(
        metadata.mode(),
        metadata.len(),
        metadata.mtime(),
    ))
}

/// Makes room for `more` elements, paid for before it is there.
fn make_room<T>(vec: &mut Vec<T>, more: usize, charge: &mut Charge) -> Result<(), Exhausted> {
    if vec.capacity() - vec.len() < more {
        // By half of what there is, so that growing costs little in the end.
        let step = (STEP / size_of::<T>()).max(vec.capacity() / 2).max(more);
        charge.add(step * size_of::<T>())?;
        vec.reserve_exact(vec.capacity() - vec.len() + step);
    }
    Ok(())
}
