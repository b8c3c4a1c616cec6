use std::marker::PhantomData;

use millstream_engine::job::Task;
use millstream_engine::rdd::{Data, Flow, Key, Rdd};

/// Which keys a join keeps: those of both sides, of one, or all.
pub trait JoinKind<V, W>: Send + Sync + 'static {
    /// A value of each side, where the kind guarantees one.
    type Out: Data;

    /// The two values, unless the kind wants one that is missing.
    fn pair(left: Option<V>, right: Option<W>) -> Option<Self::Out>;
}

/// Keys that both sides have.
pub enum Inner {}

/// Keys of the left side.
pub enum LeftOuter {}

/// Keys of the right side.
pub enum RightOuter {}

/// Keys of either side.
pub enum FullOuter {}

impl<V: Data, W: Data> JoinKind<V, W> for Inner {
    type Out = (V, W);

    fn pair(left: Option<V>, right: Option<W>) -> Option<(V, W)> {
        left.zip(right)
    }
}

impl<V: Data, W: Data> JoinKind<V, W> for LeftOuter {
    type Out = (V, Option<W>);

    fn pair(left: Option<V>, right: Option<W>) -> Option<Self::Out> {
        left.map(|left| (left, right))
    }
}

impl<V: Data, W: Data> JoinKind<V, W> for RightOuter {
    type Out = (Option<V>, W);

    fn pair(left: Option<V>, right: Option<W>) -> Option<Self::Out> {
        right.map(|right| (left, right))
    }
}

impl<V: Data, W: Data> JoinKind<V, W> for FullOuter {
    type Out = (Option<V>, Option<W>);

    fn pair(left: Option<V>, right: Option<W>) -> Option<Self::Out> {
        Some((left, right))
    }
}

/// Every value of a key on one side with every value on the other, from a [`Cogroup`](crate::Cogroup):
/// [`join`](crate::JoinRddOps::join) and the outer joins.
pub struct Join<R, J> {
    parent: R,
    kind: PhantomData<fn() -> J>,
}

impl<R, J> Join<R, J> {
    pub(crate) fn new(parent: R) -> Self {
        Join { parent, kind: PhantomData }
    }
}

impl<R: Clone, J> Clone for Join<R, J> {
    fn clone(&self) -> Self {
        Join::new(self.parent.clone())
    }
}

impl<K, V, W, R, J> Rdd for Join<R, J>
where
    K: Key,
    V: Data,
    W: Data,
    R: Rdd<Item = (K, (Vec<V>, Vec<W>))>,
    J: JoinKind<V, W>,
{
    type Item = (K, J::Out);

    narrow!();

    fn compute(&self, partition: usize, task: &Task, mut sink: impl FnMut(Self::Item) -> Flow) -> Flow {
        self.parent.compute(partition, task, |(key, (lefts, rights))| {
            pairs::<V, W, J>(lefts, &rights, |pair| sink((key.clone(), pair)))
        })
    }
}

/// All pairs of a left and a right value; an empty side counts as one missing value.
fn pairs<V: Data, W: Data, J: JoinKind<V, W>>(
    lefts: Vec<V>,
    rights: &[W],
    mut sink: impl FnMut(J::Out) -> Flow,
) -> Flow {
    if lefts.is_empty() {
        return rights.iter().filter_map(|right| J::pair(None, Some(right.clone()))).try_for_each(sink);
    }
    lefts.into_iter().try_for_each(|left| with_each::<V, W, J>(left, rights, &mut sink))
}

/// One left value with every right value, or with a missing one.
pub(crate) fn with_each<V: Data, W: Data, J: JoinKind<V, W>>(
    left: V,
    rights: &[W],
    sink: impl FnMut(J::Out) -> Flow,
) -> Flow {
    if rights.is_empty() {
        return J::pair(Some(left), None).into_iter().try_for_each(sink);
    }
    rights.iter().filter_map(|right| J::pair(Some(left.clone()), Some(right.clone()))).try_for_each(sink)
}
