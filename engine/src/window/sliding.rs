use super::{Chain, Keys};
use crate::rdd::{Data, Key};

/// What is kept for each key of a window, and how it follows the window. A value is what one pane has for the key.
///
/// The functions are given the key's values as a [`Chain`], newest first, should they need to begin anew.
pub trait Sliding<V: Data>: Send + Sync + 'static {
    /// What is kept for a key while the window has any value of it.
    type Held: Data;
    /// What is kept beside the panes.
    type Beside: Data + Default;
    /// What the window gives for a key.
    type Out: Data;

    /// The key's first value has entered.
    fn begin(&self, beside: &Self::Beside, value: &V) -> Self::Held;

    /// `value` has entered behind the others; it is the first of `values`.
    fn enter<K>(&self, beside: &Self::Beside, held: &mut Self::Held, value: &V, values: Chain<'_, K, V>);

    /// `value`, the oldest, leaves; it is the entry number `index` of its pane. `values` remain.
    fn leave<K>(
        &self,
        beside: &mut Self::Beside,
        held: &mut Self::Held,
        index: usize,
        value: &V,
        values: Chain<'_, K, V>,
    );

    /// What the key's values come to.
    fn read<K>(&self, beside: &Self::Beside, held: &Self::Held, values: Chain<'_, K, V>) -> Self::Out;

    /// A value of which [`begin`](Self::begin) makes what is held, if there is one. It is what a checkpoint has of a window that all
    /// values have left, and only asked for where such a window still gives something.
    fn value_of(&self, _held: &Self::Held) -> Option<V> {
        None
    }

    /// Called once a step, before anything leaves or enters.
    fn tend<K: Key>(&self, _beside: &mut Self::Beside, _keys: &mut Keys<'_, K, V, Self::Held>) {}

    /// Called before the values of the oldest pane leave.
    fn before_leaving<K: Key>(&self, _beside: &mut Self::Beside, _keys: &mut Keys<'_, K, V, Self::Held>) {}

    /// The values of the oldest pane have left.
    fn pane_left(&self, _beside: &mut Self::Beside) {}

    /// The bytes of what is kept beside the panes; what values own elsewhere is not counted.
    fn bytes_beside(_beside: &Self::Beside) -> usize {
        0
    }

    /// The values of a new pane have entered.
    fn pane_entered(&self, _beside: &mut Self::Beside) {}
}
