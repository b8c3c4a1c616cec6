use std::fs::{self, DirEntry, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, IoSlice, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::{Entry, Fs, FsFile, FsRead};

/// Slices per system call: the kernel's `UIO_MAXIOV`.
const SLICES_MAX: usize = 1024;

/// Too many links on a way, as Linux has it.
const ELOOP: i32 = 40;

/// The machine's file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealFs;

impl Fs for RealFs {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let missing = dir.ancestors().take_while(|above| !above.as_os_str().is_empty() && !above.exists());
        let missing: Vec<&Path> = missing.collect();
        fs::create_dir_all(dir)?;
        // From the top down, so that a name is durable before what is below it.
        missing.iter().rev().filter_map(|made| made.parent()).try_for_each(|above| self.sync_dir(above))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            match followed(&entry) {
                Ok(of) => entries.push(Entry {
                    name: entry.file_name(),
                    len: of.len(),
                    is_dir: of.is_dir(),
                    is_file: of.is_file(),
                    modified: of.modified()?,
                }),
                // Removed since the directory was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        let file = OpenOptions::new().append(true).create_new(true).open(path)?;
        Ok(Box::new(RealFile { file }))
    }

    fn open_append(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        let file = OpenOptions::new().append(true).open(path)?;
        Ok(Box::new(RealFile { file }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn FsRead>> {
        Ok(Box::new(File::open(path)?))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn read_at(&self, path: &Path, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let file = File::open(path)?;
        let rest = file.metadata()?.len().saturating_sub(offset);
        let mut bytes = vec![0; rest.min(len as u64) as usize];
        let mut read = 0;
        while read < bytes.len() {
            match FileExt::read_at(&file, &mut bytes[read..], offset + read as u64) {
                // The file has become shorter.
                Ok(0) => break,
                Ok(n) => read += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(read);
        Ok(bytes)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        fs::remove_dir_all(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
        File::open(dir)?.sync_all()
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        Ok(fs::metadata(path)?.len())
    }

    fn is_dir(&self, path: &Path) -> io::Result<bool> {
        match fs::metadata(path) {
            Ok(of) => Ok(of.is_dir()),
            Err(error) if leads_nowhere(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        fs::exists(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(path, &mut file)),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // For people and for the message above; the lock itself is the kernel's, and ends with the process. A full disk does not
        // keep it from anybody.
        let _ = file.set_len(0).and_then(|()| file.write_all(std::process::id().to_string().as_bytes()));
        Ok(Box::new(RealLock { _file: file }))
    }
}

/// What is known of an entry, or of what it links to. A link that leads nowhere is known as itself, neither file nor directory.
fn followed(entry: &DirEntry) -> io::Result<Metadata> {
    match fs::metadata(entry.path()) {
        Err(error) if leads_nowhere(&error) => entry.metadata(),
        of => of,
    }
}

/// Whether a path leads to nothing, in circles, or to where this process may not look.
fn leads_nowhere(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
    matches!(error.kind(), NotFound | NotADirectory | PermissionDenied) || error.raw_os_error() == Some(ELOOP)
}

fn held(path: &Path, file: &mut File) -> io::Error {
    let mut holder = String::new();
    let known = file.take(20).read_to_string(&mut holder).is_ok() && !holder.is_empty();
    let holder = if known { format!("process {holder}") } else { "another process".to_owned() };
    io::Error::new(io::ErrorKind::ResourceBusy, format!("{} is locked by {holder}", path.display()))
}

/// The lock of a file, which the kernel gives up when the file is closed.
struct RealLock {
    _file: File,
}

impl FsRead for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }
}

struct RealFile {
    file: File,
}

impl FsFile for RealFile {
    fn write_slices(&mut self, slices: &[&[u8]]) -> io::Result<()> {
        slices.chunks(SLICES_MAX).try_for_each(|slices| write_some(&mut self.file, slices))
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
}

fn write_some(file: &mut File, slices: &[&[u8]]) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> = slices.iter().map(|slice| IoSlice::new(slice)).collect();
    let mut left = slices.as_mut_slice();
    // Takes empty slices off the front, so that a write of nothing is not taken for a full disk.
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        match file.write_vectored(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut left, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_slices_come_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let parts: Vec<Vec<u8>> =
            (0..3000_u32).map(|i| i.to_string().repeat(i as usize % 3).into()).collect();
        let slices: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        let mut file = RealFs.create(&path).unwrap();
        file.write_slices(&slices).unwrap();
        file.write_slices(&[]).unwrap();
        file.write_slices(&[b"", b""]).unwrap();
        file.sync().unwrap();
        assert_eq!(RealFs.read(&path).unwrap(), parts.concat());
    }

    #[test]
    fn a_lock_says_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let guard = RealFs.lock(&path).unwrap();
        let Err(error) = RealFs.lock(&path) else { panic!("locked twice") };
        assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
        assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
        drop(guard);
        RealFs.lock(&path).unwrap();
    }

    #[test]
    fn a_lock_needs_no_space() {
        let full = Path::new("/dev/full");
        if full.exists() {
            RealFs.lock(full).unwrap();
        }
    }

    #[test]
    fn a_link_is_what_it_leads_to() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("dir")).unwrap();
        fs::write(path("file"), "text").unwrap();
        for (to, link) in
            [("dir", "to dir"), ("file", "to file"), ("nothing", "to nothing"), ("to self", "to self")]
        {
            symlink(path(to), path(link)).unwrap();
        }
        let entries = RealFs.list(dir.path()).unwrap().into_iter();
        let kinds: Vec<_> = entries.map(|e| (e.name.into_string().unwrap(), e.is_dir, e.is_file)).collect();
        let expected = [
            ("dir", true, false),
            ("file", false, true),
            ("to dir", true, false),
            ("to file", false, true),
            ("to nothing", false, false),
            ("to self", false, false),
        ];
        assert_eq!(kinds, expected.map(|(name, is_dir, is_file)| (name.to_owned(), is_dir, is_file)));
        for (name, is_dir, _) in expected {
            assert_eq!(RealFs.is_dir(&path(name)).unwrap(), is_dir, "{name}");
        }
        assert!(!RealFs.is_dir(&path("file/below")).unwrap() && !RealFs.is_dir(&path("none")).unwrap());
    }

    #[test]
    fn nested_directories_are_made_and_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b/c");
        RealFs.create_dir_all(&deep).unwrap();
        RealFs.create_dir_all(&deep).unwrap();
        assert!(RealFs.list(&dir.path().join("a/b")).unwrap()[0].is_dir);
    }
}
