//! Which file an input or output is, whatever it is called: a hard link, a redirection, `/dev/stdin`.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// A file that writing from two sides, or reading and writing at once, would spoil.
///
/// Character devices (`/dev/null`, a terminal) and sockets have none: nothing in them can be overwritten.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Identity {
    /// Device and inode.
    Inode(u64, u64),
    /// A file not made yet, by the device and inode of its folder.
    New(u64, u64, OsString),
}

/// Symbolic links followed one after the other, where they lead to a file not made yet (linux: `MAXSYMLINKS`).
const MAX_LINKS: usize = 40;

/// The file at a path, symbolic links followed.
pub(crate) fn of_path(path: &Path) -> Option<Identity> {
    match fs::metadata(path) {
        Ok(metadata) => of(&metadata),
        Err(_) => of_new(path),
    }
}

/// The file that opening a path for writing would make: at the end of its symbolic links.
fn of_new(path: &Path) -> Option<Identity> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(target) = fs::read_link(&path) else {
            // A folder that is not there is the error of whoever opens the file.
            let folder = fs::metadata(folder_of(&path)).ok()?;
            return Some(Identity::New(folder.dev(), folder.ino(), path.file_name()?.to_owned()));
        };
        path = folder_of(&path).join(target);
    }
    None
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."))
}

/// The file behind standard input or output.
pub(crate) fn of_stream(stream: &impl AsFd) -> Option<Identity> {
    let metadata = || -> io::Result<Metadata> { File::from(stream.as_fd().try_clone_to_owned()?).metadata() };
    // A closed stream is no file.
    of(&metadata().ok()?)
}

fn of(metadata: &Metadata) -> Option<Identity> {
    let kind = metadata.file_type();
    let spoils = !kind.is_char_device() && !kind.is_socket();
    spoils.then(|| Identity::Inode(metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let [a, link, symlink] = ["a", "link", "symlink"].map(|name| folder.path().join(name));
        assert_eq!(of_path(&a), of_path(&folder.path().join("./a")), "not made yet");
        assert_ne!(of_path(&a), of_path(&link));
        std::os::unix::fs::symlink("./a", &symlink).unwrap();
        assert_eq!(of_path(&a), of_path(&symlink), "a link to what is not made yet");
        fs::remove_file(&symlink).unwrap();
        std::os::unix::fs::symlink("symlink", &symlink).unwrap();
        assert_eq!(of_path(&symlink), None, "a link to itself");
        fs::remove_file(&symlink).unwrap();
        fs::write(&a, "").unwrap();
        fs::hard_link(&a, &link).unwrap();
        std::os::unix::fs::symlink(&a, &symlink).unwrap();
        let id = of_path(&a);
        assert!(matches!(id, Some(Identity::Inode(..))));
        assert_eq!(id, of_path(&link));
        assert_eq!(id, of_path(&symlink));
        assert_eq!(id, of_stream(&File::open(&a).unwrap()));
        assert_eq!(of_path(Path::new("/dev/null")), None);
    }
}
