//! Keys that come again and again, a part of them in every batch.

use std::time::Duration;

use millstream::graph::BatchInput;
use millstream::rdd::Parallelized;
use millstream::testkit::TestContext;
use millstream::{InputStream, Result, Time};

/// In so many batches every key comes once.
pub const CYCLE: usize = 20;

/// The time between two batches.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// Partitions of a batch.
pub const SLICES: usize = 4;

/// Many keys, of which a twentieth comes in every batch, each with a 1; from the first batch on, again and again.
pub struct Cycle(Vec<Parallelized<(u64, u64)>>);

impl Cycle {
    /// `keys` keys, ready in memory.
    pub fn new(context: &TestContext, keys: usize) -> Self {
        let batch = |batch| context.parallelize(ranks_of(batch, keys).map(|rank| (key_of(rank), 1)), SLICES);
        Cycle((0..CYCLE).map(batch).collect())
    }
}

impl InputStream for Cycle {
    type Rdd = Parallelized<(u64, u64)>;

    fn compute(&self, batch: &BatchInput<'_>) -> Result<Option<Self::Rdd>> {
        let batch = batch.time().since(Time::default()).as_secs() as usize;
        Ok(Some(self.0[batch % CYCLE].clone()))
    }
}

/// The keys of a batch, by their numbers.
pub fn ranks_of(batch: usize, keys: usize) -> impl ExactSizeIterator<Item = usize> {
    (batch % CYCLE..keys).step_by(CYCLE)
}

/// Numbers in no order.
pub fn key_of(rank: usize) -> u64 {
    (rank as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
