use std::collections::BTreeMap;
use std::sync::Arc;

use crate::job::KeyHashing;
use proptest::prelude::*;

use super::*;
use crate::rdd::Flow;
use crate::state::Snapshot;

/// One of two partitions.
fn part(span: Option<u32>) -> Part<u64, u64> {
    Part::new(0, 2, &KeyHashing::with_seed(3), span)
}

/// The keys that belong to the partition of [`part`].
fn keys() -> impl Iterator<Item = u64> {
    let hasher = KeyHashing::with_seed(3);
    (0..).filter(move |key| bucket_of(hasher.hash_one(key)) < BUCKETS / 2)
}

#[derive(Clone, Debug)]
enum Op {
    Set(usize, u64),
    Remove(usize),
    Look(usize),
    /// Adds to all states of the key's bucket, removes every so manieth key and adds the key.
    Update(usize, u64),
    TimeOut,
}

fn op() -> impl Strategy<Value = Op> {
    let key = || 0..60usize;
    prop_oneof![
        5 => (key(), any::<u64>()).prop_map(|(key, state)| Op::Set(key, state)),
        3 => key().prop_map(Op::Remove),
        2 => key().prop_map(Op::Look),
        1 => (key(), 1..5u64).prop_map(|(key, n)| Op::Update(key, n)),
        1 => Just(Op::TimeOut),
    ]
}

fn update(part: &mut Part<u64, u64>, bucket: usize, hash: u64, key: u64, n: u64) {
    let entries = part.buckets()[bucket].entries();
    let goes = |place: usize| (place as u64).is_multiple_of(n);
    let gone: Vec<u32> = (0..entries.len()).filter(|place| goes(*place)).map(|place| place as u32).collect();
    let stay = entries.iter().enumerate().filter(|(place, _)| !goes(*place));
    let states = stay.map(|(_, (_, state))| state.wrapping_add(n)).collect();
    let is_new = part.find(bucket, hash as u32, &key).is_none();
    let new = if is_new { vec![(hash as u32, key, n)] } else { Vec::new() };
    part.update(bucket, Update { states, gone, new });
}

fn apply(part: &mut Part<u64, u64>, keys: &[u64], op: &Op) {
    let at = |part: &Part<u64, u64>, key: usize| {
        let hash = part.hasher().hash_one(keys[key]);
        let bucket = part.bucket(hash);
        (hash, bucket, part.find(bucket, hash as u32, &keys[key]))
    };
    match *op {
        Op::Set(key, state) => match at(part, key) {
            (_, bucket, Some(place)) => part.replace(bucket, place, state),
            (hash, bucket, None) => part.insert(bucket, hash as u32, keys[key], state),
        },
        Op::Remove(key) => {
            if let (_, bucket, Some(place)) = at(part, key) {
                part.remove(bucket, place);
            }
        }
        Op::Look(key) => {
            if let (_, bucket, Some(place)) = at(part, key) {
                part.refresh(bucket, place);
            }
        }
        Op::Update(key, n) => {
            let (hash, bucket, _) = at(part, key);
            update(part, bucket, hash, keys[key], n);
        }
        Op::TimeOut => time_out(part),
    }
}

fn time_out(part: &mut Part<u64, u64>) {
    for list in 0..part.fire() {
        for timer in part.fired(list).to_vec() {
            while let Some(place) = part.next_timed_out(list, timer) {
                part.remove(usize::from(timer.bucket), place);
            }
        }
    }
}

/// All there is to know: entries in their order, stamps, changes and timers.
type Everything = (Vec<(u32, Vec<(u64, u64)>, Vec<Stamp>)>, Vec<(u32, u16, u32)>, usize);

fn everything(part: &Part<u64, u64>) -> Everything {
    let bucket = |bucket: &Arc<Bucket<u64, u64>>| {
        let stamps = (0..bucket.len()).filter_map(|place| bucket.stamp(place)).collect();
        (bucket.changed, bucket.entries().iter().copied().collect(), stamps)
    };
    let buckets = part.buckets.iter().map(bucket).collect();
    let mut timers = part.timers.all();
    timers.sort_unstable();
    (buckets, timers, part.keys())
}

