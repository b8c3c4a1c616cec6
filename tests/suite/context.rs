//! The life of a context, after Spark's StreamingContextSuite. Contexts on the wall clock: only one may be active at a time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use millstream::config::Master;
use millstream::prelude::*;
use millstream::rdd::Parallelized;
use millstream::testkit::TestInput;
use millstream::{ContextState, Error};

use crate::support::{BOUND, config, count_into, eventually, hand, ms, panic_of, vector, within};

const SUITE: &str = include_str!("../vectors/StreamingContextSuite.json");

static ALONE: Mutex<()> = Mutex::new(());

/// Holds back other tests that need the process-wide active context.
fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn numbers(context: &StreamingContext, batches: &[&[i32]]) -> DStream<Parallelized<i32>> {
    let batches: Vec<_> = batches.iter().map(|batch| Some(batch.to_vec())).collect();
    context.input_stream("Test stream", TestInput::new(batches, 1, ms(100))).unwrap()
}

/// A context with one empty input and one output.
fn simple() -> StreamingContext {
    let context = StreamingContext::new(config()).unwrap();
    numbers(&context, &[]).output("nothing", |_, _, _| Ok(()));
    context
}

fn words(value: &serde_json::Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect()
}

#[test]
fn start_and_stop_state_check() {
    let _alone = alone();
    let context = simple();
    let mut states = vec![context.lifecycle().to_string()];
    context.start().unwrap();
    states.push(context.lifecycle().to_string());
    context.stop(false).unwrap();
    states.push(context.lifecycle().to_string());
    assert_eq!(states, words(&vector(SUITE, "start and stop state check")["expected"]));
    context.stop(true).unwrap();
    assert_eq!(context.lifecycle(), ContextState::Stopped, "a second stop changes nothing");
}

#[test]
fn a_failed_start_stops_the_context() {
    let _alone = alone();
    let context = StreamingContext::new(config()).unwrap();
    let _unused = numbers(&context, &[]);
    let error = context.start().unwrap_err();
    assert!(error.to_string().contains("No output operations registered"), "{error}");
    assert_eq!(context.lifecycle(), ContextState::Stopped);
    assert!(StreamingContext::get_active().is_none());
    assert!(context.await_termination_or_timeout(BOUND).unwrap(), "nobody waits for it any more");
}

#[test]
fn starting_twice_changes_nothing() {
    let _alone = alone();
    let context = simple();
    context.start().unwrap();
    context.start().unwrap();
    assert_eq!(context.lifecycle(), ContextState::Active);
    context.stop(false).unwrap();
}

#[test]
fn stop_before_start() {
    let _alone = alone();
    let context = simple();
    context.stop(true).unwrap();
    assert_eq!(context.lifecycle(), ContextState::Stopped);
    context.await_termination().unwrap();
}

#[test]
fn start_after_stop_is_refused() {
    let _alone = alone();
    let context = simple();
    context.stop(false).unwrap();
    let error = context.start().unwrap_err();
    let expected = &vector(SUITE, "start after stop")["expected"][1];
    assert!(expected.as_str().unwrap().contains(&error.to_string()), "{error}");
    assert_eq!(context.lifecycle(), ContextState::Stopped);
}

#[test]
fn a_graceful_stop_loses_nothing() {
    let _alone = alone();
    for round in 0..4 {
        let context = StreamingContext::new(config()).unwrap();
        let (receiver, end) = hand::<u64>();
        let processed = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&processed);
        context.receiver_stream(receiver).unwrap().output("count", move |_, rdd, _| {
            seen.fetch_add(rdd.count()?, Ordering::SeqCst);
            Ok(())
        });
        context.start().unwrap();
        let counting = count_into(end.started());
        eventually("some are processed", || processed.load(Ordering::SeqCst) > 0);
        context.stop(true).unwrap();
        assert_eq!(counting.join().unwrap(), processed.load(Ordering::SeqCst), "round {round}");
    }
}

#[test]
fn a_graceful_stop_at_once_returns() {
    let _alone = alone();
    let context = StreamingContext::new(config()).unwrap();
    let (receiver, _end) = hand::<u64>();
    context.receiver_stream(receiver).unwrap().output("nothing", |_, _, _| Ok(()));
    let begin = Instant::now();
    context.start().unwrap();
    context.stop(true).unwrap();
    assert!(begin.elapsed() < Duration::from_secs(5), "it took {:?}", begin.elapsed());
}

#[test]
fn await_termination_blocks_until_the_stop() {
    let _alone = alone();
    let context = simple();
    context.start().unwrap();
    assert!(!context.await_termination_or_timeout(ms(50)).unwrap());
    let waiting = {
        let context = context.clone();
        thread::spawn(move || context.await_termination())
    };
    assert!(!waiting.is_finished());
    context.stop(false).unwrap();
    within(BOUND, "await_termination returns", move || waiting.join().unwrap()).unwrap();
    assert!(context.await_termination_or_timeout(BOUND).unwrap());
}

#[test]
fn an_error_in_a_task_reaches_who_awaits_the_end() {
    let _alone = alone();
    let context = StreamingContext::new(config()).unwrap();
    let failing = numbers(&context, &[&[1, 2]]).map(|_| -> i32 { panic!("error in map task") });
    failing.output("collect", |_, rdd, _| rdd.collect().map(|_| ()).map_err(Into::into));
    context.start().unwrap();
    let error = context.await_termination().unwrap_err();
    assert!(matches!(error, Error::Task { .. }) && error.to_string().contains("map task"), "{error}");
    eventually("it stops by itself", || StreamingContext::get_active().is_none());
}

