use std::collections::VecDeque;
use std::sync::atomic::AtomicUsize;
use std::thread;

use proptest::prelude::*;

use super::*;

/// Counts its drops.
struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn items_come_out_in_the_order_they_went_in() {
    let (mut producer, mut consumer) = channel(4);
    for round in 0..10 {
        for i in 0..3 {
            assert_eq!(producer.try_push((round, i)), Ok(()));
        }
        for i in 0..3 {
            assert_eq!(consumer.try_pop(), Some((round, i)));
        }
        assert_eq!(consumer.try_pop(), None);
    }
}

#[test]
fn a_full_ring_gives_the_item_back() {
    let (mut producer, mut consumer) = channel(2);
    assert_eq!(producer.try_push(1), Ok(()));
    assert_eq!(producer.try_push(2), Ok(()));
    assert_eq!(producer.try_push(3), Err(Full(3)));
    assert_eq!((producer.len(), consumer.len()), (2, 2));
    assert_eq!(consumer.try_pop(), Some(1));
    assert_eq!(producer.try_push(3), Ok(()));
    assert_eq!((consumer.try_pop(), consumer.try_pop(), consumer.try_pop()), (Some(2), Some(3), None));
    assert!(producer.is_empty() && consumer.is_empty());
}

#[test]
fn the_capacity_is_rounded_up_to_a_power_of_two() {
    for (asked, given) in [(0, 1), (1, 1), (2, 2), (3, 4), (100, 128)] {
        let (producer, consumer) = channel::<u8>(asked);
        assert_eq!((producer.capacity(), consumer.capacity()), (given, given));
    }
}

#[test]
fn the_counters_may_wrap_around() {
    let (mut producer, mut consumer) = channel_from(2, usize::MAX - 2);
    for i in 0..10 {
        assert_eq!(producer.try_push(i), Ok(()));
        assert_eq!(producer.try_push(i + 100), Ok(()));
        assert_eq!(producer.try_push(0), Err(Full(0)));
        assert_eq!(producer.len(), 2);
        assert_eq!((consumer.try_pop(), consumer.try_pop()), (Some(i), Some(i + 100)));
        assert!(consumer.is_empty());
    }
}

#[test]
fn each_end_sees_when_the_other_is_gone() {
    let (mut producer, mut consumer) = channel(2);
    assert!(!producer.is_closed() && !consumer.is_finished());
    producer.try_push(1).unwrap();
    drop(producer);
    assert!(!consumer.is_finished());
    assert_eq!(consumer.try_pop(), Some(1));
    assert!(consumer.is_finished());

    let (producer, consumer) = channel::<u8>(2);
    drop(consumer);
    assert!(producer.is_closed());
}

#[test]
fn what_is_left_is_dropped_once() {
    let drops = AtomicUsize::new(0);
    let count = || drops.load(Ordering::Relaxed);
    let (mut producer, mut consumer) = channel_from(4, usize::MAX - 1);
    (0..4).for_each(|_| producer.try_push(Counted(&drops)).unwrap());
    drop(producer.try_push(Counted(&drops)));
    assert_eq!(count(), 1, "the one given back");
    drop(consumer.try_pop());
    assert_eq!(count(), 2, "the one taken");
    drop(consumer);
    assert_eq!(count(), 2, "the producer still holds the ring");
    drop(producer);
    assert_eq!(count(), 5, "and the three left");
}

#[test]
fn nothing_is_lost_between_two_threads() {
    const ITEMS: u64 = 200_000;
    for capacity in [1, 2, 64] {
        let (mut producer, mut consumer) = channel(capacity);
        let pushing = thread::spawn(move || {
            for i in 0..ITEMS {
                let mut item = Box::new(i);
                while let Err(Full(back)) = producer.try_push(item) {
                    item = back;
                    thread::yield_now();
                }
            }
        });
        let (mut count, mut sum) = (0, 0);
        while !consumer.is_finished() {
            match consumer.try_pop() {
                Some(item) => {
                    assert_eq!(*item, count, "in order");
                    (count, sum) = (count + 1, sum + *item);
                }
                None => thread::yield_now(),
            }
        }
        pushing.join().unwrap();
        assert_eq!((count, sum), (ITEMS, ITEMS * (ITEMS - 1) / 2));
    }
}

proptest! {
    /// One thread, any sequence of pushes and pops, counters anywhere: the ring is a bounded queue.
    #[test]
    fn behaves_as_a_bounded_queue(
        capacity in 1_usize..9,
        start in prop_oneof![Just(0), usize::MAX - 20..=usize::MAX],
        pushes in prop::collection::vec(any::<bool>(), 0..200),
    ) {
        let (mut producer, mut consumer) = channel_from(capacity, start);
        let mut queue = VecDeque::new();
        for (i, push) in pushes.into_iter().enumerate() {
            if push {
                let room = queue.len() < producer.capacity();
                prop_assert_eq!(producer.try_push(Box::new(i)).is_ok(), room);
                if room {
                    queue.push_back(Box::new(i));
                }
            } else {
                prop_assert_eq!(consumer.try_pop(), queue.pop_front());
            }
            prop_assert_eq!((producer.len(), consumer.len()), (queue.len(), queue.len()));
            prop_assert_eq!(consumer.is_empty(), queue.is_empty());
        }
    }
}
