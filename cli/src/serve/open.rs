//! Opening files below a directory, and nowhere else.
//!
//! The kernel resolves the whole path from a descriptor of the root (`openat2` with
//! `RESOLVE_BENEATH`): a symbolic link is followed as long as it stays below the root, an absolute
//! one never. No check of ours could be raced. Where that call is missing, because the kernel is
//! older than 5.6, a container forbids it or the system is not Linux, each name is opened by
//! itself and no symbolic link is followed at all.

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use super::path::Names;

/// Open to be read. Nothing here may wait: not for the other end of a FIFO, not for a device.
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// Open to be passed through or asked about; needs no permission to read.
#[cfg(target_os = "linux")]
const LOOK: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
const LOOK: OFlags = READ;

/// The directory that is served.
pub(crate) struct Root {
    directory: OwnedFd,
    resolution: Resolution,
}

/// Who makes sure that nothing leaves the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resolution {
    /// The kernel, at once.
    Kernel,
    /// We, name by name.
    Stepwise,
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
    /// Too much is open at the moment.
    Busy,
    /// The storage failed.
    Failed(Errno),
}

impl From<Errno> for OpenError {
    fn from(errno: Errno) -> OpenError {
        match errno {
            // XDEV is what RESOLVE_BENEATH says of a way out, NXIO what a socket says.
            Errno::NOENT
            | Errno::NOTDIR
            | Errno::LOOP
            | Errno::NAMETOOLONG
            | Errno::XDEV
            | Errno::NXIO
            | Errno::NODEV => OpenError::NotFound,
            Errno::ACCESS | Errno::PERM => OpenError::Forbidden,
            Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN => OpenError::Busy,
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
    /// Opens the root itself, which may be a symbolic link: whoever started us chose it.
    ///
    /// # Errors
    ///
    /// When it is missing, no directory, or not for us to enter.
    pub(crate) fn open(path: &Path) -> io::Result<Root> {
        let directory = rustix::fs::open(path, LOOK | OFlags::DIRECTORY, Mode::empty())?;
        // A path of one dot only asks whether the call is there.
        let resolution = match open_beneath(&directory, b".", LOOK) {
            Err(Errno::NOSYS | Errno::PERM) => Resolution::Stepwise,
            Ok(_) | Err(_) => Resolution::Kernel,
        };
        Ok(Root {
            directory,
            resolution,
        })
    }

    /// How paths are kept inside.
    pub(crate) fn resolution(&self) -> Resolution {
        self.resolution
    }

    /// Opens what the names lead to. Blocks as long as the storage does.
    pub(crate) fn find(&self, names: &Names) -> Result<Found, OpenError> {
        let file = File::from(self.resolve(names, READ)?);
        let metadata = file.metadata()?;
        if metadata.is_file() {
            Ok(Found::File(file, metadata))
        } else if metadata.is_dir() {
            Ok(Found::Directory(file))
        } else {
            Err(OpenError::NotFound)
        }
    }

    /// What the names lead to, without a need to be allowed to read it.
    pub(crate) fn look(&self, names: &Names) -> Result<Metadata, OpenError> {
        Ok(File::from(self.resolve(names, LOOK)?).metadata()?)
    }

    fn resolve(&self, names: &Names, flags: OFlags) -> Result<OwnedFd, Errno> {
        if names.is_root() {
            return openat(&self.directory, ".", flags, Mode::empty());
        }
        match self.resolution {
            Resolution::Kernel => {
                let path = names.iter().collect::<Vec<_>>().join(&b'/');
                open_beneath(&self.directory, &path, flags)
            }
            Resolution::Stepwise => open_stepwise(&self.directory, names, flags),
        }
    }
}

#[cfg(target_os = "linux")]
fn open_beneath(root: &OwnedFd, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    use rustix::fs::{ResolveFlags, openat2};

    /// How often somebody may rename directories under our feet before we give up.
    const ATTEMPTS: usize = 16;
    const RESOLVE: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);

    for _ in 1..ATTEMPTS {
        match openat2(root, path, flags, Mode::empty(), RESOLVE) {
            // The kernel saw a rename while it went through `..` of a link, and cannot tell
            // whether it is still inside.
            Err(Errno::AGAIN | Errno::INTR) => {}
            result => return result,
        }
    }
    openat2(root, path, flags, Mode::empty(), RESOLVE)
}

#[cfg(not(target_os = "linux"))]
fn open_beneath(_: &OwnedFd, _: &[u8], _: OFlags) -> Result<OwnedFd, Errno> {
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
        directory = Some(openat(from, name, flags | OFlags::NOFOLLOW, Mode::empty())?);
    }
    directory.ok_or(Errno::NOENT)
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
        root.find(&Names::parse(path).unwrap())
            .map(|found| match found {
                Found::File(..) => "file",
                Found::Directory(_) => "directory",
            })
    }

    #[test]
    fn what_is_below_the_root_is_found_and_nothing_else() {
        let (_scratch, path) = tree();
        let mut root = Root::open(&path).unwrap();
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
        let mut root = Root::open(&path).unwrap();
        if root.resolution() == Resolution::Kernel {
            assert_eq!(find(&root, "/inside"), Ok("file"));
            assert_eq!(find(&root, "/a/b/up/inside"), Ok("file"));
        }
        root.resolution = Resolution::Stepwise;
        assert_eq!(find(&root, "/inside"), Err(OpenError::NotFound));
        assert_eq!(find(&root, "/a/b/up/a"), Err(OpenError::NotFound));
        // It is a link by itself then, which is not listed either.
        let metadata = root.look(&Names::parse("/inside").unwrap()).unwrap();
        assert!(metadata.is_symlink());
    }

    #[test]
    fn what_is_no_file_is_not_found_and_not_waited_for() {
        let (_scratch, path) = tree();
        rustix::fs::mkfifoat(rustix::fs::CWD, path.join("fifo"), Mode::RUSR).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(path.join("socket")).unwrap();
        let mut root = Root::open(&path).unwrap();
        for resolution in [root.resolution(), Resolution::Stepwise] {
            root.resolution = resolution;
            assert_eq!(find(&root, "/fifo"), Err(OpenError::NotFound));
            assert_eq!(find(&root, "/socket"), Err(OpenError::NotFound));
        }
    }

    #[test]
    fn a_root_that_is_missing_or_no_directory_is_an_error() {
        let (_scratch, path) = tree();
        let error = |name| Root::open(&path.join(name)).map(|_| ()).unwrap_err().kind();
        assert_eq!(error("nowhere"), io::ErrorKind::NotFound);
        assert_eq!(error("a/b/file"), io::ErrorKind::NotADirectory);
    }
}
