//! What listeners are told, after Spark's StreamingListenerSuite.

use std::sync::{Arc, Mutex};

use millstream::observe::{BatchInfo, Event, ListenerBus, ReceiverInfo, StreamingListener};
use millstream::prelude::*;
use serde_json::Value;

use crate::support::{Diary, Seen, config, eventually, hand, test_context, vector};

const SUITE: &str = include_str!("../vectors/StreamingListenerSuite.json");

#[test]
fn batch_info_reporting() {
    let vector = vector(SUITE, "batch info reporting");
    let batches: Vec<Vec<i64>> = serde_json::from_value(vector["input"].clone()).unwrap();
    let test = test_context(config());
    let diary = Diary::of(&test);
    test.collect(&test.input(batches, 1).unwrap());
    test.run(4).unwrap();
    test.stop(true).unwrap();
    let phases = [
        ("submitted", diary.submitted()),
        ("started", diary.batches_started()),
        ("completed", diary.completed()),
    ];
    for (phase, infos) in &phases {
        let expected = &vector["expected"][phase];
        assert_eq!(infos.len() as u64, expected["count"], "{phase}");
        for info in infos {
            check_delays(info, expected);
            assert_eq!(info.num_records(), expected["numRecords"].as_u64().unwrap(), "{phase}");
            assert_eq!(info.stream_id_to_input_info[&0].num_records, 1);
        }
        assert!(infos.is_sorted_by_key(|info| info.batch_time));
        assert!(infos.is_sorted_by_key(|info| (info.submission_time, info.processing_start_time)));
        assert!(infos.is_sorted_by_key(|info| info.processing_end_time));
    }
}

/// A delay that the vector has as null is not known yet; the others are (and no duration is below zero).
fn check_delays(info: &BatchInfo, expected: &Value) {
    assert_eq!(info.scheduling_delay().is_none(), expected["schedulingDelay"].is_null());
    assert_eq!(info.processing_delay().is_none(), expected["processingDelay"].is_null());
    assert_eq!(info.total_delay().is_none(), expected.get("totalDelay").is_none_or(Value::is_null));
}

#[test]
fn the_events_of_a_context_come_in_order() {
    let test = test_context(config());
    let diary = Diary::of(&test);
    let stream = test.input([vec![1]], 1).unwrap();
    stream.output("first", |_, _, _| Ok(()));
    stream.output("second", |_, _, _| Ok(()));
    test.run(1).unwrap();
    test.stop(true).unwrap();
    let told: Vec<_> = diary.pick(|seen| Some(word(&seen)));
    let expected =
        ["streaming", "submitted", "started", "output 0", "done 0", "output 1", "done 1", "completed"];
    assert_eq!(told, expected);
}

fn word(seen: &Seen) -> String {
    match seen {
        Seen::Started(_) => "streaming".to_owned(),
        Seen::Submitted(_) => "submitted".to_owned(),
        Seen::BatchStarted(_) => "started".to_owned(),
        Seen::Completed(_) => "completed".to_owned(),
        Seen::OutputStarted(operation) => format!("output {}", operation.id),
        Seen::OutputCompleted(operation) => format!("done {}", operation.id),
        Seen::ReceiverStarted(_) => "receiver started".to_owned(),
        Seen::ReceiverError(_) => "receiver error".to_owned(),
        Seen::ReceiverStopped(_) => "receiver stopped".to_owned(),
    }
}

#[test]
fn every_output_operation_has_its_own_figures() {
    let test = test_context(config());
    let diary = Diary::of(&test);
    let stream = test.input([vec![1]], 1).unwrap();
    stream.output("first", |_, _, _| Ok(()));
    stream.output("second", |_, _, _| Ok(()));
    test.run(1).unwrap();
    test.stop(true).unwrap();
    let completed = diary.completed();
    let operations = &completed[0].output_operation_infos;
    assert_eq!(operations.keys().copied().collect::<Vec<_>>(), [0, 1]);
    for (operation, name) in operations.values().zip(["first", "second"]) {
        assert_eq!(operation.name, name);
        assert!(operation.description.contains("listener.rs:"), "{}", operation.description);
        assert!(operation.duration().is_some() && operation.failure_reason.is_none());
        assert_eq!(operation.batch_time, completed[0].batch_time);
    }
    assert!(diary.submitted()[0].output_operation_infos.values().all(|op| op.start_time.is_none()));
}

#[test]
fn receiver_info_reporting() {
    let expected = vector(SUITE, "receiver info reporting")["expected"].clone();
    let test = test_context(config());
    let diary = Diary::of(&test);
    let (receiver, end) = hand::<u64>();
    test.receiver_stream(receiver).unwrap().output("nothing", |_, _, _| Ok(()));
    test.start().unwrap();
    let cx = end.started();
    cx.report_error("test report error", "test report exception");
    cx.stop("test stop error");
    let stopped =
        || diary.pick(|seen| if let Seen::ReceiverStopped(info) = seen { Some(info) } else { None });
    eventually("it stops", || !stopped().is_empty());
    let started: Vec<ReceiverInfo> =
        diary.pick(|seen| if let Seen::ReceiverStarted(info) = seen { Some(info) } else { None });
    assert_eq!(started.len(), expected["started"].as_array().unwrap().len());
    assert_eq!((started[0].stream_id, started[0].active), (0, true));
    assert_eq!((stopped()[0].stream_id, stopped()[0].active), (0, false));
    let errors = diary.receiver_errors();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!((errors[0].stream_id, errors[0].last_error_message.contains("report error")), (0, true));
    assert!(errors[0].last_error.contains("report exception") && errors[0].last_error_time.is_some());
}

