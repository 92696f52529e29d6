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

/// The file at a path, symbolic links followed.
pub(crate) fn of_path(path: &Path) -> Option<Identity> {
    match fs::metadata(path) {
        Ok(metadata) => of(&metadata),
        Err(_) => {
            let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
            // A folder that is not there is the error of whoever opens the file.
            let folder = fs::metadata(folder).ok()?;
            Some(Identity::New(folder.dev(), folder.ino(), path.file_name()?.to_owned()))
        }
    }
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
