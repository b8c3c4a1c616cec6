use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::recovery::{CheckpointStore, CheckpointWriter};

/// A store of checkpoints in memory whose calls go wrong on request. Clones are the same store.
///
/// ```
/// use millstream_engine::recovery::CheckpointStore;
/// use millstream_engine::testkit::{MemoryStore, StoreCall, StoreFault};
///
/// let store = MemoryStore::new();
/// store.inject(StoreCall::Put, 2..=2, StoreFault::AfterDone);
/// store.put("first", b"1")?;
/// assert!(store.put("second", b"2").is_err());
/// assert_eq!(store.names(), ["first", "second"]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Mutex<Content>>);

/// The calls of a store that can be told to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum StoreCall {
    /// The names.
    List,
    /// An object or a part of it.
    Read,
    /// The beginning of an object that comes in pieces.
    Create,
    /// A piece of it.
    Append,
    /// Its end.
    Finish,
    /// A whole object, whether there may be one of its name or not.
    Put,
    /// A removal.
    Delete,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreFault {
    /// The call fails and has done nothing.
    Error,
    /// The call does what it should, and its answer is lost: it is reported as failed.
    AfterDone,
}

#[derive(Debug, Default)]
struct Content {
    objects: BTreeMap<String, Vec<u8>>,
    /// What a list shows while lists come late.
    shown: Option<Vec<String>>,
    calls: BTreeMap<StoreCall, u64>,
    faults: Vec<(StoreCall, RangeInclusive<u64>, StoreFault)>,
    /// How many calls went wrong.
    failed: u64,
}

impl MemoryStore {
    /// An empty one.
    pub fn new() -> Self {
        MemoryStore::default()
    }

    /// Has the calls of a kind with these numbers go wrong, counted from 1 since the store was made.
    pub fn inject(&self, call: StoreCall, numbers: RangeInclusive<u64>, fault: StoreFault) {
        self.content().faults.push((call, numbers, fault));
    }

    /// Nothing goes wrong any more.
    pub fn heal(&self) {
        let mut content = self.content();
        content.faults.clear();
        content.shown = None;
    }

    /// From now on lists show what there is now, until [`heal`](Self::heal).
    pub fn lists_stay(&self) {
        let mut content = self.content();
        content.shown = Some(content.objects.keys().cloned().collect());
    }

    /// How often a call was made.
    pub fn calls(&self, call: StoreCall) -> u64 {
        self.content().calls.get(&call).copied().unwrap_or(0)
    }

    /// How many calls went wrong.
    pub fn faults(&self) -> u64 {
        self.content().failed
    }

    /// The names of all objects, in order.
    pub fn names(&self) -> Vec<String> {
        self.content().objects.keys().cloned().collect()
    }

    /// Changes the bytes of an object, as a defect of the store would; without effect when there is none.
    pub fn damage(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        if let Some(object) = self.content().objects.get_mut(name) {
            change(object);
        }
    }

    /// Another store with the same objects and lists, of which no call goes wrong.
    pub fn copied(&self) -> Self {
        let content = self.content();
        let (objects, shown) = (content.objects.clone(), content.shown.clone());
        MemoryStore(Arc::new(Mutex::new(Content { objects, shown, ..Content::default() })))
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a call, unless it is to fail.
    fn call<T>(&self, call: StoreCall, act: impl FnOnce(&mut Content) -> io::Result<T>) -> io::Result<T> {
        let mut content = self.content();
        let number = content.calls.entry(call).or_default();
        *number += 1;
        let number = *number;
        let mut faults = content.faults.iter();
        let fault = faults.find(|(of, numbers, _)| *of == call && numbers.contains(&number));
        let fault = fault.map(|(_, _, fault)| *fault);
        let injected = || io::Error::new(ErrorKind::TimedOut, format!("{call:?} {number} is made to fail"));
        match fault {
            None => act(&mut content),
            Some(fault) => {
                content.failed += 1;
                if fault == StoreFault::AfterDone {
                    act(&mut content)?;
                }
                Err(injected())
            }
        }
    }
}

impl CheckpointStore for MemoryStore {
    fn location(&self) -> String {
        "memory:".to_owned()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let names = |content: &Content| content.objects.keys().cloned().collect();
        self.call(StoreCall::List, |content| Ok(content.shown.clone().unwrap_or_else(|| names(content))))
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.call(StoreCall::Read, |content| content.object(name).cloned())
    }

    fn read_at(&self, name: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.call(StoreCall::Read, |content| {
            let object = content.object(name)?;
            let begin = object.len().min(usize::try_from(offset).unwrap_or(usize::MAX));
            Ok(object[begin..object.len().min(begin.saturating_add(len))].to_vec())
        })
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn CheckpointWriter>> {
        let writer = PendingObject { store: self.clone(), name: name.to_owned(), bytes: Vec::new() };
        self.call(StoreCall::Create, |_| Ok(Box::new(writer) as _))
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.call(StoreCall::Put, |content| {
            content.objects.insert(name.to_owned(), bytes.to_vec());
            Ok(())
        })
    }

    fn put_new(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.call(StoreCall::Put, |content| {
            if content.objects.contains_key(name) {
                return Err(ErrorKind::AlreadyExists.into());
            }
            content.objects.insert(name.to_owned(), bytes.to_vec());
            Ok(())
        })
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.call(StoreCall::Delete, |content| {
            content.objects.remove(name);
            Ok(())
        })
    }
}

impl Content {
    fn object(&self, name: &str) -> io::Result<&Vec<u8>> {
        self.objects
            .get(name)
            .ok_or_else(|| io::Error::new(ErrorKind::NotFound, format!("there is no {name}")))
    }
}

/// An object whose pieces come; nothing is seen of it before its end.
struct PendingObject {
    store: MemoryStore,
    name: String,
    bytes: Vec<u8>,
}

impl CheckpointWriter for PendingObject {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.store.call(StoreCall::Append, |_| Ok(()))?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        let PendingObject { store, name, bytes } = *self;
        store.call(StoreCall::Finish, |content| {
            content.objects.insert(name, bytes);
            Ok(())
        })
    }
}
