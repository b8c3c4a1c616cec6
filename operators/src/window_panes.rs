//! How a batch comes down to a pane: one value per key, or one value in all.

use std::sync::Arc;

use millstream_engine::DStream;
use millstream_engine::rdd::Rdd;
use millstream_engine::shuffle::{Fold, Wide};

use crate::fold::join;

/// The number of records of each batch that has any.
#[track_caller]
pub(crate) fn counts<R: Rdd>(stream: &DStream<R>) -> DStream<Wide<((), u64)>> {
    let add = |n: &mut u64, _| *n += 1;
    let fold = Fold::new("count", || 0, add, |a, b| a + b, |n| (n > 0).then_some(((), n)));
    stream.shuffled(fold, false)
}

/// The records of each batch brought together by `f`.
#[track_caller]
pub(crate) fn reduced<R: Rdd, F>(stream: &DStream<R>, f: &Arc<F>) -> DStream<Wide<((), R::Item)>>
where
    F: Fn(R::Item, R::Item) -> R::Item + Send + Sync + 'static,
{
    let (add, merge) = (Arc::clone(f), Arc::clone(f));
    let fold = Fold::new(
        "reduce",
        || None,
        move |all: &mut Option<R::Item>, item| *all = join(all.take(), Some(item), &*add),
        move |a, b| join(a, b, &*merge),
        |all: Option<R::Item>| all.map(|all| ((), all)),
    );
    stream.shuffled(fold, false)
}
