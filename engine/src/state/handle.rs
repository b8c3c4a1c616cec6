use std::fmt;

/// The state of one key, as the function of [`map_with_state`](crate::DStream::map_state) sees it while it is called.
///
/// What the function does to it holds when the function has returned: should it panic, nothing has happened.
///
/// ```
/// use millstream_engine::state::State;
///
/// let mut state = State::new(Some(&1));
/// let sum = state.get().unwrap_or(&0) + 41;
/// state.update(sum);
/// assert_eq!(state.get(), Some(&42));
/// state.remove();
/// assert!(!state.exists());
/// ```
#[derive(Debug)]
pub struct State<'a, S> {
    before: Option<&'a S>,
    change: Change<S>,
    is_timing_out: bool,
}

/// What a function did to the state that it was given.
#[derive(Debug)]
pub(super) enum Change<S> {
    Nothing,
    Updated(S),
    Removed,
}

impl<'a, S> State<'a, S> {
    /// The state of a key that has `state`, or none: to try out a function by itself.
    pub fn new(state: Option<&'a S>) -> Self {
        State { before: state, change: Change::Nothing, is_timing_out: false }
    }

    /// The state of a key that is timing out.
    pub fn timing_out(state: &'a S) -> Self {
        State { before: Some(state), change: Change::Nothing, is_timing_out: true }
    }

    /// True when the key has a state.
    pub fn exists(&self) -> bool {
        self.get().is_some()
    }

    /// The state, if the key has one.
    #[inline]
    pub fn get(&self) -> Option<&S> {
        match &self.change {
            Change::Nothing => self.before,
            Change::Updated(state) => Some(state),
            Change::Removed => None,
        }
    }

    /// Sets the state.
    ///
    /// # Panics
    /// After [`remove`](Self::remove), and when the key is [timing out](Self::is_timing_out).
    #[inline]
    pub fn update(&mut self, state: S) {
        assert!(!self.is_removed(), "Cannot update the state after it has been removed");
        assert!(!self.is_timing_out, "Cannot update the state that is timing out");
        self.change = Change::Updated(state);
    }

    /// Takes the state away; the key is forgotten.
    ///
    /// # Panics
    /// When it has been removed in this call, and when the key is [timing out](Self::is_timing_out).
    pub fn remove(&mut self) {
        assert!(!self.is_timing_out, "Cannot remove the state that is timing out");
        assert!(!self.is_removed(), "Cannot remove the state that has already been removed");
        self.change = Change::Removed;
    }

    /// True when this is the last call for the key, because it has had no record for longer than the timeout: the state can be
    /// read, but not changed, and is gone after the call.
    pub fn is_timing_out(&self) -> bool {
        self.is_timing_out
    }

    fn is_removed(&self) -> bool {
        matches!(self.change, Change::Removed)
    }

    #[inline]
    pub(super) fn into_change(self) -> Change<S> {
        self.change
    }
}

/// The state, or `<state not set>`.
impl<S: fmt::Display> fmt::Display for State<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.get() {
            Some(state) => state.fmt(f),
            None => f.write_str("<state not set>"),
        }
    }
}
