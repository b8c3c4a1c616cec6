use std::ops::Range;

use super::{KeyMap, Pages};
use crate::rdd::{Data, Key};

/// A record that has come to its bucket, with half of the hash of its key.
pub(super) struct Arrived<K, V> {
    pub(super) hash: u32,
    pub(super) key: K,
    pub(super) value: V,
}

/// The values of a batch that belong to one bucket, by key.
pub(super) struct Groups<K, V> {
    /// The values, those of one key together, in the order of the keys' places and, for one key, of arrival.
    values: Vec<V>,
    /// For each key that has values: its place, and where they end. The places of new keys follow those of the bucket.
    ends: Vec<(usize, usize)>,
    new: KeyMap<K, u32>,
    keys: usize,
}

impl<K: Key, V: Data> Groups<K, V> {
    /// Brings the values together by the places that their keys have in `bucket`.
    pub(super) fn new<S>(bucket: &KeyMap<K, S>, records: Vec<Arrived<K, V>>) -> Self {
        let (keys, mut new) = (bucket.len(), KeyMap::new());
        let mut placed: Vec<(usize, V)> = Vec::with_capacity(records.len());
        for Arrived { hash, key, value } in records {
            let place = bucket.find(hash, &key).unwrap_or_else(|| {
                keys + new.find(hash, &key).unwrap_or_else(|| new.insert(hash, key, hash))
            });
            placed.push((place, value));
        }
        placed.sort_by_key(|(place, _)| *place);
        let mut ends: Vec<(usize, usize)> = Vec::new();
        let mut values = Vec::with_capacity(placed.len());
        for (place, value) in placed {
            values.push(value);
            match ends.last_mut().filter(|last| last.0 == place) {
                Some(last) => last.1 = values.len(),
                None => ends.push((place, values.len())),
            }
        }
        Groups { values, ends, new, keys }
    }

    /// The keys that the bucket does not have, each with half of its hash.
    pub(super) fn new_keys(&self) -> &Pages<(K, u32)> {
        self.new.entries()
    }

    /// To go through the keys in the order of their places.
    pub(super) fn cursor(&self) -> Cursor {
        Cursor::default()
    }

    /// Where the values of the key at `place` are; the places must be asked for in ascending order.
    #[inline]
    pub(super) fn range(&self, cursor: &mut Cursor, place: usize) -> Range<usize> {
        match self.ends.get(cursor.group) {
            Some((of, end)) if *of == place => {
                let begin = std::mem::replace(&mut cursor.end, *end);
                cursor.group += 1;
                begin..*end
            }
            _ => 0..0,
        }
    }

    /// The values of the key at `place`, as [`range`](Self::range).
    #[inline]
    pub(super) fn of(&self, cursor: &mut Cursor, place: usize) -> &[V] {
        &self.values[self.range(cursor, place)]
    }

    /// The place of the new key with this number.
    pub(super) fn place_of_new(&self, number: usize) -> usize {
        self.keys + number
    }

    pub(super) fn into_new_keys(self) -> Pages<(K, u32)> {
        self.new.into_entries()
    }

    pub(super) fn take_values(&mut self) -> std::vec::IntoIter<V> {
        std::mem::take(&mut self.values).into_iter()
    }
}

/// How far one has come among the keys of [`Groups`].
#[derive(Default)]
pub(super) struct Cursor {
    group: usize,
    end: usize,
}
