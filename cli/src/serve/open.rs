//! Opening files below a directory, and nowhere else.
//!
//! The kernel resolves the whole path from a descriptor of the root (`openat2` with
//! `RESOLVE_BENEATH`): a symbolic link is followed as long as it stays below the root, an absolute
//! one never. No check of ours could be raced. Where that call is missing, because the kernel is
//! older than 5.6, a container forbids it or the system is not Linux, each name is opened by
//! itself and no symbolic link is followed at all. Whoever serves a directory may ask for other
//! [`Symlinks`]. Mounts are no links: what is mounted below the root was put there by its
//! administrator, and is served.
//!
//! A file is looked at before it is opened to be read. To open a FIFO releases who waits for its
//! other end, to open a device may rewind a tape or arm a watchdog: neither happens here. Whoever
//! can put one in a file's place in the instant between makes us open it, without waiting for it,
//! and see what it is before anything is read. To reopen the very file that was looked at, through
//! `/proc`, would be proof against that, too; it takes half as long again, and `/proc`.

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use clap::ValueEnum;
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use super::path::Names;

/// Open to be read. Nothing here may wait, not even if a FIFO or a terminal has taken the place of
/// what was looked at.
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// Open to be passed through or asked about; needs no permission to read, and does nothing to a
/// device.
#[cfg(target_os = "linux")]
const LOOK: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
const LOOK: OFlags = READ;

/// Which symbolic links are followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Symlinks {
    /// Those that stay below the directory
    #[default]
    Inside,
    /// None
    Never,
    /// All, out of the directory as well: whoever may make a link in it may publish whatever the
    /// server may read
    Anywhere,
}

/// Whether the storage may be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// As long as it takes: the caller is on a thread that may block.
    Allowed,
    /// Not at all: what the system does not have in memory is [`OpenError::NotNow`].
    Never,
}

/// The directory that is served.
pub(crate) struct Root {
    directory: OwnedFd,
    resolution: Resolution,
    /// Whether the system can tell what it has in memory, and what that is like.
    answers_at_once: bool,
}

/// Who makes sure that nothing leaves the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resolution {
    /// The kernel, at once; it follows links below the root.
    Kernel,
    /// The kernel, at once; it follows no links.
    KernelWithoutLinks,
    /// We, name by name; no links are followed.
    Stepwise,
    /// Nobody: links may lead out.
    Unconfined,
}

/// What a path leads to.
pub(crate) enum Found {
    /// A regular file, open.
    File(File, Metadata),
    /// A directory, open.
    Directory(File),
}

/// Why a path leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenError {
    /// There is nothing, or nothing that may be seen: it leaves the root, or is neither a file nor
    /// a directory.
    NotFound,
    /// The system does not let us read it.
    Forbidden,
    /// Too much is open at the moment, or somebody holds it.
    Busy,
    /// The storage would have to be waited for.
    NotNow,
    /// The storage failed.
    Failed(Errno),
}

impl From<Errno> for OpenError {
    fn from(errno: Errno) -> OpenError {
        match errno {
            // XDEV is what RESOLVE_BENEATH says of a way out, NXIO what a socket says. INVAL and
            // ILSEQ say of a name that this filesystem cannot have it.
            Errno::NOENT
            | Errno::NOTDIR
            | Errno::LOOP
            | Errno::NAMETOOLONG
            | Errno::INVAL
            | Errno::ILSEQ
            | Errno::XDEV
            | Errno::NXIO
            | Errno::NODEV => OpenError::NotFound,
            Errno::ACCESS | Errno::PERM => OpenError::Forbidden,
            // AGAIN is what somebody's lease on a file says, and INTR storage that is far away.
            Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN | Errno::INTR => {
                OpenError::Busy
            }
            other => OpenError::Failed(other),
        }
    }
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> OpenError {
        Errno::from_io_error(&error).unwrap_or(Errno::IO).into()
    }
}

