//! How many records there were.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use millstream::prelude::*;

/// The number of records of all batches. It has every record computed, also those that are not printed.
pub(crate) fn count(stream: &DStream<impl Rdd>) -> Arc<AtomicU64> {
    let total = Arc::new(AtomicU64::new(0));
    let sum = Arc::clone(&total);
    stream.foreach_rdd(move |rdd, _| {
        sum.fetch_add(rdd.count()?, Ordering::Relaxed);
        Ok(())
    });
    total
}
