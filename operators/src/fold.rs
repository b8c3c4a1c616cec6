use millstream_engine::rdd::Data;
use millstream_engine::shuffle::{Fold, Shuffle};

/// The number of records: `count`.
pub(crate) fn count<T: Data>() -> impl Shuffle<T, Out = u64> {
    Fold::new("count", || 0u64, |n: &mut u64, _: T| *n += 1, |a, b| a + b, Some)
}

/// All records brought together by `f`; nothing where there are none: `reduce`.
pub(crate) fn reduce<T: Data>(f: impl Fn(T, T) -> T + Send + Sync + 'static) -> impl Shuffle<T, Out = T> {
    let f = std::sync::Arc::new(f);
    let merge = std::sync::Arc::clone(&f);
    Fold::new(
        "reduce",
        || None,
        move |all: &mut Option<T>, item: T| *all = join(all.take(), Some(item), &*f),
        move |a, b| join(a, b, &*merge),
        |all| all,
    )
}

/// All records taken into an accumulator per worker, and those merged: `aggregate`, `fold`.
pub(crate) fn aggregate<T: Data, A: Data>(
    name: &'static str,
    zero: A,
    add: impl Fn(A, T) -> A + Send + Sync + 'static,
    merge: impl Fn(A, A) -> A + Send + Sync + 'static,
) -> impl Shuffle<T, Out = A> {
    Fold::new(
        name,
        move || Some(zero.clone()),
        move |all: &mut Option<A>, item: T| *all = all.take().map(|sum| add(sum, item)),
        move |a, b| join(a, b, &merge),
        |all| all,
    )
}

/// Both by `f`, or the one that is there.
pub(crate) fn join<T>(a: Option<T>, b: Option<T>, f: impl Fn(T, T) -> T) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(f(a, b)),
        (a, b) => a.or(b),
    }
}