impl Root {
    /// Opens the root itself, which may be a symbolic link: whoever started us chose it. Without a
    /// wish, links are followed below the root if the system can do that safely.
    ///
    /// # Errors
    ///
    /// When it is missing, no directory, or not for us to enter, and when links are to be followed
    /// below it and the system cannot do that safely.
    pub(crate) fn open(path: &Path, symlinks: Option<Symlinks>) -> io::Result<Root> {
        let directory = rustix::fs::open(path, LOOK | OFlags::DIRECTORY, Mode::empty())?;
        openat(&directory, ".", LOOK, Mode::empty())?;
        let resolution = match symlinks.unwrap_or_default() {
            Symlinks::Anywhere => Resolution::Unconfined,
            Symlinks::Inside if has_openat2(&directory) => Resolution::Kernel,
            Symlinks::Never if has_openat2(&directory) => Resolution::KernelWithoutLinks,
            Symlinks::Inside if symlinks.is_some() => {
                let lacking = "links below it cannot be followed safely, the system lacks openat2 \
                               (Linux 5.6, or a container that forbids it); take --symlinks never";
                return Err(io::Error::new(io::ErrorKind::Unsupported, lacking));
            }
            Symlinks::Inside | Symlinks::Never => Resolution::Stepwise,
        };
        let kernel = matches!(
            resolution,
            Resolution::Kernel | Resolution::KernelWithoutLinks
        );
        Ok(Root {
            answers_at_once: kernel && at_once::is_possible(&directory),
            directory,
            resolution,
        })
    }

    /// How paths are kept inside.
    pub(crate) fn resolution(&self) -> Resolution {
        self.resolution
    }

    /// Opens what the names lead to.
    pub(crate) fn find(&self, names: &Names, wait: Wait) -> Result<Found, OpenError> {
        let metadata = self.look(names, wait)?;
        if !(metadata.is_file() || metadata.is_dir()) {
            return Err(OpenError::NotFound);
        }
        let file = File::from(self.resolve(names, READ, wait)?);
        // It may be another one by now.
        let metadata = file.metadata()?;
        if metadata.is_file() {
            Ok(Found::File(file, metadata))
        } else if metadata.is_dir() {
            Ok(Found::Directory(file))
        } else {
            Err(OpenError::NotFound)
        }
    }

    /// The file that the names lead to, open; nothing where they lead elsewhere or nowhere.
    ///
    /// # Errors
    ///
    /// Only [`OpenError::NotNow`].
    pub(crate) fn find_file(
        &self,
        names: &Names,
        wait: Wait,
    ) -> Result<Option<(File, Metadata)>, OpenError> {
        match self.find(names, wait) {
            Ok(Found::File(file, metadata)) => Ok(Some((file, metadata))),
            Err(OpenError::NotNow) => Err(OpenError::NotNow),
            Ok(Found::Directory(_)) | Err(_) => Ok(None),
        }
    }

    /// What the names lead to, without a need to be allowed to read it.
    pub(crate) fn look(&self, names: &Names, wait: Wait) -> Result<Metadata, OpenError> {
        Ok(File::from(self.resolve(names, LOOK, wait)?).metadata()?)
    }

    fn resolve(&self, names: &Names, flags: OFlags, wait: Wait) -> Result<OwnedFd, OpenError> {
        if names.is_root() {
            return Ok(openat(&self.directory, ".", flags, Mode::empty())?);
        }
        let path = || names.iter().collect::<Vec<_>>().join(&b'/');
        let follows_links = self.resolution == Resolution::Kernel;
        if wait == Wait::Never {
            return match self.answers_at_once {
                true => at_once::open(&self.directory, &path(), flags, follows_links),
                false => Err(OpenError::NotNow),
            };
        }
        Ok(match self.resolution {
            Resolution::Kernel | Resolution::KernelWithoutLinks => {
                open_beneath(&self.directory, &path(), flags, follows_links)
            }
            Resolution::Stepwise => open_stepwise(&self.directory, names, flags),
            Resolution::Unconfined => openat(&self.directory, path(), flags, Mode::empty()),
        }?)
    }
}

/// What can be opened without waiting for storage.
#[cfg(target_os = "linux")]
mod at_once {
    use std::os::fd::OwnedFd;

    use rustix::fs::{Mode, OFlags, ResolveFlags, fstatfs, openat2};
    use rustix::io::Errno;

    use super::{LOOK, OpenError, beneath};

