use std::fmt;
use std::str::FromStr;

/// Where something that is kept may stand, and as what.
///
/// | level | in memory | over the budget |
/// |-------|-----------|-----------------|
/// | [`MEMORY_ONLY`](Self::MEMORY_ONLY) | the records as they are | dropped; computed again by whoever reads it |
/// | [`MEMORY_ONLY_SER`](Self::MEMORY_ONLY_SER) | encoded, which is smaller and costs a decoding per reader | the same |
/// | [`MEMORY_AND_DISK`](Self::MEMORY_AND_DISK) | the records as they are | encoded, compressed, on the disk |
/// | [`MEMORY_AND_DISK_SER`](Self::MEMORY_AND_DISK_SER) | encoded | the same |
/// | [`DISK_ONLY`](Self::DISK_ONLY) | nothing | it is on the disk at once |
///
/// Those that end in `_2` write what goes to disk a second time, to `storage.replica_dir`, which should be another disk; it is read
/// when the first copy cannot be. In memory a second copy would save nothing: there is one process.
///
/// Blocks of receivers are encoded always; a level without disk means that their receiver is slowed when memory is short.
///
/// ```
/// use millstream_engine::storage::StorageLevel;
/// let level: StorageLevel = "memory_and_disk_ser_2".parse()?;
/// assert_eq!(level, StorageLevel::MEMORY_AND_DISK_SER_2);
/// assert_eq!(level.to_string(), "MEMORY_AND_DISK_SER_2");
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StorageLevel {
    uses_memory: bool,
    uses_disk: bool,
    is_serialized: bool,
    copies: u8,
}

const fn level(uses_memory: bool, uses_disk: bool, is_serialized: bool, copies: u8) -> StorageLevel {
    StorageLevel { uses_memory, uses_disk, is_serialized, copies }
}

impl StorageLevel {
    /// Records in memory; dropped and computed again when memory is short.
    pub const MEMORY_ONLY: Self = level(true, false, false, 1);
    /// As [`MEMORY_ONLY`](Self::MEMORY_ONLY): in memory there is nothing to copy for.
    pub const MEMORY_ONLY_2: Self = level(true, false, false, 2);
    /// Encoded records in memory; dropped and computed again when memory is short.
    pub const MEMORY_ONLY_SER: Self = level(true, false, true, 1);
    /// As [`MEMORY_ONLY_SER`](Self::MEMORY_ONLY_SER).
    pub const MEMORY_ONLY_SER_2: Self = level(true, false, true, 2);
    /// Records in memory; on disk when memory is short.
    pub const MEMORY_AND_DISK: Self = level(true, true, false, 1);
    /// The same, with two copies on disk.
    pub const MEMORY_AND_DISK_2: Self = level(true, true, false, 2);
    /// Encoded records in memory; on disk when memory is short.
    pub const MEMORY_AND_DISK_SER: Self = level(true, true, true, 1);
    /// The same, with two copies on disk.
    pub const MEMORY_AND_DISK_SER_2: Self = level(true, true, true, 2);
    /// Encoded records on disk.
    pub const DISK_ONLY: Self = level(false, true, true, 1);
    /// The same, with two copies.
    pub const DISK_ONLY_2: Self = level(false, true, true, 2);

    /// What may be written for a level, in words.
    pub const FORMS: &'static str = "MEMORY_ONLY, MEMORY_ONLY_SER, MEMORY_AND_DISK, MEMORY_AND_DISK_SER or DISK_ONLY, each also \
                                     with _2";

    /// Whether it may stand in memory.
    pub fn uses_memory(self) -> bool {
        self.uses_memory
    }

    /// Whether it may stand on disk.
    pub fn uses_disk(self) -> bool {
        self.uses_disk
    }

    /// Whether it stands encoded in memory.
    pub fn is_serialized(self) -> bool {
        self.is_serialized
    }

    /// Copies on disk, where there are any: 1 or 2.
    pub fn copies(self) -> u8 {
        self.copies
    }

    fn name(self) -> &'static str {
        NAMES.iter().find(|(level, _)| *level == self).map_or("", |(_, name)| name)
    }
}

/// All levels.
const NAMES: [(StorageLevel, &str); 10] = [
    (StorageLevel::MEMORY_ONLY, "MEMORY_ONLY"),
    (StorageLevel::MEMORY_ONLY_2, "MEMORY_ONLY_2"),
    (StorageLevel::MEMORY_ONLY_SER, "MEMORY_ONLY_SER"),
    (StorageLevel::MEMORY_ONLY_SER_2, "MEMORY_ONLY_SER_2"),
    (StorageLevel::MEMORY_AND_DISK, "MEMORY_AND_DISK"),
    (StorageLevel::MEMORY_AND_DISK_2, "MEMORY_AND_DISK_2"),
    (StorageLevel::MEMORY_AND_DISK_SER, "MEMORY_AND_DISK_SER"),
    (StorageLevel::MEMORY_AND_DISK_SER_2, "MEMORY_AND_DISK_SER_2"),
    (StorageLevel::DISK_ONLY, "DISK_ONLY"),
    (StorageLevel::DISK_ONLY_2, "DISK_ONLY_2"),
];

impl fmt::Display for StorageLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for StorageLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = text.trim();
        let found = NAMES.iter().find(|(_, name)| name.eq_ignore_ascii_case(wanted));
        found
            .map(|(level, _)| *level)
            .ok_or_else(|| format!("{wanted:?} is no storage level: write {}", Self::FORMS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_is_read_as_it_is_shown() {
        for (level, name) in NAMES {
            assert_eq!((level.to_string().as_str(), name.to_lowercase().parse()), (name, Ok(level)));
        }
    }

    #[test]
    fn what_is_no_level_is_told_what_is() {
        let error = "DISK".parse::<StorageLevel>().unwrap_err();
        assert_eq!(
            error,
            "\"DISK\" is no storage level: write MEMORY_ONLY, MEMORY_ONLY_SER, MEMORY_AND_DISK, MEMORY_AND_DISK_SER or \
             DISK_ONLY, each also with _2"
        );
    }
}
