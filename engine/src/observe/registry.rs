//! The named accumulators of a program, as listeners see them.

use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Accumulator, CollectionAccumulator, DoubleAccumulator, LongAccumulator};

/// Makes named accumulators and shows them. A clone is the same registry.
///
/// Names need not be unique: two accumulators of one name are two lines, as in Spark.
///
/// With a checkpoint directory, sums of numbers go on after a restart, by name (and by order, among those of one name). What the batches
/// under way at a crash have added may be added again: a value is exact as far as nothing was computed twice.
///
/// ```
/// use millstream_engine::observe::AccumulatorRegistry;
/// let registry = AccumulatorRegistry::default();
/// let dropped = registry.long("dropped words");
/// dropped.add(3);
/// assert_eq!(registry.snapshot(), [("dropped words".to_string(), "3".to_string())]);
/// ```
#[derive(Clone, Default)]
pub struct AccumulatorRegistry(Arc<Mutex<Registered>>);

#[derive(Default)]
struct Registered {
    all: Vec<Named>,
    /// Values of an earlier run whose accumulators have not been made yet, in the order of those of one name.
    saved: Vec<(String, Vec<u8>)>,
}

impl Registered {
    fn add(&mut self, named: Named) {
        if let Some(at) = self.saved.iter().position(|(name, _)| *name == named.name) {
            named.accumulator.restore(&self.saved.remove(at).1);
        }
        self.all.push(named);
    }
}

struct Named {
    name: String,
    accumulator: Box<dyn Accumulator>,
}

impl AccumulatorRegistry {
    /// A new sum of whole numbers, shown under `name`.
    pub fn long(&self, name: impl Into<String>) -> LongAccumulator {
        self.keep(name, LongAccumulator::default())
    }

    /// A new sum of floating point numbers, shown under `name`.
    pub fn double(&self, name: impl Into<String>) -> DoubleAccumulator {
        self.keep(name, DoubleAccumulator::default())
    }

    /// A new collection of items, shown under `name`.
    pub fn collection<T: Clone + Debug + Send + 'static>(
        &self,
        name: impl Into<String>,
    ) -> CollectionAccumulator<T> {
        self.keep(name, CollectionAccumulator::default())
    }

    /// Shows an accumulator of any kind under `name`.
    pub fn register(&self, name: impl Into<String>, accumulator: impl Accumulator + 'static) {
        let named = Named { name: name.into(), accumulator: Box::new(accumulator) };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).add(named);
    }

    /// Name and present value of every accumulator, in the order in which they were made.
    pub fn snapshot(&self) -> Vec<(String, String)> {
        let registered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        registered.all.iter().map(|named| (named.name.clone(), named.accumulator.show())).collect()
    }

    /// Name and value of every accumulator that is kept in checkpoints.
    pub(crate) fn save(&self) -> Vec<(String, Vec<u8>)> {
        let registered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let saved = |named: &Named| Some((named.name.clone(), named.accumulator.save()?));
        registered.all.iter().filter_map(saved).collect()
    }

    /// Adds what was saved to the accumulators of those names, and to those that are made later.
    pub(crate) fn restore(&self, saved: Vec<(String, Vec<u8>)>) {
        let mut registered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        registered.saved = saved;
        let made = std::mem::take(&mut registered.all);
        made.into_iter().for_each(|named| registered.add(named));
    }

    fn keep<A: Accumulator + Clone + 'static>(&self, name: impl Into<String>, accumulator: A) -> A {
        self.register(name, accumulator.clone());
        accumulator
    }
}

impl Debug for AccumulatorRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.snapshot()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_go_on_by_name_also_those_that_are_made_later() {
        let earlier = AccumulatorRegistry::default();
        earlier.long("words").add(3);
        earlier.long("words").add(40);
        earlier.double("seconds").add(0.5);
        earlier.collection("odd lines").add("?");
        let saved = earlier.save();
        assert_eq!(saved.len(), 3);
        let registry = AccumulatorRegistry::default();
        let first = registry.long("words");
        first.add(1);
        registry.restore(saved);
        let (second, seconds, third) =
            (registry.long("words"), registry.double("seconds"), registry.long("words"));
        assert_eq!((first.sum(), first.count(), second.sum(), third.sum()), (4, 2, 40, 0));
        assert_eq!((seconds.sum(), seconds.count()), (0.5, 1));
    }

    #[test]
    fn a_value_of_another_kind_is_left_out() {
        let registry = AccumulatorRegistry::default();
        registry.restore(vec![("words".to_owned(), vec![0xff; 3])]);
        assert_eq!(registry.long("words").count(), 0);
    }

    #[test]
    fn all_kinds_are_shown_in_the_order_of_making() {
        struct Peak;
        impl Accumulator for Peak {
            fn show(&self) -> String {
                "9 of 10".to_string()
            }
        }
        let registry = AccumulatorRegistry::default();
        let (long, double) = (registry.long("words"), registry.double("seconds"));
        let odd = registry.collection("odd lines");
        registry.clone().register("peak", Peak);
        let same_name = registry.long("words");
        long.add(2);
        double.add(0.5);
        odd.add("?");
        same_name.add(7);
        let shown: Vec<_> =
            registry.snapshot().into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(shown, ["words=2", "seconds=0.5", "odd lines=[\"?\"]", "peak=9 of 10", "words=7"]);
    }
}