    /// Filesystems that know what a file is like once they know the file: ext4, XFS, Btrfs, F2FS,
    /// ZFS, tmpfs, ramfs, overlayfs, `SquashFS` and EROFS. Others may ask a server.
    const LOCAL: [u32; 10] = [
        0xEF53,
        0x5846_5342,
        0x9123_683E,
        0xF2F5_2010,
        0x2FC1_2FC1,
        0x0102_1994,
        0x8584_58F6,
        0x794C_7630,
        0x7371_7368,
        0xE0F5_E1E2,
    ];

    /// Whether this is Linux 5.12 and one of these filesystems.
    pub(super) fn is_possible(directory: &OwnedFd) -> bool {
        let is_local = fstatfs(directory)
            .is_ok_and(|stat| u32::try_from(stat.f_type).is_ok_and(|kind| LOCAL.contains(&kind)));
        is_local && open(directory, b".", LOOK, true).is_ok()
    }

    pub(super) fn open(
        root: &OwnedFd,
        path: &[u8],
        flags: OFlags,
        follows_links: bool,
    ) -> Result<OwnedFd, OpenError> {
        // Another filesystem may be mounted on the way.
        let cached = ResolveFlags::CACHED | ResolveFlags::NO_XDEV;
        match openat2(
            root,
            path,
            flags,
            Mode::empty(),
            beneath(follows_links) | cached,
        ) {
            Err(Errno::AGAIN | Errno::XDEV | Errno::INTR) => Err(OpenError::NotNow),
            result => Ok(result?),
        }
    }
}

/// Other systems cannot tell.
#[cfg(not(target_os = "linux"))]
mod at_once {
    use std::os::fd::OwnedFd;

    use rustix::fs::OFlags;

    use super::OpenError;

    pub(super) fn is_possible(_: &OwnedFd) -> bool {
        false
    }

    pub(super) fn open(_: &OwnedFd, _: &[u8], _: OFlags, _: bool) -> Result<OwnedFd, OpenError> {
        Err(OpenError::NotNow)
    }
}

/// Whether the system resolves paths below a directory: it may never have learnt it, and a
/// container may forbid it. An error of another kind says that it tried.
fn has_openat2(directory: &OwnedFd) -> bool {
    let opened = open_beneath(directory, b".", LOOK, false);
    !matches!(opened, Err(Errno::NOSYS | Errno::PERM | Errno::INVAL))
}

#[cfg(target_os = "linux")]
fn open_beneath(
    root: &OwnedFd,
    path: &[u8],
    flags: OFlags,
    follows_links: bool,
) -> Result<OwnedFd, Errno> {
    use rustix::fs::openat2;

    /// How often somebody may rename directories under our feet before we give up.
    const ATTEMPTS: usize = 16;

    let resolve = beneath(follows_links);
    for _ in 1..ATTEMPTS {
        match openat2(root, path, flags, Mode::empty(), resolve) {
            // The kernel saw a rename while it went through `..` of a link, and cannot tell
            // whether it is still inside.
            Err(Errno::AGAIN | Errno::INTR) => {}
            result => return result,
        }
    }
    openat2(root, path, flags, Mode::empty(), resolve)
}

#[cfg(target_os = "linux")]
fn beneath(follows_links: bool) -> rustix::fs::ResolveFlags {
    use rustix::fs::ResolveFlags;
    let links = if follows_links {
        ResolveFlags::NO_MAGICLINKS
    } else {
        ResolveFlags::NO_SYMLINKS
    };
    ResolveFlags::BENEATH | links
}

#[cfg(not(target_os = "linux"))]
fn open_beneath(_: &OwnedFd, _: &[u8], _: OFlags, _: bool) -> Result<OwnedFd, Errno> {
    Err(Errno::NOSYS)
}

fn open_stepwise(root: &OwnedFd, names: &Names, flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut names = names.iter().peekable();
    let mut directory: Option<OwnedFd> = None;
    while let Some(name) = names.next() {
        let from = directory.as_ref().unwrap_or(root).as_fd();
        let flags = match names.peek() {
            Some(_) => LOOK | OFlags::DIRECTORY,
            None => flags,
        };
        refuse_special(from, name)?;
        directory = Some(openat(from, name, flags | OFlags::NOFOLLOW, Mode::empty())?);
    }
    directory.ok_or(Errno::NOENT)
}

