//! The hash tables of the accumulators, and how they are written.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::sync::LazyLock;

use ahash::{AHasher, RandomState};
use serde::de::Deserializer;
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

/// From a value to what is known of it.
pub(super) type Table<V, C> = HashMap<V, C, InMemory>;

/// The hash of the tables in memory: chosen at random once per process, so that no input is prepared for it, and without
/// size, as there are tables by the million. It never reaches a disk or a result.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct InMemory;

static STATE: LazyLock<RandomState> = LazyLock::new(RandomState::new);

impl BuildHasher for InMemory {
    type Hasher = AHasher;

    #[inline]
    fn build_hasher(&self) -> AHasher {
        STATE.build_hasher()
    }
}

/// How much room to make in a table of `mine` entries before those of a table of `theirs` are added, as half of them may be there
/// already. Without it, adding entries in the order of another table of the same hash fills one end first, and is slow.
pub(super) fn room(mine: usize, theirs: usize) -> usize {
    if mine == 0 { theirs } else { theirs.div_ceil(2) }
}

/// More frequent first; of equal frequency in the order of the values.
pub(super) fn by_frequency<V: Ord>(a: (&V, u64), b: (&V, u64)) -> Ordering {
    b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0))
}

/// Writes a table in the order of its values, so that equal tables have equal bytes.
pub(super) fn serialize<V, C, S>(table: &Table<V, C>, serializer: S) -> Result<S::Ok, S::Error>
where
    V: Ord + Serialize,
    C: Serialize,
    S: Serializer,
{
    let mut entries: Vec<(&V, &C)> = table.iter().collect();
    entries.sort_unstable_by(|a, b| a.0.cmp(b.0));
    serializer.collect_seq(entries)
}

/// Reads what [`serialize`] has written.
pub(super) fn deserialize<'de, V, C, D>(deserializer: D) -> Result<Table<V, C>, D::Error>
where
    V: Eq + Hash + Deserialize<'de>,
    C: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Vec::<(V, C)>::deserialize(deserializer).map(|entries| entries.into_iter().collect())
}
