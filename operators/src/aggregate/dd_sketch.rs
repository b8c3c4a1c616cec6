use serde::{Deserialize, Serialize};

/// Counts of floats in buckets of equal relative width, the accumulator of [`Quantiles`](super::Quantiles).
///
/// DDSketch (Masson, Rim and Lee, DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees, 2019) with
/// collapsing of the lowest buckets. With accuracy a and γ = (1 + a) / (1 − a), bucket i counts the magnitudes in (γⁱ⁻¹, γⁱ]; the
/// value 2 γⁱ / (γ + 1) is within a of all of them. Negative and positive values have buckets of their own; what is nearer to 0
/// than the least normal float (2.2 · 10⁻³⁰⁸) counts as 0. Infinities are counted, NaNs are not.
///
/// The buckets of each sign are a sorted list of those in use. When their number exceeds that which a factor of 10¹² takes, the
/// one of least magnitude is joined to the next. The state depends on the values alone, not on how they were grouped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DdSketch {
    accuracy: f64,
    minus_infinities: u64,
    negative: Vec<Bucket>,
    zeros: u64,
    positive: Vec<Bucket>,
    plus_infinities: u64,
}

/// Number and count.
type Bucket = (i32, u64);

/// Where values are counted.
#[derive(Debug, Clone, Copy)]
enum Place {
    Exactly(f64),
    Negative(i32),
    Positive(i32),
}

impl Place {
    /// What stands for the values counted here.
    fn value(self, mapping: &Mapping) -> f64 {
        match self {
            Place::Exactly(value) => value,
            Place::Negative(bucket) => -mapping.value(bucket),
            Place::Positive(bucket) => mapping.value(bucket),
        }
    }
}

/// The factor between the largest and the smallest magnitude up to which no buckets are joined.
const SPAN: f64 = 1e12;

/// Between magnitudes and buckets, for one accuracy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mapping {
    accuracy: f64,
    ln_gamma: f64,
    /// The logarithm of 2 / (γ + 1).
    ln_middle: f64,
    /// Buckets per sign.
    buckets_max: usize,
}

impl Mapping {
    pub(super) fn new(accuracy: f64) -> Self {
        let ln_gamma = accuracy.ln_1p() - (-accuracy).ln_1p();
        let ln_middle = (-accuracy).ln_1p();
        let buckets_max = (SPAN.ln() / ln_gamma).ceil() as usize + 1;
        Mapping { accuracy, ln_gamma, ln_middle, buckets_max }
    }

    #[inline]
    fn bucket(&self, magnitude: f64) -> i32 {
        (magnitude.ln() / self.ln_gamma).ceil() as i32
    }

    fn value(&self, bucket: i32) -> f64 {
        (f64::from(bucket) * self.ln_gamma + self.ln_middle).exp().min(f64::MAX)
    }
}

impl DdSketch {
    pub(super) fn new(mapping: &Mapping) -> Self {
        DdSketch {
            accuracy: mapping.accuracy,
            minus_infinities: 0,
            negative: Vec::new(),
            zeros: 0,
            positive: Vec::new(),
            plus_infinities: 0,
        }
    }

    /// Takes one value in; a NaN changes nothing.
    #[inline]
    pub(super) fn add(&mut self, value: f64, mapping: &Mapping) {
        if self.accuracy != mapping.accuracy {
            self.remap(mapping);
        }
        self.add_times(value, 1, mapping);
    }

    /// Takes another sketch in.
    pub(super) fn merge(&mut self, other: &DdSketch, mapping: &Mapping) {
        if self.accuracy != mapping.accuracy {
            self.remap(mapping);
        }
        if other.accuracy != mapping.accuracy {
            let mut other = other.clone();
            other.remap(mapping);
            return self.merge_alike(&other, mapping);
        }
        self.merge_alike(other, mapping);
    }

    /// For each of `quantiles` the value of rank ⌊quantile · (count − 1)⌋ from 0; `None` when nothing was counted.
    pub(super) fn quantiles(&self, quantiles: &[f64]) -> Option<Vec<f64>> {
        let count = self.counts().fold(0u64, |sum, (_, count)| sum.saturating_add(count));
        let mapping = Mapping::new(self.accuracy);
        let rank = |quantile: &f64| (quantile * (count - 1) as f64) as u64;
        let value = |quantile| self.at(rank(quantile)).value(&mapping);
        (count > 0).then(|| quantiles.iter().map(value).collect())
    }

