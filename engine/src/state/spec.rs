use std::sync::Arc;
use std::time::Duration;

use super::State;
use super::function::{Function, StateFunction};
use crate::Time;
use crate::rdd::{BoxRdd, Data, Key, Rdd};

/// What `map_with_state` does: the function, the state that it begins with, the partitions and the timeout.
///
/// ```
/// use millstream_engine::state::{State, StateSpec};
/// use std::time::Duration;
///
/// // How often each word has come so far; words that have not come for a minute are forgotten.
/// let spec = StateSpec::function(|word: &String, one: Option<u64>, count: &mut State<u64>| {
///     let sum = count.get().unwrap_or(&0) + one.unwrap_or(0);
///     if !count.is_timing_out() {
///         count.update(sum);
///     }
///     (word.clone(), sum)
/// });
/// let spec = spec.timeout(Duration::from_secs(60)).partitions(4);
/// # let _: StateSpec<String, u64, u64, (String, u64)> = spec;
/// ```
pub struct StateSpec<K: Data, V, S: Data, E> {
    pub(super) function: Arc<dyn StateFunction<K, V, S, E>>,
    pub(super) initial: Option<BoxRdd<(K, S)>>,
    pub(crate) partitions: usize,
    pub(crate) timeout: Option<Duration>,
}

impl<K: Key, V: Data, S: Data, E: Data> StateSpec<K, V, S, E> {
    /// `f` is called once for every record, with its key, its value and the key's state, which it may read, set and remove; the
    /// records of one key see each other's changes. What it returns is a record of the mapped stream.
    ///
    /// With a [`timeout`](Self::timeout) it is also called for keys that time out, with no value.
    pub fn function(
        f: impl Fn(&K, Option<V>, &mut State<'_, S>) -> E + Send + Sync + 'static,
    ) -> StateSpec<K, V, S, E> {
        StateSpec::function_at(move |_, key, value, state| Some(f(key, value, state)))
    }

    /// The same for a function that is told the time of the batch, and gives a record or none.
    pub fn function_at(
        f: impl Fn(Time, &K, Option<V>, &mut State<'_, S>) -> Option<E> + Send + Sync + 'static,
    ) -> StateSpec<K, V, S, E> {
        StateSpec { function: Arc::new(Function(f)), initial: None, partitions: 0, timeout: None }
    }

    /// The state before the first batch, as if its keys had been updated in that batch. Of a key that is there twice, any
    /// one is taken.
    pub fn initial_state(mut self, rdd: impl Rdd<Item = (K, S)>) -> Self {
        self.initial = Some(rdd.boxed());
        self
    }

    /// The number of partitions of the state and of the mapped stream; 0 stands for the default parallelism.
    pub fn partitions(mut self, partitions: usize) -> Self {
        self.partitions = partitions;
        self
    }

    /// A key that has had no record for longer than this times out: in the first batch for which that holds, the function is
    /// called with no value and with a state that [is timing out](State::is_timing_out), and the key is dropped. A record in
    /// that very batch saves it.
    ///
    /// A timeout of 0 is a mistake that `start` reports.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

impl<K: Data, V, S: Data, E> Clone for StateSpec<K, V, S, E> {
    fn clone(&self) -> Self {
        StateSpec { function: Arc::clone(&self.function), initial: self.initial.clone(), ..*self }
    }
}

impl<K: Data, V, S: Data, E> std::fmt::Debug for StateSpec<K, V, S, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateSpec")
            .field("partitions", &self.partitions)
            .field("timeout", &self.timeout)
            .field("has_initial_state", &self.initial.is_some())
            .finish_non_exhaustive()
    }
}

/// After so many batches without a record a key times out: the first number for which it has been idle for longer than `timeout`.
pub(crate) fn span(timeout: Duration, slide: Duration) -> u32 {
    u32::try_from(timeout.as_millis() / slide.as_millis().max(1) + 1).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_times_out_when_it_has_been_idle_for_longer() {
        let span = |timeout| span(Duration::from_millis(timeout), Duration::from_secs(1));
        let cases = [(1, 1), (999, 1), (1_000, 2), (1_001, 2), (3_000, 4), (9_500, 10), (10_000, 11)];
        for (timeout, batches) in cases {
            assert_eq!(span(timeout), batches, "timeout {timeout}");
        }
        assert_eq!(span(u64::MAX), u32::MAX);
    }
}
