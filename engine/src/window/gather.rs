use super::{Chain, Sliding};
use crate::rdd::Data;

/// All values of the window, oldest first, each a list of its own: nothing is kept in advance.
#[derive(Debug, Clone, Copy)]
pub struct Gather;

impl<T: Data> Sliding<Vec<T>> for Gather {
    type Held = ();
    type Beside = ();
    type Out = Vec<T>;

    fn begin(&self, (): &(), _value: &Vec<T>) {}

    fn enter<K>(&self, (): &(), (): &mut (), _value: &Vec<T>, _values: Chain<'_, K, Vec<T>>) {}

    fn leave<K>(
        &self,
        (): &mut (),
        (): &mut (),
        _index: usize,
        _value: &Vec<T>,
        _values: Chain<'_, K, Vec<T>>,
    ) {
    }

    fn read<K>(&self, (): &(), (): &(), values: Chain<'_, K, Vec<T>>) -> Vec<T> {
        let lists: Vec<&Vec<T>> = values.collect();
        lists.into_iter().rev().flatten().cloned().collect()
    }
}
