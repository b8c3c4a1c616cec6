use std::collections::VecDeque;
use std::sync::Arc;

use crate::job::KeyHashing;

use super::keys::fetch;
use super::{Chain, EntryRef, Keys, Pane, PaneEntry, Sliding};
use crate::Time;
use crate::rdd::{Data, Key};
use crate::state::KeyMap;
use crate::storage::Owned;

/// One partition of a window: its panes, and the index of their keys.
pub(crate) struct Live<K, V: Data, S: Sliding<V>> {
    index: KeyMap<K, Member<S::Held>>,
    panes: VecDeque<Arc<Pane<K, V>>>,
    /// The bytes of all panes.
    pane_bytes: usize,
    /// The number of the first of `panes`.
    first: u32,
    beside: S::Beside,
    /// What the last key that left came to, for windows that are never empty again once they have held something.
    rest: Option<(K, S::Held)>,
}

/// A key that occurs in the window.
#[derive(Clone)]
pub(crate) struct Member<H> {
    last: EntryRef,
    /// The number of panes that have the key.
    count: u32,
    pub(super) held: H,
}

/// How far ahead of its use a key's slot is fetched, and half as far its entry.
pub(super) const AHEAD: usize = 16;

impl<K: Key, V: Data, S: Sliding<V>> Live<K, V, S> {
    pub(crate) fn new() -> Self {
        let beside = S::Beside::default();
        Live { index: KeyMap::new(), panes: VecDeque::new(), pane_bytes: 0, first: 0, beside, rest: None }
    }

    /// The same panes, with everything else made anew from them.
    pub(crate) fn rebuilt(&self, sliding: &S) -> Self {
        let mut live = Live { first: self.first, rest: self.rest.clone(), ..Live::new() };
        for pane in &self.panes {
            for index in 0..pane.entries.len() {
                live.enter(sliding, &pane.entries, index);
            }
            sliding.pane_entered(&mut live.beside);
            live.pane_bytes += Self::pane_bytes(&pane.entries);
            live.panes.push_back(Arc::clone(pane));
        }
        live
    }

    /// The panes, oldest first.
    pub(super) fn panes(&self) -> impl Iterator<Item = &Arc<Pane<K, V>>> {
        self.panes.iter()
    }

    /// What the last key that left came to, as a value that it can be made of again.
    pub(super) fn rest(&self, sliding: &S) -> Option<(K, V)> {
        let (key, held) = self.rest.as_ref()?;
        Some((key.clone(), sliding.value_of(held)?))
    }

    pub(super) fn set_rest(&mut self, sliding: &S, key: K, value: &V) {
        self.rest = Some((key, sliding.begin(&self.beside, value)));
    }

    pub(crate) fn keys(&self) -> usize {
        self.index.len()
    }

    pub(crate) fn weight(&self) -> usize {
        self.index.bytes()
    }

    /// The bytes of the index, of the panes and of what is beside them; what keys and values own elsewhere is not counted.
    pub(crate) fn bytes(&self) -> usize {
        self.index.bytes() + self.pane_bytes + S::bytes_beside(&self.beside)
    }

    /// What keys and values own: those of the panes, and those of the index. What the values of a key come to is taken to own as
    /// much as one of them.
    pub(crate) fn owned(&self, (keys, values): (Owned<K>, Owned<V>)) -> usize {
        let entries = || self.panes.iter().flat_map(|pane| &pane.entries);
        let of_keys = keys.of_all(entries().map(|entry| &entry.key));
        let of_values = values.of_all(entries().map(|entry| &entry.value));
        let of_index = keys.of_all(self.index.entries().iter().map(|(key, _)| key));
        let panes: usize = self.panes.iter().map(|pane| pane.entries.len()).sum();
        of_keys + of_values + of_index + of_values / panes.max(1) * self.index.len()
    }

    /// The bytes of a pane of these keys.
    pub(crate) fn pane_bytes(entries: &[PaneEntry<K, V>]) -> usize {
        size_of_val(entries)
    }

    /// The number of panes up to and including `time`.
    pub(crate) fn panes_through(&self, time: Time) -> usize {
        self.panes.partition_point(|pane| pane.time <= time)
    }

    pub(crate) fn has_panes_after(&self, time: Time) -> bool {
        self.panes.back().is_some_and(|pane| pane.time > time)
    }

    /// Does what is to be done once a step, whatever leaves or enters.
    pub(crate) fn tend(&mut self, sliding: &S) {
        let mut keys = Keys { index: &mut self.index, panes: &self.panes, gone: 0 };
        sliding.tend(&mut self.beside, &mut keys);
    }