    /// Where the value of this rank was counted; the last place if there is none.
    fn at(&self, rank: u64) -> Place {
        let mut below = 0u64;
        let mut found = Place::Exactly(0.0);
        for (place, count) in self.counts().filter(|(_, count)| *count > 0) {
            found = place;
            below = below.saturating_add(count);
            if below > rank {
                break;
            }
        }
        found
    }

    /// How many values were counted where, in ascending order of the values.
    fn counts(&self) -> impl Iterator<Item = (Place, u64)> {
        let lowest = [(Place::Exactly(f64::NEG_INFINITY), self.minus_infinities)].into_iter();
        let negative = self.negative.iter().rev().map(|&(bucket, count)| (Place::Negative(bucket), count));
        let positive = self.positive.iter().map(|&(bucket, count)| (Place::Positive(bucket), count));
        let highest = [(Place::Exactly(f64::INFINITY), self.plus_infinities)];
        lowest.chain(negative).chain([(Place::Exactly(0.0), self.zeros)]).chain(positive).chain(highest)
    }

    #[inline]
    fn add_times(&mut self, value: f64, count: u64, mapping: &Mapping) {
        let counter = if value == f64::INFINITY {
            &mut self.plus_infinities
        } else if value >= f64::MIN_POSITIVE {
            return add_to(&mut self.positive, mapping.bucket(value), count, mapping.buckets_max);
        } else if value == f64::NEG_INFINITY {
            &mut self.minus_infinities
        } else if value <= -f64::MIN_POSITIVE {
            return add_to(&mut self.negative, mapping.bucket(-value), count, mapping.buckets_max);
        } else if value.is_nan() {
            return;
        } else {
            &mut self.zeros
        };
        *counter = counter.saturating_add(count);
    }

    /// Goes over to another accuracy; the errors of both add up.
    #[cold]
    fn remap(&mut self, mapping: &Mapping) {
        let mut mapped = DdSketch::new(mapping);
        let before = Mapping::new(self.accuracy);
        self.counts().for_each(|(place, count)| mapped.add_times(place.value(&before), count, mapping));
        *self = mapped;
    }

    fn merge_alike(&mut self, other: &DdSketch, mapping: &Mapping) {
        self.minus_infinities = self.minus_infinities.saturating_add(other.minus_infinities);
        self.zeros = self.zeros.saturating_add(other.zeros);
        self.plus_infinities = self.plus_infinities.saturating_add(other.plus_infinities);
        merge_into(&mut self.negative, &other.negative, mapping.buckets_max);
        merge_into(&mut self.positive, &other.positive, mapping.buckets_max);
    }
}

#[inline]
fn add_to(buckets: &mut Vec<Bucket>, bucket: i32, count: u64, buckets_max: usize) {
    match buckets.binary_search_by_key(&bucket, |bucket| bucket.0) {
        Ok(place) => buckets[place].1 = buckets[place].1.saturating_add(count),
        Err(place) => {
            buckets.insert(place, (bucket, count));
            join_lowest(buckets, buckets_max);
        }
    }
}

fn merge_into(buckets: &mut Vec<Bucket>, other: &[Bucket], buckets_max: usize) {
    if other.is_empty() {
        return;
    }
    buckets.extend_from_slice(other);
    // Two ascending runs: a stable sort merges them.
    buckets.sort_by_key(|bucket| bucket.0);
    buckets.dedup_by(|next, bucket| {
        let is_same = next.0 == bucket.0;
        if is_same {
            bucket.1 = bucket.1.saturating_add(next.1);
        }
        is_same
    });
    join_lowest(buckets, buckets_max);
}

/// Joins the buckets of least magnitude until no more than `buckets_max` are left.
fn join_lowest(buckets: &mut Vec<Bucket>, buckets_max: usize) {
    let surplus = buckets.len().saturating_sub(buckets_max);
    if surplus > 0 {
        let count = buckets.drain(..surplus).fold(0, |sum: u64, bucket| sum.saturating_add(bucket.1));
        if let Some(lowest) = buckets.first_mut() {
            lowest.1 = lowest.1.saturating_add(count);
        }
    }
}
