use super::Chain;
use crate::rdd::Data;

/// What is kept for each key of a window, and how it follows the window. A value is what one pane has for the key.
///
/// The functions are given the key's values as a [`Chain`], newest first, should they need to begin anew.
pub trait Sliding<V: Data>: Send + Sync + 'static {
    /// What is kept for a key while the window has any value of it.
    type Held: Data;
    /// What the window gives for a key.
    type Out: Data;

    /// The key's first value has entered.
    fn begin(&self, value: &V) -> Self::Held;

    /// `value` has entered behind the others; it is the first of `values`.
    fn enter<K>(&self, held: &mut Self::Held, value: &V, hash: u32, values: Chain<'_, K, V>);

    /// `value`, the oldest, leaves; `values`, of which there is at least one, remain.
    fn leave<K>(&self, held: &mut Self::Held, value: &V, values: Chain<'_, K, V>);

    /// What the key's values come to.
    fn read<K>(&self, held: &Self::Held, values: Chain<'_, K, V>) -> Self::Out;
}
