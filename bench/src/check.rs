//! No number without the right answer.

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;

/// Stops the bench unless `got` has exactly the keys and counts of `expected`.
///
/// # Panics
/// When they differ; the message names the program and the first difference.
#[expect(clippy::panic, reason = "a bench of a wrong program must not go on")]
pub fn same_counts<K: Eq + Hash + Debug>(
    program: &str,
    got: impl IntoIterator<Item = (K, u64)>,
    expected: impl IntoIterator<Item = (K, u64)>,
) {
    let mut left: HashMap<K, u64> = expected.into_iter().collect();
    for (key, count) in got {
        match left.remove(&key) {
            Some(expected) if expected == count => (),
            Some(expected) => panic!("{program}: {key:?} came {expected} times, not {count}"),
            None => panic!("{program}: {key:?} never came, or was counted twice"),
        }
    }
    if let Some((key, count)) = left.iter().next() {
        panic!("{program}: {} keys are missing, among them {key:?}, which came {count} times", left.len());
    }
}

/// Stops the bench unless `got` is `expected`.
///
/// # Panics
/// When they differ.
#[expect(clippy::panic, reason = "a bench of a wrong program must not go on")]
#[expect(clippy::needless_pass_by_value, reason = "it is called with literals and results")]
pub fn same<T: PartialEq + Debug>(program: &str, got: T, expected: T) {
    if got != expected {
        panic!("{program}: {got:?} instead of {expected:?}");
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn every_difference_is_found() {
        let answer = [("a", 1), ("b", 2)];
        same_counts("right", [("b", 2), ("a", 1)], answer);
        for wrong in [vec![("a", 1)], vec![("a", 1), ("b", 3)], vec![("a", 1), ("b", 2), ("c", 1)]] {
            assert!(catch_unwind(|| same_counts("wrong", wrong.clone(), answer)).is_err(), "{wrong:?}");
        }
        assert!(catch_unwind(|| same_counts("twice", [("a", 1), ("a", 1), ("b", 2)], answer)).is_err());
    }
}
