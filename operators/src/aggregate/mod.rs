//! Mergeable aggregates: what windows and aggregations by key collect, one aggregate, one small file.
//!
//! An [`Aggregate`] collects values into an accumulator. The accumulators of two parts of the input can be brought together in
//! any grouping, so a window is put together from its batches and a batch from its workers; and they can be written down, so
//! a window outlives its process.
//!
//! | aggregate | gives | right to | memory per key |
//! |-----------|-------|----------|----------------|
//! | [`Count`] | how many | exact | 8 bytes |
//! | [`Sum`] | the sum | exact; of floats two roundings | 16 or 24 bytes |
//! | [`Min`], [`Max`] | the least, the greatest | exact | one value |
//! | [`Mean`] | the mean | two roundings | 32 bytes |
//! | [`Variance`] | count, mean and variance | rounding | 48 bytes |
//! | [`DistinctExact`] | how many different | exact | every different value |
//! | [`DistinctHll`] | how many different | 1.04 / √2^p, one standard error | at most 2^p bytes, 8 per value at first |
//! | [`Quantiles`] | median, percentiles ... | a relative accuracy, 1 % say | 16 bytes per bucket, about 1400 at 1 % |
//! | [`TopK`] | the most frequent | exact | every different value |
//! | [`TopKApprox`] | the most frequent | n / (capacity + 1) occurrences | 2 · capacity values |
//! | [`TopN`] | the largest | exact | n values |
//! | `(A, B)`, `(A, B, C)` | several at once | each its own | the sum |
//!
//! **Floats.** A NaN is a missing value: [`Sum`], [`Mean`], [`Variance`] and [`Quantiles`] leave it out ([`Variance`] says how
//! many there were). Infinities are values like others and follow IEEE 754, so a mean of anything and +∞ is +∞. What wants an
//! order or a hash ([`Min`], [`TopN`], [`DistinctExact`] ...) takes floats as [`Ordered`].
//!
//! **On disk.** No accumulator contains a hash that differs between processes, processors or versions of the program. The
//! only hashes that are written are those of [`DistinctHll`]: XXH3 over the value's postcard encoding, both of which have a
//! fixed specification, unlike `std::hash::Hash`. Equal accumulators of the exact aggregates over hash tables have equal bytes.
//!
//! **Texts.** What an accumulator keeps of the values is detached: it does not hold the chunk that a `Text` was cut from.

use millstream_engine::rdd::Data;
use millstream_engine::text::detached;
use serde::Serialize;
use serde::de::DeserializeOwned;

mod count;
mod dd_sketch;
mod distinct_exact;
mod distinct_hll;
mod float_sum;
mod hll;
mod max;
mod mean;
mod min;
mod ordered;
mod quantiles;
mod space_saving;
mod stable_hash;
mod sum;
mod table;
mod top_k;
mod top_k_approx;
mod top_n;
mod tuple;
mod variance;

#[cfg(test)]
mod testing;

pub use count::Count;
pub use dd_sketch::DdSketch;
pub use distinct_exact::{Different, DistinctExact};
pub use distinct_hll::DistinctHll;
pub use float_sum::FloatSum;
pub use hll::Hll;
pub use max::Max;
pub use mean::{Mean, MeanAcc};
pub use min::Min;
pub use ordered::Ordered;
pub use quantiles::Quantiles;
pub use space_saving::SpaceSaving;
pub use sum::{Sum, Summand};
pub use top_k::{Tally, TopK};
pub use top_k_approx::{Frequent, Frequents, TopKApprox};
pub use top_n::TopN;
pub use variance::{Moments, Variance};

/// What to collect of the values of a key; the accumulators of two parts of the input can be brought together.
///
/// `merge` is associative, and `zero` changes nothing on either side: exactly for the exact aggregates and for [`Hll`] and
/// [`DdSketch`], up to rounding where floats are summed, within the stated bound for [`TopKApprox`].
///
/// ```
/// use millstream_operators::aggregate::{Aggregate, Count, Max, Mean};
///
/// let wanted = (Count, Mean, Max);
/// let (mut morning, mut evening) = (wanted.zero(), wanted.zero());
/// for degrees in [4, 8] {
///     wanted.add(&mut morning, degrees);
/// }
/// wanted.add(&mut evening, 6);
/// wanted.merge(&mut morning, &evening);
/// assert_eq!(wanted.finish(&morning), (3, Some(6.0), Some(8)));
/// ```
pub trait Aggregate<V>: Send + Sync + 'static {
    /// What is collected: compact, serializable, mergeable.
    type Acc: Data + Serialize + DeserializeOwned;
    /// What is made of it.
    type Out: Data;

    /// The accumulator of no values.
    fn zero(&self) -> Self::Acc;

    /// Takes one value in.
    fn add(&self, acc: &mut Self::Acc, value: V);

    /// Takes `other` in, so that `acc` stands for the values of both.
    fn merge(&self, acc: &mut Self::Acc, other: &Self::Acc);

    /// The result for what has been collected.
    fn finish(&self, acc: &Self::Acc) -> Self::Out;
}

/// A copy to keep, which holds no chunk of the input.
fn kept<V: Clone>(value: &V) -> V {
    detached(|| value.clone())
}