/// Where looking is opening, it takes another look before.
#[cfg(not(target_os = "linux"))]
fn refuse_special(from: std::os::fd::BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    use rustix::fs::{AtFlags, FileType, statat};
    let stat = statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile | FileType::Directory | FileType::Symlink => Ok(()),
        _ => Err(Errno::NODEV),
    }
}

#[cfg(target_os = "linux")]
fn refuse_special(_: std::os::fd::BorrowedFd<'_>, _: &[u8]) -> Result<(), Errno> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use tempfile::{TempDir, tempdir};

    use super::*;

    fn tree() -> (TempDir, PathBuf) {
        let scratch = tempdir().unwrap();
        let root = scratch.path().join("root");
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(scratch.path().join("secret"), "secret").unwrap();
        fs::write(root.join("a/b/file"), "file").unwrap();
        for (target, link) in [
            ("a/b/file", "inside"),
            ("../secret", "outside"),
            ("/etc/passwd", "absolute"),
            ("a/../../secret", "roundabout"),
            ("..", "parent"),
            ("/", "top"),
            ("loop", "loop"),
            ("/proc/self/root", "magic"),
            ("nowhere", "dangling"),
        ] {
            symlink(target, root.join(link)).unwrap();
        }
        symlink("../..", root.join("a/b/up")).unwrap();
        (scratch, root)
    }

    fn find(root: &Root, path: &str) -> Result<&'static str, OpenError> {
        root.find(&Names::parse(path).unwrap(), Wait::Allowed)
            .map(|found| match found {
                Found::File(..) => "file",
                Found::Directory(_) => "directory",
            })
    }

    #[test]
    fn what_is_below_the_root_is_found_and_nothing_else() {
        let (_scratch, path) = tree();
        let mut root = Root::open(&path, None).unwrap();
        let detected = root.resolution();
        for resolution in [detected, Resolution::Stepwise] {
            root.resolution = resolution;
            assert_eq!(find(&root, "/"), Ok("directory"));
            assert_eq!(find(&root, "/a"), Ok("directory"));
            assert_eq!(find(&root, "/a/b/file"), Ok("file"));
            for path in [
                "/secret",
                "/outside",
                "/absolute",
                "/roundabout",
                "/parent/secret",
                "/parent",
                "/top/etc/passwd",
                "/loop",
                "/magic/etc/passwd",
                "/dangling",
                "/a/b/file/x",
            ] {
                assert_eq!(
                    find(&root, path),
                    Err(OpenError::NotFound),
                    "{path} {resolution:?}"
                );
            }
            let long = format!("/{}", "x".repeat(300));
            assert_eq!(find(&root, &long), Err(OpenError::NotFound));
        }
    }

    #[test]
    fn a_link_that_stays_inside_is_followed_by_the_kernel_only() {
        let (_scratch, path) = tree();
        let mut root = Root::open(&path, None).unwrap();
        if root.resolution() == Resolution::Kernel {
            assert_eq!(find(&root, "/inside"), Ok("file"));
            assert_eq!(find(&root, "/a/b/up/inside"), Ok("file"));
        }
        root.resolution = Resolution::Stepwise;
        assert_eq!(find(&root, "/inside"), Err(OpenError::NotFound));
        assert_eq!(find(&root, "/a/b/up/a"), Err(OpenError::NotFound));
        // It is a link by itself then, which is not listed either.
        let metadata = root
            .look(&Names::parse("/inside").unwrap(), Wait::Allowed)
            .unwrap();
        assert!(metadata.is_symlink());
    }

    #[test]
    fn what_is_no_file_is_not_found_and_not_waited_for() {
        let (_scratch, path) = tree();
        rustix::fs::mkfifoat(rustix::fs::CWD, path.join("fifo"), Mode::RUSR).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(path.join("socket")).unwrap();
        let mut root = Root::open(&path, None).unwrap();
        for resolution in [root.resolution(), Resolution::Stepwise] {
            root.resolution = resolution;
            assert_eq!(find(&root, "/fifo"), Err(OpenError::NotFound));
            assert_eq!(find(&root, "/socket"), Err(OpenError::NotFound));
        }
        // It is as if they had taken the place of what was looked at.
        let fifo = root.resolve(&Names::parse("/fifo").unwrap(), READ, Wait::Allowed);
        assert!(!File::from(fifo.unwrap()).metadata().unwrap().is_file());
    }

    #[test]
    fn what_is_in_memory_is_found_at_once_and_kept_inside_all_the_same() {
        let (_scratch, path) = tree();
        let mut root = Root::open(&path, None).unwrap();
        if !root.answers_at_once {
            println!("skipped: the system or the filesystem of {path:?} does not tell");
            return;
        }
        let at_once = |root: &Root, path: &str| {
            let names = Names::parse(path).unwrap();
            // Asked with patience first, the system has it in memory.
            let _ = root.find(&names, Wait::Allowed);
            root.find(&names, Wait::Never).map(|_| ())
        };
        for path in ["/a/b/file", "/inside", "/a/b", "/a/b/up/inside"] {
            assert_eq!(at_once(&root, path), Ok(()), "{path}");
        }
        for path in [
            "/secret",
            "/nowhere",
            "/outside",
            "/absolute",
            "/roundabout",
            "/magic",
        ] {
            let error = at_once(&root, path).unwrap_err();
            assert!(
                matches!(error, OpenError::NotFound | OpenError::NotNow),
                "{path}: {error:?}"
            );
        }
        assert_eq!(at_once(&root, "/nowhere"), Err(OpenError::NotFound));
        root.answers_at_once = false;
        assert_eq!(at_once(&root, "/a/b/file"), Err(OpenError::NotNow));
        // Where links lead out, they may lead to storage of any kind.
        let root = Root::open(&path, Some(Symlinks::Anywhere)).unwrap();
        assert_eq!(at_once(&root, "/a/b/file"), Err(OpenError::NotNow));
    }

    #[test]
    fn links_are_followed_as_far_as_it_is_wished() {
        let (scratch, path) = tree();
        let never = Root::open(&path, Some(Symlinks::Never)).unwrap();
        let anywhere = Root::open(&path, Some(Symlinks::Anywhere)).unwrap();
        for link in ["/inside", "/outside", "/absolute", "/a/b/up/inside"] {
            assert_eq!(find(&never, link), Err(OpenError::NotFound), "{link}");
            assert_eq!(find(&anywhere, link), Ok("file"), "{link}");
        }
        for root in [never, anywhere] {
            assert_eq!(find(&root, "/a/b/file"), Ok("file"));
            for nothing in ["/dangling", "/loop", "/secret"] {
                assert_eq!(find(&root, nothing), Err(OpenError::NotFound), "{nothing}");
            }
        }
        // The root may be reached through a link whatever is wished: it was named.
        symlink("root", scratch.path().join("link")).unwrap();
        let linked = Root::open(&scratch.path().join("link"), Some(Symlinks::Never)).unwrap();
        assert_eq!(find(&linked, "/a/b/file"), Ok("file"));
    }

    #[test]
    fn what_a_filesystem_cannot_name_is_not_there_and_what_it_cannot_open_now_is_busy() {
        for (errno, error) in [
            (Errno::ILSEQ, OpenError::NotFound),
            (Errno::INVAL, OpenError::NotFound),
            (Errno::XDEV, OpenError::NotFound),
            (Errno::LOOP, OpenError::NotFound),
            (Errno::ACCESS, OpenError::Forbidden),
            (Errno::MFILE, OpenError::Busy),
            (Errno::AGAIN, OpenError::Busy),
            (Errno::IO, OpenError::Failed(Errno::IO)),
        ] {
            assert_eq!(OpenError::from(errno), error);
        }
    }

    #[test]
    fn a_root_that_is_missing_or_no_directory_is_an_error() {
        let (_scratch, path) = tree();
        let error = |name| {
            Root::open(&path.join(name), None)
                .map(|_| ())
                .unwrap_err()
                .kind()
        };
        assert_eq!(error("nowhere"), io::ErrorKind::NotFound);
        assert_eq!(error("a/b/file"), io::ErrorKind::NotADirectory);
    }
}
