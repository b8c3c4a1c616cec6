use std::marker::PhantomData;

use super::Shuffle;
use crate::Result;
use crate::job::{Executor, Job, Stage};
use crate::rdd::Data;

/// Brings all records of a batch down to one value per worker and those to at most one record: `reduce`, `fold`, `count`.
pub struct Fold<T, A, Zero, Add, Merge, Finish> {
    name: &'static str,
    zero: Zero,
    add: Add,
    merge: Merge,
    finish: Finish,
    types: PhantomData<fn(T) -> A>,
}

impl<T, A, Out, Zero, Add, Merge, Finish> Fold<T, A, Zero, Add, Merge, Finish>
where
    Zero: Fn() -> A,
    Add: Fn(&mut A, T),
    Merge: Fn(A, A) -> A,
    Finish: Fn(A) -> Option<Out>,
{
    /// Every worker begins with `zero` and adds its records; the results are merged, beginning with another `zero`, and
    /// `finish` makes the one record of it, or none.
    pub fn new(name: &'static str, zero: Zero, add: Add, merge: Merge, finish: Finish) -> Self {
        Fold { name, zero, add, merge, finish, types: PhantomData }
    }
}

impl<T, A, Out, Zero, Add, Merge, Finish> Shuffle<T> for Fold<T, A, Zero, Add, Merge, Finish>
where
    T: Data,
    A: Send + 'static,
    Out: Data,
    Zero: Fn() -> A + Send + Sync + 'static,
    Add: Fn(&mut A, T) + Send + Sync + 'static,
    Merge: Fn(A, A) -> A + Send + Sync + 'static,
    Finish: Fn(A) -> Option<Out> + Send + Sync + 'static,
{
    type Local = A;
    type Out = Out;

    fn name(&self) -> &'static str {
        self.name
    }

    fn partitions(&self) -> usize {
        1
    }

    fn local(&self) -> A {
        (self.zero)()
    }

    #[inline]
    fn add(&self, local: &mut A, item: T) {
        (self.add)(local, item);
    }

    fn merge(&self, locals: Vec<A>, executor: &Executor, job: &Job) -> Result<Vec<Vec<Out>>> {
        let locals = std::sync::Mutex::new(locals);
        let stage = Stage { name: self.name, partitions: 1, weight: 0 };
        executor.run_once(job, stage, |_| {
            let locals =
                std::mem::take(&mut *locals.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
            let all = locals.into_iter().fold((self.zero)(), &self.merge);
            (self.finish)(all).into_iter().collect()
        })
    }
}
