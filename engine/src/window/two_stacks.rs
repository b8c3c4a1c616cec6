use std::marker::PhantomData;

use super::{Chain, Keys, Sliding};
use crate::rdd::{Data, Key};

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
/// The queue of two stacks, over whole panes, with the work of a flip done ahead of time, one pane a slide (after Tangwongsan,
/// Hirzel, Schneider, "In-order sliding-window aggregation in worst-case constant time", VLDB Journal 2021):
///
/// ```text
///   oldest                                    newest
///   [ front: its rests are known | middle: being turned | back ]
/// ```
///
/// For each key there is what its values in each of the three parts come to. A value that enters is merged into the *back*. Each
/// pane of the *front* has, for each of its keys, the *rest*: what the key's later values in the front come to. When the pane
/// leaves, that is what the front comes to. Meanwhile the *middle* is turned: from its newest pane to its oldest, the rests are
/// made. When the front is used up, the middle becomes the front and the back the middle. So each value is merged twice in its
/// life, every slide does the same amount of work, and all of it goes through panes from end to end.
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
pub struct Parts<A> {
    /// The turn of the window at which this was right; see [`Parts::at`].
    turn: u32,
    front: Option<A>,
    middle: Option<A>,
    back: Option<A>,
    /// What the part of the middle that is turned comes to.
    turned: Option<A>,
}

/// What is known of the panes.
#[derive(Clone, Debug)]
pub struct Turning<A> {
    /// Even: there is no middle. It goes up by one when the back becomes the middle, and when the middle becomes the front.
    turn: u32,
    /// The rests of the front's panes, the oldest pane's last.
    front: Vec<Vec<Option<A>>>,
    /// The same of the panes of the middle that are turned.
    turned: Vec<Vec<Option<A>>>,
    /// The number of panes of the middle.
    middle: usize,
    /// The number of panes of the back.
    back: usize,
    /// The bytes of all rests.
    bytes: usize,
}

impl<A> Default for Turning<A> {
    fn default() -> Self {
        Turning { turn: 0, front: Vec::new(), turned: Vec::new(), middle: 0, back: 0, bytes: 0 }
    }
}

impl<A> Turning<A> {
    /// The back becomes the middle.
    fn freeze(&mut self) {
        debug_assert!(self.turn.is_multiple_of(2) && self.middle == 0);
        self.turn = self.turn.wrapping_add(1);
        self.middle = std::mem::take(&mut self.back);
    }

    /// The middle, all of it turned, becomes the front.
    fn install(&mut self) {
        debug_assert!(
            !self.turn.is_multiple_of(2) && self.front.is_empty() && self.turned.len() == self.middle
        );
        self.turn = self.turn.wrapping_add(1);
        self.front = std::mem::take(&mut self.turned);
        self.middle = 0;
    }

    fn is_turned(&self) -> bool {
        self.middle > 0 && self.turned.len() == self.middle
    }
}

impl<A> Parts<A> {
    /// Brings what is known up to the turn of the window: nobody goes through all keys when the parts change.
    #[inline]
    fn at(&mut self, turn: u32) -> &mut Self {
        while self.turn != turn {
            if self.turn.is_multiple_of(2) {
                self.middle = self.back.take();
            } else {
                self.front = self.turned.take();
                self.middle = None;
            }
            self.turn = self.turn.wrapping_add(1);
            if self.front.is_none() && self.middle.is_none() && self.back.is_none() && self.turned.is_none() {
                self.turn = turn;
            }
        }
        self
    }

    /// The parts that have values, oldest first, as they are at `turn`.
    fn parts_at(&self, turn: u32) -> [Option<&A>; 3] {
        let [front, middle, back] = [&self.front, &self.middle, &self.back].map(Option::as_ref);
        match (turn.wrapping_sub(self.turn), self.turn % 2) {
            (0, _) => [front, middle, back],
            (1, 0) => [front, back, None],
            (1, _) => [self.turned.as_ref(), None, back],
            (2, 0) => [None, None, None],
            (2, _) => [self.turned.as_ref(), back, None],
            _ => [None; 3],
        }
    }
}

impl<A: Data, M: Merge<A>, F> TwoStacks<A, M, F> {
    /// Brings values together with `merge` and makes of them with `finish` what the window, of `panes` panes, gives.
    pub fn new(merge: M, finish: F, panes: u64) -> Self {
        TwoStacks { merge, finish, panes, accumulator: PhantomData }
    }

