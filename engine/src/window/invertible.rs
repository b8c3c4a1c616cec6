use std::fmt::Debug;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};

use super::rounding::same_but_for_rounding;
use super::{Chain, Sliding};
use crate::rdd::Data;

/// Follows a window with a sum, from which a leaving value is subtracted.
///
/// Every now and then a key's sum is made anew from its values, so that the rounding errors of floating-point sums stay those of
/// a bounded number of operations. A program that is compiled for debugging does it often and says when the two sums differ by
/// more than rounding: then what was given as the inverse is none.
#[derive(Debug)]
pub struct Invertible<F, I> {
    add: F,
    subtract: I,
    location: &'static Location<'static>,
    reported: AtomicBool,
}

/// What is known of a key's values.
#[derive(Clone, Debug)]
pub struct Sum<V> {
    value: V,
    /// The values that were added or subtracted since the sum was made from the values themselves.
    changes: u32,
}

/// How many times as many changes as there are values a sum may have.
const CHANGES_PER_VALUE: u32 = if cfg!(debug_assertions) { 2 } else { 64 };

/// How many changes a sum may have, however few values there are.
const CHANGES_MIN: u32 = if cfg!(debug_assertions) { 4 } else { 256 };

impl<F, I> Invertible<F, I> {
    /// `subtract(add(a, b), b)` must be `a`. `location` is where the user's program says so.
    pub fn new(add: F, subtract: I, location: &'static Location<'static>) -> Self {
        Invertible { add, subtract, location, reported: AtomicBool::new(false) }
    }

    fn report<V: Debug>(&self, subtracted: &V, summed: &V) {
        if !same_but_for_rounding(subtracted, summed) && !self.reported.swap(true, Ordering::Relaxed) {
            tracing::error!(
                operator = %self.location,
                ?subtracted,
                ?summed,
                "the inverse function does not undo the reduce function: by subtracting, a window came to something else than \
                 by adding up what is in it; the results of this window are wrong"
            );
        }
    }
}

impl<V, F, I> Sliding<V> for Invertible<F, I>
where
    V: Data + Debug,
    F: Fn(V, V) -> V + Send + Sync + 'static,
    I: Fn(V, V) -> V + Send + Sync + 'static,
{
    type Held = Sum<V>;
    type Beside = ();
    type Out = V;

    fn begin(&self, (): &(), value: &V) -> Sum<V> {
        Sum { value: value.clone(), changes: 0 }
    }

    #[inline]
    fn enter<K>(&self, (): &(), held: &mut Sum<V>, value: &V, _values: Chain<'_, K, V>) {
        held.value = (self.add)(held.value.clone(), value.clone());
        held.changes += 1;
    }

    #[inline]
    fn leave<K>(&self, (): &mut (), held: &mut Sum<V>, _index: usize, value: &V, values: Chain<'_, K, V>) {
        held.value = (self.subtract)(held.value.clone(), value.clone());
        held.changes += 1;
        let many = (values.len() as u32).saturating_mul(CHANGES_PER_VALUE).max(CHANGES_MIN);
        if held.changes >= many {
            self.add_up(held, values);
        }
    }

    fn read<K>(&self, (): &(), held: &Sum<V>, _values: Chain<'_, K, V>) -> V {
        held.value.clone()
    }

    fn value_of(&self, held: &Sum<V>) -> Option<V> {
        Some(held.value.clone())
    }
}

impl<F, I> Invertible<F, I> {
    #[cold]
    fn add_up<K, V: Data + Debug>(&self, held: &mut Sum<V>, values: Chain<'_, K, V>)
    where
        F: Fn(V, V) -> V,
    {
        if let Some(sum) = values.cloned().reduce(&self.add) {
            if cfg!(debug_assertions) {
                self.report(&held.value, &sum);
            }
            *held = Sum { value: sum, changes: 0 };
        }
    }
}