#[test]
fn failure_reasons_of_a_good_batch_and_of_two_failed_jobs() {
    let test = test_context(config());
    let diary = Diary::of(&test);
    let stream = test.input([vec![], vec![1]], 1).unwrap();
    for message in ["This is a failed job", "This is another failed job"] {
        stream.output("fail", move |_, rdd, _| match rdd.count()? {
            0 => Ok(()),
            _ => Err(message.into()),
        });
    }
    let error = test.run(2).unwrap_err();
    assert!(error.to_string().contains("This is a failed job"), "the first one: {error}");
    eventually("both are completed", || diary.completed().len() == 2);
    let reasons = |batch: usize| -> Vec<_> {
        let operations = diary.completed()[batch].output_operation_infos.clone();
        operations.into_values().map(|operation| operation.failure_reason).collect()
    };
    assert_eq!(reasons(0), [None, None]);
    let failed = reasons(1);
    assert!(failed[0].as_ref().unwrap().contains("This is a failed job"));
    assert!(failed[1].as_ref().unwrap().contains("This is another failed job"));
}

/// A listener that tries to stop its own context.
struct Stopping(Mutex<Option<StreamingContext>>, Mutex<Option<Result<()>>>);

impl StreamingListener for Stopping {
    fn on_batch_completed(&self, _: &BatchInfo) {
        if let Some(context) = self.0.lock().unwrap().take() {
            *self.1.lock().unwrap() = Some(context.stop(true));
        }
    }
}

#[test]
fn a_stop_inside_a_listener_is_refused() {
    let test = test_context(config());
    let listener = Arc::new(Stopping(Mutex::new(Some((*test).clone())), Mutex::default()));
    test.add_listener(Arc::clone(&listener) as _);
    test.collect(&test.input([vec![1]], 1).unwrap());
    test.run(1).unwrap();
    test.stop(true).unwrap();
    let refusal = listener.1.lock().unwrap().take().unwrap().unwrap_err();
    assert_eq!(refusal.to_string(), "Cannot stop StreamingContext within listener bus thread.");
}

#[test]
fn no_event_is_delivered_after_the_bus_has_stopped() {
    let bus = ListenerBus::start().unwrap();
    let diary = Arc::<Diary>::default();
    bus.add(Arc::clone(&diary) as _);
    bus.stop().unwrap();
    bus.post(Event::ReceiverStopped(ReceiverInfo::default()));
    assert!(bus.wait_until_empty(crate::support::BOUND) && diary.all().is_empty());
}

#[test]
fn accumulators_are_shown_with_every_completed_batch() {
    let test = test_context(config());
    let diary = Diary::of(&test);
    let odd = test.accumulators().long("odd numbers");
    let seen = test.input([vec![1, 2, 3], vec![5]], 2).unwrap().filter(move |n| {
        if n % 2 == 1 {
            odd.add(1);
        }
        true
    });
    test.collect(&seen);
    test.run(2).unwrap();
    test.stop(true).unwrap();
    let shown: Vec<_> = diary.completed().into_iter().map(|batch| batch.accumulators).collect();
    let expected = |value: &str| vec![("odd numbers".to_owned(), value.to_owned())];
    assert_eq!(shown, [expected("2"), expected("3")]);
}

/// An accumulator of the user's that cannot be shown.
struct Shy;

impl millstream::observe::Accumulator for Shy {
    fn show(&self) -> String {
        panic!("not to be shown")
    }
}

#[test]
fn an_accumulator_that_panics_costs_no_batch() {
    let test = test_context(config());
    test.accumulators().register("shy", Shy);
    let diary = Diary::of(&test);
    let seen = test.collect(&test.input([vec![1], vec![2]], 1).unwrap());
    test.run(2).unwrap();
    test.stop(true).unwrap();
    assert_eq!((seen.all(), diary.completed().len()), (vec![1, 2], 2));
}

#[test]
fn a_removed_listener_is_told_nothing() {
    let test = test_context(config());
    let diary = Arc::<Diary>::default();
    let id = test.add_listener(Arc::clone(&diary) as _);
    assert!(test.remove_listener(id) && !test.remove_listener(id));
    test.collect(&test.input([vec![1]], 1).unwrap());
    test.run(1).unwrap();
    test.stop(true).unwrap();
    assert!(diary.all().is_empty());
}

#[test]
fn the_settings_may_name_a_file_for_a_line_per_batch() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("batches.jsonl");
    let test = test_context(config().stats_file(path.clone()));
    test.collect(&test.input([vec![1, 2], vec![], vec![3]], 1).unwrap());
    test.run(3).unwrap();
    test.stop(true).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["settings"]["batch_interval"], "100ms");
    assert_eq!(lines[0]["settings"]["receiver.block_interval"], "10ms");
    let batches: Vec<_> =
        lines[1..].iter().map(|line| (line["batch_time_ms"].as_i64(), line["records"].as_u64())).collect();
    assert_eq!(batches, [(Some(100), Some(2)), (Some(200), Some(0)), (Some(300), Some(1))]);
}

#[test]
fn a_context_does_not_start_without_the_file_that_it_was_told_to_write() {
    let dir = tempfile::tempdir().unwrap();
    let test = test_context(config().stats_file(dir.path().join("none/batches.jsonl")));
    test.collect(&test.input([vec![1]], 1).unwrap());
    let refused = test.start().unwrap_err().to_string();
    assert!(refused.contains("set stats.file to another one"), "{refused}");
}
