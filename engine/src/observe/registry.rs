//! The named accumulators of a program, as listeners see them.

use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Accumulator, CollectionAccumulator, DoubleAccumulator, LongAccumulator};

/// Makes named accumulators and shows them. A clone is the same registry.
///
/// Names need not be unique: two accumulators of one name are two lines, as in Spark.
///
/// ```
/// use millstream_engine::observe::AccumulatorRegistry;
/// let registry = AccumulatorRegistry::default();
/// let dropped = registry.long("dropped words");
/// dropped.add(3);
/// assert_eq!(registry.snapshot(), [("dropped words".to_string(), "3".to_string())]);
/// ```
#[derive(Clone, Default)]
pub struct AccumulatorRegistry(Arc<Mutex<Vec<Named>>>);

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
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(named);
    }

    /// Name and present value of every accumulator, in the order in which they were made.
    pub fn snapshot(&self) -> Vec<(String, String)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|named| (named.name.clone(), named.accumulator.show())).collect()
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
