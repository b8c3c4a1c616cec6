use std::collections::VecDeque;
use std::sync::Arc;

use crate::Time;

/// What one batch comes down to, in one partition: each of its keys once.
pub(crate) struct Pane<K, V> {
    pub(crate) time: Time,
    pub(crate) entries: Vec<PaneEntry<K, V>>,
}

#[derive(Clone)]
pub(crate) struct PaneEntry<K, V> {
    pub(crate) key: K,
    pub(crate) value: V,
    /// Half of the key's hash.
    pub(crate) hash: u32,
    /// Where the key occurred before; it need not be in the window any more.
    pub(crate) before: EntryRef,
}

/// A place in the panes of a partition.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct EntryRef {
    /// The pane's number, counted from the first pane that ever was.
    pub(crate) pane: u32,
    pub(crate) index: u32,
}

/// The values of one key in the window, newest first.
pub struct Chain<'a, K, V> {
    pub(crate) panes: &'a VecDeque<Arc<Pane<K, V>>>,
    /// The number of the first of `panes`.
    pub(crate) first: u32,
    /// The pane behind the last of `panes`, as far as it has entered.
    pub(crate) entering: &'a [PaneEntry<K, V>],
    pub(crate) next: EntryRef,
    pub(crate) left: u32,
}

impl<K, V> Clone for Chain<'_, K, V> {
    fn clone(&self) -> Self {
        Chain { ..*self }
    }
}

impl<'a, K, V> Iterator for Chain<'a, K, V> {
    type Item = &'a V;

    fn next(&mut self) -> Option<&'a V> {
        self.left = self.left.checked_sub(1)?;
        let pane = self.next.pane.wrapping_sub(self.first) as usize;
        let entries = self.panes.get(pane).map_or(self.entering, |pane| &pane.entries);
        let entry = entries.get(self.next.index as usize)?;
        self.next = entry.before;
        Some(&entry.value)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl<K, V> ExactSizeIterator for Chain<'_, K, V> {}
