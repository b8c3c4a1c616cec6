use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use millstream_engine::Time;

use super::FoundFile;

/// What each remembered batch of a directory stream took.
#[derive(Default)]
pub(super) struct Taken {
    by_time: BTreeMap<Time, Vec<FoundFile>>,
    /// The batch of each of these files.
    by_path: HashMap<Arc<Path>, Time>,
}

impl Taken {
    /// True when a batch before `time` took the file.
    pub(super) fn was_taken(&self, path: &Path, time: Time) -> bool {
        self.by_path.get(path).is_some_and(|taken| *taken < time)
    }

    /// What the batch at `time` took, in place of what was known of it.
    pub(super) fn insert(&mut self, time: Time, files: Vec<FoundFile>) {
        for file in &files {
            let first = self.by_path.entry(Arc::clone(&file.path)).or_insert(time);
            *first = time.min(*first);
        }
        self.by_time.insert(time, files);
    }

    /// Forgets the batches before `time`.
    pub(super) fn forget_before(&mut self, time: Time) {
        let later = self.by_time.split_off(&time);
        for (batch, file) in std::mem::replace(&mut self.by_time, later)
            .iter()
            .flat_map(|(t, files)| files.iter().map(move |f| (t, f)))
        {
            if self.by_path.get(&file.path) == Some(batch) {
                self.by_path.remove(&file.path);
            }
        }
    }

    /// What the batch at `time` took.
    pub(super) fn of(&self, time: Time) -> &[FoundFile] {
        self.by_time.get(&time).map_or(&[], Vec::as_slice)
    }

    /// What the batches up to and including `time` took.
    pub(super) fn until(&self, time: Time) -> BTreeMap<&Time, &Vec<FoundFile>> {
        self.by_time.range(..=time).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[&str]) -> Vec<FoundFile> {
        let file =
            |name: &&str| FoundFile { modified: Time::default(), path: Path::new(name).into(), bytes: 1 };
        names.iter().map(file).collect()
    }

    #[test]
    fn a_file_is_taken_until_its_batch_is_forgotten() {
        let (mut taken, at) = (Taken::default(), Time::from_millis);
        taken.insert(at(10), files(&["a", "b"]));
        taken.insert(at(20), files(&["c"]));
        let known =
            |taken: &Taken, time| ["a", "b", "c"].map(|name| taken.was_taken(Path::new(name), at(time)));
        assert_eq!(known(&taken, 10), [false, false, false], "a batch does not shut out its own files");
        assert_eq!(known(&taken, 15), [true, true, false]);
        assert_eq!(known(&taken, 30), [true, true, true]);
        assert_eq!((taken.of(at(20)).len(), taken.of(at(30)).len(), taken.until(at(15)).len()), (1, 0, 1));
        taken.forget_before(at(20));
        assert_eq!(known(&taken, 30), [false, false, true]);
        assert!(taken.of(at(10)).is_empty());
    }

    #[test]
    fn a_batch_that_is_put_in_again_is_taken_once() {
        let (mut taken, at) = (Taken::default(), Time::from_millis);
        taken.insert(at(10), files(&["a"]));
        taken.insert(at(10), files(&["a"]));
        assert_eq!(taken.of(at(10)).len(), 1);
        taken.forget_before(at(11));
        assert!(!taken.was_taken(Path::new("a"), at(20)));
    }
}
