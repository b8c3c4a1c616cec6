use std::collections::VecDeque;
use std::sync::Arc;

use ahash::RandomState;

use super::{Chain, EntryRef, Pane, PaneEntry, Sliding};
use crate::Time;
use crate::rdd::{Data, Key};
use crate::state::KeyMap;

/// One partition of a window: its panes, and the index of their keys.
pub(crate) struct Live<K, V, H> {
    index: KeyMap<K, Member<H>>,
    panes: VecDeque<Arc<Pane<K, V>>>,
    /// The number of the first of `panes`.
    first: u32,
    /// What the last key that left came to, for windows that are never empty again once they have held something.
    rest: Option<(K, H)>,
}

/// A key that occurs in the window.
#[derive(Clone)]
struct Member<H> {
    last: EntryRef,
    /// The number of panes that have the key.
    count: u32,
    held: H,
}

/// How far ahead of its use a key's slot is fetched, and half as far its entry.
const AHEAD: usize = 16;

impl<K: Key, V: Data, H: Data> Live<K, V, H> {
    pub(crate) fn new() -> Self {
        Live { index: KeyMap::new(), panes: VecDeque::new(), first: 0, rest: None }
    }

    /// The same panes, with the index made anew from them.
    pub(crate) fn rebuilt<S: Sliding<V, Held = H>>(&self, sliding: &S) -> Self {
        let (panes, rest) = (self.panes.clone(), self.rest.clone());
        let mut live = Live { index: KeyMap::new(), panes: VecDeque::new(), first: self.first, rest };
        for pane in panes {
            for index in 0..pane.entries.len() {
                live.enter(sliding, &pane.entries, index);
            }
            live.panes.push_back(pane);
        }
        live
    }

    pub(crate) fn keys(&self) -> usize {
        self.index.len()
    }

    pub(crate) fn weight(&self) -> usize {
        self.index.bytes()
    }

    /// The number of panes up to and including `time`.
    pub(crate) fn panes_through(&self, time: Time) -> usize {
        self.panes.partition_point(|pane| pane.time <= time)
    }

    pub(crate) fn has_panes_after(&self, time: Time) -> bool {
        self.panes.back().is_some_and(|pane| pane.time > time)
    }

    /// Takes the keys of the first `panes` panes out of the index; the panes stay until they are [dropped](Self::drop_panes).
    pub(crate) fn leave_panes<S: Sliding<V, Held = H>>(
        &mut self,
        sliding: &S,
        panes: usize,
        hasher: &RandomState,
        sticky: bool,
    ) {
        for pane in 0..panes {
            let pane = Arc::clone(&self.panes[pane]);
            for (index, entry) in pane.entries.iter().enumerate() {
                self.fetch(&pane.entries, index);
                self.leave(sliding, entry, hasher, sticky);
            }
        }
    }

    #[inline]
    fn leave<S: Sliding<V, Held = H>>(
        &mut self,
        sliding: &S,
        entry: &PaneEntry<K, V>,
        hasher: &RandomState,
        sticky: bool,
    ) {
        let Some(place) = self.index.find(entry.hash, &entry.key) else {
            unreachable!("a key of a pane is in the index: it must hash and compare alike every time")
        };
        let member = self.index.value_mut(place);
        member.count -= 1;
        if member.count > 0 || sticky {
            let (panes, first) = (&self.panes, self.first);
            let values = Chain { panes, first, entering: &[], next: member.last, left: member.count };
            sliding.leave(&mut member.held, &entry.value, values);
        }
        if member.count == 0 {
            let (key, member) = self.index.remove(place, |key| hasher.hash_one(key) as u32);
            self.rest = sticky.then_some((key, member.held));
        }
    }

    /// Adds the keys of a new pane to the index; the pane itself is added [later](Self::push_pane).
    pub(crate) fn enter_pane<S: Sliding<V, Held = H>>(
        &mut self,
        sliding: &S,
        entries: &mut [PaneEntry<K, V>],
    ) {
        for index in 0..entries.len() {
            self.fetch(entries, index);
            let entry = &entries[index];
            if let Some(place) = self.index.find(entry.hash, &entry.key) {
                entries[index].before = self.index.value(place).last;
            }
            self.enter(sliding, entries, index);
        }
    }

    #[inline]
    fn enter<S: Sliding<V, Held = H>>(&mut self, sliding: &S, entries: &[PaneEntry<K, V>], index: usize) {
        let entry = &entries[index];
        let last = EntryRef { pane: self.next_pane(), index: index as u32 };
        let Some(place) = self.index.find(entry.hash, &entry.key) else {
            let member = Member { last, count: 1, held: sliding.begin(&entry.value) };
            self.index.insert(entry.hash, entry.key.clone(), member);
            return;
        };
        let member = self.index.value_mut(place);
        member.last = last;
        member.count += 1;
        let (panes, first) = (&self.panes, self.first);
        let values = Chain { panes, first, entering: entries, next: last, left: member.count };
        sliding.enter(&mut member.held, &entry.value, entry.hash, values);
    }

    /// Has the memory of the keys behind `index` fetched.
    #[inline]
    fn fetch(&self, entries: &[PaneEntry<K, V>], index: usize) {
        if let Some(entry) = entries.get(index + AHEAD) {
            self.index.prefetch_slot(entry.hash);
        }
        if let Some(entry) = entries.get(index + AHEAD / 2) {
            self.index.prefetch_entry(entry.hash);
        }
    }

    fn next_pane(&self) -> u32 {
        self.first.wrapping_add(self.panes.len() as u32)
    }

    pub(crate) fn drop_panes(&mut self, panes: usize) {
        self.panes.drain(..panes);
        self.first = self.first.wrapping_add(panes as u32);
    }

    /// Adds a pane whose keys have entered. One without keys is not needed.
    pub(crate) fn push_pane(&mut self, time: Time, entries: Vec<PaneEntry<K, V>>) {
        if !entries.is_empty() {
            self.panes.push_back(Arc::new(Pane { time, entries }));
        }
    }

    /// The same with all panes left.
    pub(crate) fn emptied(&self) -> Self {
        Live { first: self.next_pane(), ..Live::new() }
    }

    /// What the window gives.
    pub(crate) fn read<'a, S: Sliding<V, Held = H>>(
        &'a self,
        sliding: &'a S,
    ) -> impl Iterator<Item = (K, S::Out)> + use<'a, K, V, H, S> {
        let (panes, first) = (&self.panes, self.first);
        let members = self.index.entries().iter().map(move |(key, member)| {
            let values = Chain { panes, first, entering: &[], next: member.last, left: member.count };
            (key.clone(), sliding.read(&member.held, values))
        });
        let rest = self.rest.iter().filter(|_| self.index.len() == 0).map(move |(key, held)| {
            let values = Chain { panes, first, entering: &[], next: EntryRef::default(), left: 0 };
            (key.clone(), sliding.read(held, values))
        });
        members.chain(rest)
    }
}

impl<K: Key, V: Data, H: Data> Clone for Live<K, V, H> {
    fn clone(&self) -> Self {
        let Live { index, panes, first, rest } = self;
        Live { index: index.clone(), panes: panes.clone(), first: *first, rest: rest.clone() }
    }
}