    /// Takes the keys of the first `panes` panes out of the index; the panes stay until they are [dropped](Self::drop_panes).
    pub(crate) fn leave_panes(&mut self, sliding: &S, panes: usize, hasher: &KeyHashing, sticky: bool) {
        for gone in 0..panes {
            let mut keys = Keys { index: &mut self.index, panes: &self.panes, gone };
            sliding.before_leaving(&mut self.beside, &mut keys);
            let pane = Arc::clone(&self.panes[gone]);
            for index in 0..pane.entries.len() {
                fetch(&self.index, &pane.entries, index);
                self.leave(sliding, &pane.entries, index, hasher, sticky);
            }
            sliding.pane_left(&mut self.beside);
        }
    }

    #[inline]
    fn leave(
        &mut self,
        sliding: &S,
        entries: &[PaneEntry<K, V>],
        index: usize,
        hasher: &KeyHashing,
        sticky: bool,
    ) {
        let entry = &entries[index];
        let Some(place) = self.index.find(entry.hash, &entry.key) else {
            unreachable!("a key of a pane is in the index: it must hash and compare alike every time")
        };
        let member = self.index.value_mut(place);
        member.count -= 1;
        if member.count > 0 || sticky {
            let (panes, first) = (&self.panes, self.first);
            let values = Chain { panes, first, entering: &[], next: member.last, left: member.count };
            sliding.leave(&mut self.beside, &mut member.held, index, &entry.value, values);
        }
        if member.count == 0 {
            let (key, member) = self.index.remove(place, |key| hasher.hash_one(key) as u32);
            self.rest = sticky.then_some((key, member.held));
        }
    }

    /// Adds the keys of a new pane to the index; the pane itself is added [later](Self::push_pane).
    pub(crate) fn enter_pane(&mut self, sliding: &S, entries: &mut [PaneEntry<K, V>]) {
        if entries.is_empty() {
            return;
        }
        for index in 0..entries.len() {
            fetch(&self.index, entries, index);
            let entry = &entries[index];
            if let Some(place) = self.index.find(entry.hash, &entry.key) {
                entries[index].before = self.index.value(place).last;
            }
            self.enter(sliding, entries, index);
        }
        sliding.pane_entered(&mut self.beside);
    }

    #[inline]
    fn enter(&mut self, sliding: &S, entries: &[PaneEntry<K, V>], index: usize) {
        let entry = &entries[index];
        let last = EntryRef { pane: self.next_pane(), index: index as u32 };
        let Some(place) = self.index.find(entry.hash, &entry.key) else {
            let held = sliding.begin(&self.beside, &entry.value);
            self.index.insert(entry.hash, entry.key.clone(), Member { last, count: 1, held });
            return;
        };
        let member = self.index.value_mut(place);
        member.last = last;
        member.count += 1;
        let (panes, first) = (&self.panes, self.first);
        let values = Chain { panes, first, entering: entries, next: last, left: member.count };
        sliding.enter(&self.beside, &mut member.held, &entry.value, values);
    }

    fn next_pane(&self) -> u32 {
        self.first.wrapping_add(self.panes.len() as u32)
    }

    pub(crate) fn drop_panes(&mut self, panes: usize) {
        let gone: usize = self.panes.drain(..panes).map(|pane| Self::pane_bytes(&pane.entries)).sum();
        self.pane_bytes -= gone;
        self.first = self.first.wrapping_add(panes as u32);
    }

    /// Adds a pane whose keys have entered. One without keys is not needed.
    pub(crate) fn push_pane(&mut self, time: Time, entries: Vec<PaneEntry<K, V>>) {
        if !entries.is_empty() {
            self.pane_bytes += Self::pane_bytes(&entries);
            self.panes.push_back(Arc::new(Pane { time, entries }));
        }
    }

    /// The same with all panes left.
    pub(crate) fn emptied(&self) -> Self {
        Live { first: self.next_pane(), ..Live::new() }
    }

    /// What the window gives.
    pub(crate) fn read<'a>(&'a self, sliding: &'a S) -> impl Iterator<Item = (K, S::Out)> + use<'a, K, V, S> {
        let (panes, first) = (&self.panes, self.first);
        let members = self.index.entries().iter().map(move |(key, member)| {
            let values = Chain { panes, first, entering: &[], next: member.last, left: member.count };
            (key.clone(), sliding.read(&self.beside, &member.held, values))
        });
        let rest = self.rest.iter().filter(|_| self.index.len() == 0).map(move |(key, held)| {
            let values = Chain { panes, first, entering: &[], next: EntryRef::default(), left: 0 };
            (key.clone(), sliding.read(&self.beside, held, values))
        });
        members.chain(rest)
    }
}

impl<K: Key, V: Data, S: Sliding<V>> Clone for Live<K, V, S> {
    fn clone(&self) -> Self {
        Live {
            index: self.index.clone(),
            panes: self.panes.clone(),
            pane_bytes: self.pane_bytes,
            first: self.first,
            beside: self.beside.clone(),
            rest: self.rest.clone(),
        }
    }
}
