use super::State;
use super::handle::Change;
use super::part::Part;
use super::timers::Timer;
use crate::Time;
use crate::rdd::{Data, Key};

/// The function of a [`StateSpec`](super::StateSpec), called for many records at a time, so that only its type is not known, not
/// what it is.
pub(super) trait StateFunction<K: Key, V, S: Data, E>: Send + Sync {
    /// Calls it for the records that wait, whose slots have come; in their order.
    fn records(&self, turn: &mut Turn<'_, K, S, E>, waiting: &mut Vec<Waiting<K, V>>);

    /// Calls it for the keys that time out in this batch.
    fn timeouts(&self, turn: &mut Turn<'_, K, S, E>);
}

/// What the function works on: one partition in one batch.
pub(super) struct Turn<'a, K, S, E> {
    pub(super) part: &'a mut Part<K, S>,
    pub(super) time: Time,
    pub(super) emitted: Vec<E>,
}

/// A record whose key's slot is being fetched.
pub(super) struct Waiting<K, V> {
    pub(super) hash: u32,
    pub(super) bucket: usize,
    pub(super) key: K,
    pub(super) value: V,
}

/// How far ahead of its use the slot of a timer's key is fetched, and half as far its stamp.
const AHEAD: usize = 16;

/// The user's function as a [`StateFunction`].
pub(super) struct Function<F>(pub(super) F);

impl<K, V, S, E, F> StateFunction<K, V, S, E> for Function<F>
where
    K: Key,
    S: Data,
    F: Fn(Time, &K, Option<V>, &mut State<'_, S>) -> Option<E> + Send + Sync,
{
    fn records(&self, turn: &mut Turn<'_, K, S, E>, waiting: &mut Vec<Waiting<K, V>>) {
        for record in &*waiting {
            turn.part.prefetch_entry(record.bucket, record.hash);
        }
        for record in waiting.drain(..) {
            self.record(turn, record);
        }
    }

    fn timeouts(&self, turn: &mut Turn<'_, K, S, E>) {
        for list in 0..turn.part.fire() {
            for index in 0..turn.part.fired(list).len() {
                fetch(turn.part, turn.part.fired(list), index);
                let timer = turn.part.fired(list)[index];
                while let Some(place) = turn.part.next_timed_out(list, timer) {
                    self.time_out(turn, usize::from(timer.bucket), place);
                }
            }
        }
    }
}

/// Has the memory of the keys fetched whose timers stand behind `index`.
#[inline]
fn fetch<K: Key, S: Data>(part: &Part<K, S>, fired: &[Timer], index: usize) {
    if let Some(timer) = fired.get(index + AHEAD) {
        part.prefetch_slot(usize::from(timer.bucket), timer.hash);
    }
    if let Some(timer) = fired.get(index + AHEAD / 2) {
        part.prefetch_stamp(usize::from(timer.bucket), timer.hash);
    }
}

impl<F> Function<F> {
    /// Calls the function for one record, and then does what it has said.
    #[inline]
    fn record<K, V, S, E>(&self, turn: &mut Turn<'_, K, S, E>, record: Waiting<K, V>)
    where
        K: Key,
        S: Data,
        F: Fn(Time, &K, Option<V>, &mut State<'_, S>) -> Option<E>,
    {
        let Waiting { hash, bucket, key, value } = record;
        let place = turn.part.find(bucket, hash, &key);
        let mut state = State::new(place.map(|place| &turn.part.entry(bucket, place).1));
        let emitted = (self.0)(turn.time, &key, Some(value), &mut state);
        match (state.into_change(), place) {
            (Change::Updated(state), Some(place)) => turn.part.replace(bucket, place, state),
            (Change::Updated(state), None) => turn.part.insert(bucket, hash, key, state),
            (Change::Removed, Some(place)) => turn.part.remove(bucket, place),
            (Change::Nothing, Some(place)) => turn.part.refresh(bucket, place),
            (Change::Nothing | Change::Removed, None) => {}
        }
        turn.emitted.extend(emitted);
    }

    fn time_out<K, V, S, E>(&self, turn: &mut Turn<'_, K, S, E>, bucket: usize, place: usize)
    where
        K: Key,
        S: Data,
        F: Fn(Time, &K, Option<V>, &mut State<'_, S>) -> Option<E>,
    {
        let (key, state) = turn.part.entry(bucket, place);
        let emitted = (self.0)(turn.time, key, None, &mut State::timing_out(state));
        turn.part.remove(bucket, place);
        turn.emitted.extend(emitted);
    }
}
