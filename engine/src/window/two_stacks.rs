use std::marker::PhantomData;
use std::mem::needs_drop;

use super::{Chain, Sliding};
use crate::rdd::Data;

/// How two parts of a window are brought together: associative, the older one first.
pub trait Merge<A>: Send + Sync + 'static {
    /// Takes the newer `other` into the older `all`.
    fn merge(&self, all: &mut A, other: &A);
}

/// [`Merge`] by a function that takes and returns values.
#[derive(Debug, Clone, Copy)]
pub struct MergeByValue<F>(pub F);

impl<A: Data, F: Fn(A, A) -> A + Send + Sync + 'static> Merge<A> for MergeByValue<F> {
    fn merge(&self, all: &mut A, other: &A) {
        *all = (self.0)(all.clone(), other.clone());
    }
}

/// Follows a window with merges alone, for functions that have no inverse: maximum, sketches, top-k.
///
/// The queue of two stacks (Tangwongsan, Hirzel, Schneider, "General incremental sliding-window aggregation", VLDB 2015), one per
/// key. The *back* is what the newer values come to; the *front* holds, for each of the older values, what it and those behind
/// it come to. A value that enters is merged into the back; one that leaves is popped from the front. When the front is empty,
/// it is made anew from all values: a *flip*. So a value is merged twice in its life, whatever the length of the window.
///
/// Keys that occur in every batch would all flip in the same one. Therefore a key's first flip comes early, after a number of
/// values that its hash chooses; from then on the flips of different keys are spread over the length of a window.
#[derive(Debug, Clone, Copy)]
pub struct TwoStacks<A, M, F> {
    merge: M,
    finish: F,
    /// The number of panes of a full window.
    panes: u64,
    accumulator: PhantomData<fn() -> A>,
}

/// What is known of a key's values.
#[derive(Clone, Debug)]
pub struct Stacks<A> {
    /// The last is what the oldest value and all up to the back come to; the first is the newest value of the front.
    front: Vec<A>,
    back: Option<A>,
    /// The values of the back, oldest first; only of types that are copied by copying their bytes. The others are looked up in
    /// the panes when they are needed.
    recent: Vec<A>,
    flipped: bool,
}

impl<A: Data, M: Merge<A>, F> TwoStacks<A, M, F> {
    /// Brings values together with `merge` and makes of them with `finish` what the window, of `panes` panes, gives.
    pub fn new(merge: M, finish: F, panes: u64) -> Self {
        TwoStacks { merge, finish, panes, accumulator: PhantomData }
    }

    /// Whether the values of the back are kept beside each other, too: cheap for small ones, and much faster than to look them up
    /// in as many panes.
    const KEEPS_RECENT: bool = !needs_drop::<A>();

    /// Moves all values to the front.
    fn flip<K>(&self, held: &mut Stacks<A>, values: Chain<'_, K, A>) {
        if Self::KEEPS_RECENT {
            let left = held.recent.len() - values.len();
            held.recent.drain(..left);
            held.recent.reverse();
            std::mem::swap(&mut held.front, &mut held.recent);
            held.recent.clear();
        } else {
            held.front.clear();
            held.front.extend(values.cloned());
        }
        for newer in 1..held.front.len() {
            let (sums, older) = held.front.split_at_mut(newer);
            self.merge.merge(&mut older[0], &sums[newer - 1]);
        }
        held.back = None;
        held.flipped = true;
    }

    /// After how many values a key with this hash flips first.
    fn first_flip(&self, hash: u32) -> u64 {
        1 + (u64::from(hash) * self.panes >> 32)
    }
}

impl<A, Out, M, F> Sliding<A> for TwoStacks<A, M, F>
where
    A: Data,
    Out: Data,
    M: Merge<A>,
    F: Fn(&A) -> Out + Send + Sync + 'static,
{
    type Held = Stacks<A>;
    type Out = Out;

    fn begin(&self, value: &A) -> Stacks<A> {
        let recent = if Self::KEEPS_RECENT { vec![value.clone()] } else { Vec::new() };
        Stacks { front: Vec::new(), back: Some(value.clone()), recent, flipped: false }
    }

    fn enter<K>(&self, held: &mut Stacks<A>, value: &A, hash: u32, values: Chain<'_, K, A>) {
        match &mut held.back {
            Some(back) => self.merge.merge(back, value),
            None => held.back = Some(value.clone()),
        }
        if Self::KEEPS_RECENT {
            held.recent.push(value.clone());
        }
        if !held.flipped && values.len() as u64 == self.first_flip(hash) {
            self.flip(held, values);
        }
    }

    fn leave<K>(&self, held: &mut Stacks<A>, _value: &A, values: Chain<'_, K, A>) {
        if held.front.pop().is_none() {
            self.flip(held, values);
        }
    }

    fn read<K>(&self, held: &Stacks<A>, _values: Chain<'_, K, A>) -> Out {
        match (held.front.last(), &held.back) {
            (Some(front), Some(back)) => {
                let mut all = front.clone();
                self.merge.merge(&mut all, back);
                (self.finish)(&all)
            }
            (Some(all), None) | (None, Some(all)) => (self.finish)(all),
            (None, None) => unreachable!("a key in the window has a value"),
        }
    }
}
