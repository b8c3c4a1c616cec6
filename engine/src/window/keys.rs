use std::collections::VecDeque;
use std::sync::Arc;

use super::live::{AHEAD, Member};
use super::{Pane, PaneEntry};
use crate::rdd::{Data, Key};
use crate::state::KeyMap;

/// The keys of a window with what is kept for each, and the panes.
pub struct Keys<'a, K, V, H> {
    pub(super) index: &'a mut KeyMap<K, Member<H>>,
    pub(super) panes: &'a VecDeque<Arc<Pane<K, V>>>,
    /// So many of `panes` have left.
    pub(super) gone: usize,
}

impl<K: Key, V: Data, H: Data> Keys<'_, K, V, H> {
    /// Calls `f` for every key of a pane, the oldest that is left being number 0, with what is kept for the key and the pane's
    /// value.
    pub(super) fn visit<T>(&mut self, pane: usize, mut f: impl FnMut(&mut H, &V) -> T) -> Vec<T> {
        let entries = &self.panes[self.gone + pane].entries;
        let visit = |(at, entry): (usize, &PaneEntry<K, V>)| {
            fetch(self.index, entries, at);
            match self.index.find(entry.hash, &entry.key) {
                Some(place) => f(&mut self.index.value_mut(place).held, &entry.value),
                None => {
                    unreachable!("a key of a pane is in the index: it must hash and compare alike every time")
                }
            }
        };
        entries.iter().enumerate().map(visit).collect()
    }
}

/// Has the memory of the keys behind the entry at `at` fetched.
#[inline]
pub(super) fn fetch<K: Key, V, H>(index: &KeyMap<K, Member<H>>, entries: &[PaneEntry<K, V>], at: usize) {
    if let Some(entry) = entries.get(at + AHEAD) {
        index.prefetch_slot(entry.hash);
    }
    if let Some(entry) = entries.get(at + AHEAD / 2) {
        index.prefetch_entry(entry.hash);
    }
}
