use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Who is connected under which name.
#[derive(Debug, Default)]
pub(super) struct Senders(Mutex<BTreeMap<String, Arc<Turn>>>);

/// One name's right to store: that of its newest connection.
#[derive(Debug, Default)]
pub(super) struct Turn(Mutex<u64>);

impl Senders {
    /// The newest connection under `name` begins: when this returns, no earlier one is storing, nor will be again. `None` when
    /// there are `most` names already.
    pub(super) fn begin(&self, name: &str, most: usize) -> Option<Storing> {
        let turn = {
            let mut senders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if !senders.contains_key(name) && senders.len() >= most {
                return None;
            }
            Arc::clone(senders.entry(name.to_owned()).or_default())
        };
        let mut newest = turn.lock();
        *newest += 1;
        let number = *newest;
        drop(newest);
        Some(Storing { turn, number })
    }
}

impl Turn {
    fn lock(&self) -> MutexGuard<'_, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's right to store under its name.
pub(super) struct Storing {
    turn: Arc<Turn>,
    number: u64,
}

impl Storing {
    /// Runs `store`, unless a newer connection has come.
    pub(super) fn store<T>(&self, store: impl FnOnce() -> T) -> Option<T> {
        let newest = self.turn.lock();
        (*newest == self.number).then(store)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_connection_takes_the_right_of_an_older_one() {
        let senders = Senders::default();
        let (first, other) = (senders.begin("a", 2).unwrap(), senders.begin("b", 2).unwrap());
        assert_eq!(first.store(|| 1), Some(1));
        let second = senders.begin("a", 2).unwrap();
        assert_eq!((first.store(|| 1), second.store(|| 2), other.store(|| 3)), (None, Some(2), Some(3)));
    }

    #[test]
    fn there_are_no_more_names_than_allowed() {
        let senders = Senders::default();
        assert!(senders.begin("a", 1).is_some() && senders.begin("a", 1).is_some());
        assert!(senders.begin("b", 1).is_none());
    }
}
