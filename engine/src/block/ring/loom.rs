//! Every interleaving of two short threads, tried by loom:
//! `RUSTFLAGS="--cfg loom" cargo test -p millstream-engine --release ring::loom`.

use ::loom::model;
use ::loom::thread;

use super::*;

/// Pushes `items` one after the other, waiting for room.
fn push_all<T>(producer: &mut Producer<T>, items: impl IntoIterator<Item = T>) {
    for mut item in items {
        while let Err(Full(back)) = producer.try_push(item) {
            item = back;
            thread::yield_now();
        }
    }
}

/// Takes items until the producer is gone and the ring empty.
fn pop_all<T>(consumer: &mut Consumer<T>) -> Vec<T> {
    let mut items = Vec::new();
    while !consumer.is_finished() {
        match consumer.try_pop() {
            Some(item) => items.push(item),
            None => thread::yield_now(),
        }
    }
    items
}

#[test]
fn items_arrive_whole_and_in_order() {
    model(|| {
        let (mut producer, mut consumer) = channel(4);
        let pushing = thread::spawn(move || push_all(&mut producer, [Box::new(1), Box::new(2), Box::new(3)]));
        assert_eq!(pop_all(&mut consumer), [Box::new(1), Box::new(2), Box::new(3)]);
        pushing.join().unwrap();
    });
}

/// One place: every push reuses the slot that the pop before it has emptied. Across the wrap-around of the counters.
#[test]
fn a_slot_is_written_only_after_it_was_read() {
    model(|| {
        let (mut producer, mut consumer) = channel_from(1, usize::MAX);
        let pushing = thread::spawn(move || push_all(&mut producer, [Box::new(1), Box::new(2), Box::new(3)]));
        assert_eq!(pop_all(&mut consumer), [Box::new(1), Box::new(2), Box::new(3)]);
        pushing.join().unwrap();
    });
}

/// Neither end waits: what was refused is given back, what was accepted is either popped or still there.
#[test]
fn full_and_empty_are_told_rightly() {
    model(|| {
        let (mut producer, mut consumer) = channel(2);
        let pushing = thread::spawn(move || {
            let refused = (0..3).filter(|i| producer.try_push(*i).is_err()).count();
            assert!(producer.len() <= producer.capacity());
            (producer, refused)
        });
        let early = [consumer.try_pop(), consumer.try_pop()].into_iter().flatten().count();
        let (producer, refused) = pushing.join().unwrap();
        assert_eq!(early + producer.len() + refused, 3);
        assert!(refused <= 1);
        let late = std::iter::from_fn(|| consumer.try_pop()).count();
        assert_eq!(early + late + refused, 3);
    });
}

/// The ends are dropped at any time relative to each other; loom's leak check counts the items.
#[test]
fn items_left_are_dropped_by_whoever_goes_last() {
    model(|| {
        let (mut producer, mut consumer) = channel(2);
        let pushing = thread::spawn(move || {
            let _ = producer.try_push(Arc::new(1));
            let _ = producer.try_push(Arc::new(2));
        });
        drop(consumer.try_pop());
        drop(consumer);
        pushing.join().unwrap();
    });
}

/// Who sees the end has seen, or can still pop, everything pushed before it.
#[test]
fn the_end_is_not_seen_before_the_last_item() {
    model(|| {
        let (mut producer, mut consumer) = channel(2);
        let pushing = thread::spawn(move || producer.try_push(Box::new(1)).unwrap());
        let popped = consumer.try_pop().is_some();
        if consumer.is_finished() {
            assert!(popped, "finished before the item was taken");
        }
        pushing.join().unwrap();
        assert_eq!(consumer.try_pop().is_some(), !popped);
        assert!(consumer.is_finished());
    });
}

/// Work that the consumer did before it went is visible to a producer that has seen it go.
#[test]
fn a_consumer_that_is_gone_is_seen() {
    model(|| {
        let (producer, consumer) = channel::<u8>(1);
        let last_words = Arc::new(UnsafeCell::new(0));
        let words = Arc::clone(&last_words);
        let leaving = thread::spawn(move || {
            // SAFETY: the producer reads the cell only after this consumer is gone.
            words.with_mut(|n| unsafe { *n = 7 });
            drop(consumer);
        });
        if producer.is_closed() {
            // SAFETY: the consumer is gone, and wrote before it went.
            assert_eq!(last_words.with(|n| unsafe { *n }), 7);
        }
        leaving.join().unwrap();
        assert!(producer.is_closed());
    });
}
