use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::fs::Fs;

/// A directory of this process for files that end with it.
#[derive(Debug)]
pub(super) struct Area {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    next: AtomicU64,
    lock: Option<Lock>,
}

struct Lock(#[expect(dead_code, reason = "held until it is dropped")] Box<dyn Send + Sync>);

impl std::fmt::Debug for Lock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lock")
    }
}

/// What the directories are called, before a number.
const PREFIX: &str = "millstream-spill-";

const LOCK: &str = "lock";

/// Tells apart the areas of one process.
static AREAS: AtomicU64 = AtomicU64::new(0);

impl Area {
    /// Makes a directory in `parent`, and removes those of processes that are no more.
    pub(super) fn open(fs: &Arc<dyn Fs>, parent: &Path) -> io::Result<Self> {
        fs.create_dir_all(parent)?;
        sweep(&**fs, parent);
        let number = AREAS.fetch_add(1, Ordering::Relaxed);
        let dir = parent.join(format!("{PREFIX}{}-{number}", std::process::id()));
        fs.create_dir_all(&dir)?;
        let lock = fs.lock(&dir.join(LOCK))?;
        Ok(Area { fs: Arc::clone(fs), dir, next: AtomicU64::new(0), lock: Some(Lock(lock)) })
    }

    pub(super) fn fs(&self) -> &dyn Fs {
        &*self.fs
    }

    /// A name that no file has had.
    pub(super) fn next_path(&self) -> PathBuf {
        self.dir.join(self.next.fetch_add(1, Ordering::Relaxed).to_string())
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        drop(self.lock.take());
        if let Err(error) = self.fs.remove_dir_all(&self.dir) {
            tracing::warn!(dir = %self.dir.display(), %error, "a directory of spilled data could not be removed");
        }
    }
}

/// Removes the directories whose lock nobody holds. Whatever fails is tried again by the next process.
fn sweep(fs: &dyn Fs, parent: &Path) {
    let entries = fs.list(parent).unwrap_or_default();
    for entry in entries.iter().filter(|entry| entry.is_dir) {
        let dir = parent.join(&entry.name);
        let is_area = entry.name.to_string_lossy().starts_with(PREFIX);
        if is_area && fs.exists(&dir.join(LOCK)).unwrap_or(false) && fs.lock(&dir.join(LOCK)).is_ok() {
            let _ = fs.remove_dir_all(&dir);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::RealFs;

    #[test]
    fn what_a_dead_process_has_left_is_removed_and_what_a_living_one_has_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let dead = parent.path().join("millstream-spill-1-0");
        let foreign = parent.path().join("somebody's");
        for dir in [&dead, &foreign] {
            std::fs::create_dir(dir).unwrap();
            std::fs::write(dir.join("lock"), "1").unwrap();
        }
        let fs: Arc<dyn Fs> = Arc::new(RealFs);
        let first = Area::open(&fs, parent.path()).unwrap();
        let second = Area::open(&fs, parent.path()).unwrap();
        assert!(!dead.exists() && foreign.exists());
        assert!(first.dir.exists() && second.dir.exists() && first.dir != second.dir);
        let dir = first.dir.clone();
        drop(first);
        assert!(!dir.exists());
    }
}