    /// Turns the newest pane of the middle that is not turned.
    fn turn_pane<K: Key>(&self, beside: &mut Turning<A>, keys: &mut Keys<'_, K, A, Parts<A>>) {
        let pane = beside.front.len() + beside.middle - 1 - beside.turned.len();
        let turn = beside.turn;
        let rests = keys.visit(pane, |held, value| {
            let held = held.at(turn);
            let rest = held.turned.take();
            let mut all = value.clone();
            if let Some(newer) = &rest {
                self.merge.merge(&mut all, newer);
            }
            held.turned = Some(all);
            rest
        });
        beside.bytes += size_of_val(rests.as_slice());
        beside.turned.push(rests);
    }

    /// True when the back is large enough to become the middle: as large as the front, or, before there is one, as half of the
    /// window.
    fn is_ripe(&self, beside: &Turning<A>) -> bool {
        let least = if beside.front.is_empty() { self.panes.div_ceil(2) } else { beside.front.len() as u64 };
        beside.back > 0 && beside.back as u64 >= least
    }
}

impl<A, Out, M, F> Sliding<A> for TwoStacks<A, M, F>
where
    A: Data,
    Out: Data,
    M: Merge<A>,
    F: Fn(&A) -> Out + Send + Sync + 'static,
{
    type Held = Parts<A>;
    type Beside = Turning<A>;
    type Out = Out;

    fn begin(&self, beside: &Turning<A>, value: &A) -> Parts<A> {
        Parts { turn: beside.turn, front: None, middle: None, back: Some(value.clone()), turned: None }
    }

    #[inline]
    fn enter<K>(&self, beside: &Turning<A>, held: &mut Parts<A>, value: &A, _values: Chain<'_, K, A>) {
        match &mut held.at(beside.turn).back {
            Some(back) => self.merge.merge(back, value),
            back @ None => *back = Some(value.clone()),
        }
    }

    #[inline]
    fn leave<K>(
        &self,
        beside: &mut Turning<A>,
        held: &mut Parts<A>,
        index: usize,
        _value: &A,
        _values: Chain<'_, K, A>,
    ) {
        let rest = beside.front.last_mut().and_then(|rests| rests.get_mut(index)?.take());
        held.at(beside.turn).front = rest;
    }

    fn read<K>(&self, beside: &Turning<A>, held: &Parts<A>, _values: Chain<'_, K, A>) -> Out {
        let mut parts = held.parts_at(beside.turn).into_iter().flatten();
        let (first, second) = (parts.next(), parts.next());
        match (first, second) {
            (Some(all), None) => (self.finish)(all),
            (Some(first), Some(second)) => {
                let mut all = first.clone();
                self.merge.merge(&mut all, second);
                parts.for_each(|newer| self.merge.merge(&mut all, newer));
                (self.finish)(&all)
            }
            (None, _) => unreachable!("a key in the window has a value"),
        }
    }

    fn tend<K: Key>(&self, beside: &mut Turning<A>, keys: &mut Keys<'_, K, A, Parts<A>>) {
        if beside.front.is_empty() && beside.is_turned() {
            beside.install();
        }
        if beside.middle == 0 && self.is_ripe(beside) {
            beside.freeze();
        }
        let left = beside.middle - beside.turned.len();
        // They must be done when the front is used up; as long as there is none, nothing leaves.
        let now = if beside.front.is_empty() { left.min(1) } else { left.div_ceil(beside.front.len()) };
        for _ in 0..now {
            self.turn_pane(beside, keys);
        }
    }

    fn before_leaving<K: Key>(&self, beside: &mut Turning<A>, keys: &mut Keys<'_, K, A, Parts<A>>) {
        if beside.front.is_empty() {
            if beside.middle == 0 {
                beside.freeze();
            }
            while !beside.is_turned() {
                self.turn_pane(beside, keys);
            }
            beside.install();
        }
    }

    fn pane_left(&self, beside: &mut Turning<A>) {
        if let Some(rests) = beside.front.pop() {
            beside.bytes -= size_of_val(rests.as_slice());
        }
    }

    fn bytes_beside(beside: &Turning<A>) -> usize {
        beside.bytes
    }

    fn pane_entered(&self, beside: &mut Turning<A>) {
        beside.back += 1;
    }
}