#[test]
fn an_error_in_job_generation_reaches_who_awaits_the_end() {
    let _alone = alone();
    let context = StreamingContext::new(config()).unwrap();
    let input = numbers(&context, &[&[1]]);
    let failing = input.transform_at("transform", |_, _| -> Result<Parallelized<i32>> {
        Err(Error::Definition("error in transform".to_owned()))
    });
    failing.output("nothing", |_, _, _| Ok(()));
    context.start().unwrap();
    let error = context.await_termination().unwrap_err();
    assert!(error.to_string().contains("error in transform"), "{error}");
    context.stop(false).unwrap();
}

#[test]
fn a_panic_in_job_generation_reaches_who_awaits_the_end() {
    let _alone = alone();
    let context = StreamingContext::new(config()).unwrap();
    let input = numbers(&context, &[&[1]]);
    let failing =
        input.transform_at("transform", |_, _| -> Result<Parallelized<i32>> { panic!("no transform") });
    failing.output("nothing", |_, _, _| Ok(()));
    context.start().unwrap();
    let error = context.await_termination().unwrap_err();
    assert!(error.to_string().contains("no transform"), "{error}");
    context.stop(false).unwrap();
}

#[test]
fn the_active_context_is_the_one_that_runs() {
    let _alone = alone();
    assert!(StreamingContext::get_active().is_none());
    let context = simple();
    assert!(StreamingContext::get_active().is_none(), "not before the start");
    context.start().unwrap();
    assert_eq!(StreamingContext::get_active().unwrap().lifecycle(), ContextState::Active);
    let same = StreamingContext::get_active_or_create(|| panic!("there is one")).unwrap();
    assert_eq!(same.num_input_streams(), 1);
    let other = simple();
    let error = other.start().unwrap_err();
    assert!(error.to_string().contains("Only one StreamingContext may be started"), "{error}");
    same.stop(false).unwrap();
    assert_eq!(context.lifecycle(), ContextState::Stopped, "they were the same");
    assert!(StreamingContext::get_active().is_none());
    let fresh = StreamingContext::get_active_or_create(|| Ok(simple())).unwrap();
    assert_eq!(fresh.lifecycle(), ContextState::Initialized);
}

/// The messages of what is refused: an input, an operator, an output.
fn refusals(context: &StreamingContext, stream: &DStream<Parallelized<i32>>) -> [String; 3] {
    let input = TestInput::new([Some(vec![1])], 1, ms(100));
    [
        context.input_stream("late", input).err().expect("it is too late").to_string(),
        panic_of(|| stream.map(|n| n)),
        panic_of(|| stream.output("late", |_, _, _| Ok(()))),
    ]
}

#[test]
fn nothing_can_be_added_after_the_start_and_after_the_stop() {
    let _alone = alone();
    let context = StreamingContext::new(config()).unwrap();
    let stream = numbers(&context, &[]);
    stream.output("nothing", |_, _, _| Ok(()));
    context.start().unwrap();
    for refusal in refusals(&context, &stream) {
        assert!(refusal.contains("start"), "{refusal}");
    }
    context.stop(false).unwrap();
    for refusal in refusals(&context, &stream) {
        assert!(refusal.contains("stop"), "{refusal}");
    }
}

#[test]
fn an_input_that_nobody_uses_does_no_harm() {
    let _alone = alone();
    let context = StreamingContext::new(config()).unwrap();
    let _unused = numbers(&context, &[&[1]]);
    let batches = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&batches);
    numbers(&context, &[&[1]]).output("count", move |_, _, _| {
        seen.fetch_add(1, Ordering::SeqCst);
        Ok(())
    });
    context.start().unwrap();
    eventually("two batches complete", || batches.load(Ordering::SeqCst) >= 2);
    context.stop(false).unwrap();
}

#[test]
fn receivers_that_leave_no_thread_are_refused_with_the_reason() {
    let _alone = alone();
    let context = StreamingContext::new(config().master(Master::Local(1))).unwrap();
    let (receiver, _end) = hand::<u64>();
    context.receiver_stream(receiver).unwrap().output("nothing", |_, _, _| Ok(()));
    let error = context.start().unwrap_err();
    assert!(matches!(error, Error::Config(_)) && error.to_string().contains("Use local[2]"), "{error}");
}

#[test]
fn a_batch_interval_of_zero_is_refused() {
    let error = StreamingContext::new(config().batch_interval(Duration::ZERO)).unwrap_err();
    assert!(error.to_string().contains("batch_interval"), "{error}");
}

#[test]
fn a_stop_in_an_output_operation_works() {
    let _alone = alone();
    let context = StreamingContext::new(config()).unwrap();
    let inner = context.clone();
    numbers(&context, &[&[1]]).output("stop", move |_, _, _| Ok(inner.stop(true)?));
    context.start().unwrap();
    let stopped = context.clone();
    within(BOUND, "the context stops", move || stopped.await_termination()).unwrap();
    assert_eq!(context.lifecycle(), ContextState::Stopped);
}