/// Every key has its timer, and every table finds its keys.
fn check_whole(part: &Part<u64, u64>) {
    let timers: std::collections::BTreeSet<_> = part.timers.all().into_iter().collect();
    for (bucket, keys) in part.buckets.iter().enumerate() {
        for (place, (key, _)) in keys.entries().iter().enumerate() {
            let hash = part.hasher.hash_one(key) as u32;
            assert_eq!(keys.map().find(hash, key), Some(place));
            if part.span.is_some() {
                let stamp = keys.stamp(place).expect("every key has a stamp");
                assert!(timers.contains(&(stamp.due, bucket as u16, hash)), "key {key} would never time out");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_rolled_back_has_never_been(
        steps in prop::collection::vec((prop::collection::vec(op(), 0..40), any::<bool>(), any::<bool>()), 1..20),
        span in prop::option::of(1..4u32),
    ) {
        let keys: Vec<u64> = keys().take(60).collect();
        let mut part = part(span);
        let mut held = Vec::new();
        for (now, (ops, commits, holds)) in (1..).zip(steps) {
            // A step that is not committed, and then, by one that begins, taken back.
            let ops = if span.is_some() { ops.into_iter().filter(|op| !matches!(op, Op::Update(..))).collect() } else { ops };
            let before = everything(&part);
            part.begin(now);
            ops.iter().for_each(|op| apply(&mut part, &keys, op));
            if commits {
                drop(part.commit());
                check_whole(&part);
            } else {
                part.roll_back();
                prop_assert_eq!(everything(&part), before);
            }
            if holds {
                held.push((Snapshot::new(vec![part.buckets().to_vec()]), part.buckets().iter().map(|b| b.entries().iter().copied().collect::<Vec<_>>()).collect::<Vec<_>>()));
            }
        }
        for (snapshot, entries) in held {
            let mut read = Vec::new();
            let _ = snapshot.read(0, |entry| { read.push(entry); Flow::Continue(()) });
            prop_assert_eq!(read, entries.concat(), "a snapshot does not change any more");
        }
    }
}

#[test]
fn keys_that_come_and_go_for_ever_take_no_more_memory() {
    let keys: Vec<u64> = keys().take(4_000).collect();
    let mut part = part(Some(7));
    let (mut most, mut most_timers) = (0, 0);
    for now in 1..=100_000u32 {
        part.begin(now);
        // Four keys of the many, one of which goes again at once; a fifth is never left alone.
        for i in 0..4 {
            let key = (now as usize * 4 + i) * 7 % keys.len();
            apply(&mut part, &keys, &Op::Set(key, u64::from(now)));
            if i == 0 {
                apply(&mut part, &keys, &Op::Remove(key));
            }
        }
        apply(&mut part, &keys, &Op::Set(0, 1));
        time_out(&mut part);
        drop(part.commit());
        if now % 1_000 == 0 {
            let bytes = part.buckets().iter().map(|bucket| bucket.bytes()).sum::<usize>();
            (most, most_timers) = (most.max(bytes), most_timers.max(part.timers.len()));
        }
    }
    assert!(part.keys() <= 40, "{} keys", part.keys());
    // Some keys are in each bucket now and then; none of the tables is ever large.
    assert!(most < BUCKETS / 2 * 300, "{most} bytes");
    assert!(most_timers < 100, "{most_timers} timers");
}

#[test]
fn timers_of_keys_that_are_gone_are_cleared_away() {
    let keys: Vec<u64> = keys().take(1).collect();
    let mut part = part(Some(1_000_000));
    for now in 1..=100_000 {
        part.begin(now);
        let op = if now % 2 == 1 { Op::Set(0, 1) } else { Op::Remove(0) };
        apply(&mut part, &keys, &op);
        drop(part.commit());
        assert!(part.timers.len() <= STALE_TIMERS + 4);
    }
}

#[test]
fn every_bucket_has_one_partition() {
    for partitions in [1, 2, 3, 7, 1_000, 1_024, 5_000] {
        let all: Vec<usize> =
            (0..partitions).flat_map(|partition| buckets_of(partition, partitions)).collect();
        assert_eq!(all, (0..BUCKETS).collect::<Vec<_>>(), "{partitions} partitions");
        let hash = 0x8123_4567_89ab_cdef;
        let home = crate::shuffle::partition_of(hash, partitions);
        assert!(buckets_of(home, partitions).contains(&bucket_of(hash)));
    }
}

#[test]
fn a_million_numbers_take_less_than_two_and_a_half_times_their_size() {
    let mut part: Part<u64, u64> = Part::new(0, 1, &KeyHashing::with_seed(3), None);
    let mut sizes = BTreeMap::new();
    for key in 1..=1_000_000u64 {
        let hash = part.hasher().hash_one(key);
        part.put(hash, key, key, 1);
        if key % 250_000 == 0 {
            let bytes: usize = part.buckets().iter().map(|bucket| bucket.bytes()).sum();
            sizes.insert(key, bytes as f64 / (key as f64 * size_of::<(u64, u64)>() as f64));
        }
    }
    assert!(sizes.values().all(|ratio| *ratio < 2.5), "{sizes:?}");
}
