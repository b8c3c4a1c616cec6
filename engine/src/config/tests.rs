//! The configuration as its users meet it: who wins, and what is said of mistakes.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::Result;
use crate::storage::StorageLevel;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// One way to set `stop_timeout` to a number of seconds.
type Layer = (&'static str, fn(Config, u64) -> Config);

/// The layers from weakest to strongest.
const LAYERS: [Layer; 4] = [
    ("file", |c, s| c.with_toml(&format!("stop_timeout = '{s}s'"), "mill.toml").unwrap()),
    ("environment", |c, s| c.with_env([("MILLSTREAM_STOP_TIMEOUT", format!("{s}s"))]).unwrap()),
    ("arguments", |c, s| c.with_args([format!("stop_timeout={s}s")]).unwrap()),
    ("code", |c, s| c.stop_timeout(Duration::from_secs(s))),
];

/// The text of the error; panics when there is none.
fn refusal(result: Result<Config>) -> String {
    result.map(|config| format!("{config:?}")).unwrap_err().to_string()
}

#[test]
fn the_stronger_layer_wins_in_either_order() {
    for (weak, (weak_name, set_weak)) in LAYERS.iter().enumerate() {
        for (strong_name, set_strong) in &LAYERS[weak + 1..] {
            let in_order = set_strong(set_weak(Config::new(), 1), 2);
            let reversed = set_weak(set_strong(Config::new(), 2), 1);
            for config in [in_order, reversed] {
                assert_eq!(config.stop_timeout, ms(2_000), "{strong_name} over {weak_name}");
            }
        }
    }
}

#[test]
fn the_later_of_two_calls_of_one_layer_wins() {
    for (name, set) in LAYERS {
        assert_eq!(set(set(Config::new(), 1), 2).stop_timeout, ms(2_000), "{name}");
    }
}

#[test]
fn every_default_is_written_as_it_is_read() {
    let defaults = Config::keys().map(|key| format!("{}={}", key.name(), key.default()));
    let config = Config::new().with_args(defaults).unwrap();
    assert_eq!(*config, Settings::default());
    config.validate().unwrap();
}

#[test]
fn every_example_is_accepted_by_name_and_by_variable() {
    for key in Config::keys() {
        Config::new().with_args([format!("{}={}", key.name(), key.example())]).unwrap();
        Config::new().with_env([(key.env_name(), key.example())]).unwrap();
        assert!(key.doc().ends_with('.'), "{key:?}");
    }
}

#[test]
fn names_are_unique() {
    let mut names: Vec<_> = Config::keys().map(Key::env_name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), Config::keys().count());
}

#[test]
fn every_key_has_a_setter_and_every_setter_its_key() {
    let config = Config::new()
        .app_name("clicks")
        .master(Master::Local(3))
        .batch_interval(ms(500))
        .block_interval(ms(50))
        .segment_bytes(8 << 10)
        .ring_segments(100)
        .max_held_bytes(2 << 20)
        .receiver_level(StorageLevel::MEMORY_AND_DISK)
        .memory_max(1 << 30)
        .storage_dir("/var/tmp")
        .replica_dir("/mnt/var/tmp")
        .storage_max_bytes(1 << 30)
        .max_line_bytes(99)
        .restart_delay(ms(1))
        .max_rate(-1.0)
        .initial_rate(5.5)
        .backpressure(true)
        .pid_weights(0.5, 0.25, 0.125)
        .pid_min_rate(10.0)
        .pin_receivers(false)
        .write_ahead_log(false)
        .wal_segment_bytes(1 << 20)
        .wal_max_bytes(8 << 20)
        .wal_compress(true)
        .wal_skip_damage(true)
        .checkpoint_interval(ms(7))
        .checkpoint_collapse_missed(true)
        .drop_state("counts")
        .max_failures(1)
        .on_batch_failure(OnBatchFailure::Skip)
        .concurrent_jobs(2)
        .default_parallelism(7)
        .min_remember(ms(2))
        .graceful_stop_timeout(ms(3))
        .stop_gracefully_on_shutdown(false)
        .stop_timeout(ms(4))
        .inline_below_bytes(5)
        .max_pending_batches(6)
        .max_state_keys(1_000_000)
        .split_bytes(1 << 20)
        .hash_seed(42)
        .stats_file(PathBuf::from("batches.jsonl"));
    config.validate().unwrap();
    for (key, value, place) in config.entries() {
        assert_eq!(*place, Place::Code, "{key:?}");
        assert!(key.name() == "receiver.max_rate" || value != key.default(), "{key:?} kept its default");
    }
    assert_eq!((config.max_rate, config.initial_rate), (None, Some(5.5)));
    assert_eq!(config.hash_seed(None).initial_rate(None).initial_rate, None);
}

#[test]
fn values_that_follow_from_others() {
    let config = Config::new().batch_interval(ms(50)).master(Master::Local(3)).ring_segments(100);
    config.validate().unwrap();
    assert_eq!(config.effective_block_interval(), ms(50));
    assert_eq!(config.effective_graceful_stop_timeout(), ms(500));
    assert_eq!(config.effective_parallelism(), 3);
    assert_eq!(config.effective_ring_segments(), 128);
    let config = config.graceful_stop_timeout(ms(7)).default_parallelism(2).batch_interval(ms(900));
    assert_eq!(config.effective_block_interval(), ms(200));
    assert_eq!(config.effective_graceful_stop_timeout(), ms(7));
    assert_eq!(config.effective_parallelism(), 2);
}

#[test]
fn a_bad_value_is_refused_with_place_range_and_example() {
    let cases = [
        ("batch_interval=0", "1ms to 30d"),
        ("batch_interval=soon", "not a duration"),
        ("receiver.block_interval=0ms", "receiver.block_interval = \"200ms\""),
        ("receiver.segment_bytes=1KiB", "4KiB to 64MiB"),
        ("receiver.ring_segments=1", "2 to 65536"),
        ("receiver.max_line_bytes=16MiB", "16B to 16777215B"),
        ("receiver.max_rate=NaN", "receiver.max_rate = \"10000\""),
        ("receiver.max_rate=inf", "records per second"),
        ("receiver.pin=maybe", "true, false"),
        ("master=local[0]", "local[*]"),
        ("master=spark://host:7077", "local[n]"),
        ("task.max_failures=0", "1 to 1000"),
        ("on_batch_failure=shrug", "stop, retry, skip"),
        ("app_name=", "any text"),
        ("hash_seed=-1", "not a seed"),
        ("stats.file=", "a path, or none"),
    ];
    for (arg, said) in cases {
        let message = refusal(Config::new().with_args([arg]));
        assert!(message.contains(said), "{arg}: {message}");
        assert!(message.contains(&format!("argument \"{arg}\"")), "{message}");
    }
    assert!(refusal(Config::new().with_args(["batch_interval"])).contains("expected key=value"));
}

#[test]
fn a_bad_value_is_refused_even_where_a_stronger_place_hides_it() {
    let config = Config::new().batch_interval(ms(100));
    assert!(
        refusal(config.with_env([("MILLSTREAM_BATCH_INTERVAL", "x")])).contains("MILLSTREAM_BATCH_INTERVAL")
    );
}

#[test]
fn unknown_keys_are_refused_with_the_nearest_known_one() {
    let cases = [
        ("receiver.blok_interval", "receiver.block_interval?"),
        ("block_interval", "receiver.block_interval?"),
        ("batchinterval", "batch_interval?"),
        ("max_failures", "task.max_failures?"),
    ];
    for (name, near) in cases {
        let message = refusal(Config::new().with_args([format!("{name}=1")]));
        assert!(message.contains(&format!("did you mean {near}")), "{message}");
        assert!(message.contains("Config::keys()"), "{message}");
    }
    let message = refusal(Config::new().with_args(["zzz=1"]));
    assert!(!message.contains("did you mean"), "{message}");
    let message = refusal(Config::new().with_env([("MILLSTREAM_RECEIVER_BLOCKINTERVAL", "1")]));
    assert!(message.contains("did you mean MILLSTREAM_RECEIVER_BLOCK_INTERVAL?"), "{message}");
}

#[test]
fn variables_of_others_are_left_alone() {
    let vars = [("PATH", "/bin"), ("MILLSTREAM_CONF", "elsewhere.toml"), ("MILLSTREAM_APP_NAME", "clicks")];
    assert_eq!(Config::new().with_env(vars).unwrap().app_name, "clicks");
}

#[test]
fn a_file_may_nest_or_dot_its_keys() {
    let text = "batch_interval = 250\nreceiver.pin = false\n[task]\nmax_failures = 2\n\
                [file]\nsplit_bytes = '1MiB'\n";
    let config = Config::new().with_toml(text, "mill.toml").unwrap();
    assert_eq!(config.batch_interval, ms(250));
    assert_eq!((config.pin_receivers, config.max_failures, config.split_bytes), (false, 2, 1 << 20));
    assert_eq!(config.place("task.max_failures").to_string(), "mill.toml:4");
}

#[test]
fn the_process_names_its_file_and_overrides_it() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"app_name = 'file'\nstop_timeout = '3s'").unwrap();
    let path = file.path().display().to_string();
    let vars = [("MILLSTREAM_APP_NAME", "env"), ("MILLSTREAM_CONF", &path), ("HOME", "/")];
    let config = Config::new().with_process_env(vars.map(|(n, v)| (n.into(), v.into())).into_iter()).unwrap();
    assert_eq!((config.app_name.as_str(), config.stop_timeout), ("env", ms(3_000)));
}

#[test]
fn mistakes_in_a_file_are_named_by_line() {
    let cases = [
        ("\n\nbatch_interval = 'x'", ":3)", "not a duration"),
        ("[receiver]\npin = true\nblock = 1", ":3)", "unknown key receiver.block "),
        ("app_name = 'a'\nmaster = [1]", ":2)", "not a master"),
        ("app_name = 'a'\nmaster = \n", ":2:", "not TOML"),
    ];
    for (text, line, said) in cases {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let message = refusal(Config::new().with_file(file.path()));
        assert!(message.contains(&format!("{}{line}", file.path().display())), "{message}");
        assert!(message.contains(said), "{message}");
    }
    assert!(refusal(Config::new().with_file("/no/such/file")).contains("/no/such/file"));
}

#[test]
fn relations_between_keys_are_checked_and_both_places_named() {
    let config = Config::new().with_args(["receiver.block_interval=2s"]).unwrap();
    let message = config.validate().unwrap_err().to_string();
    assert!(message.contains("receiver.block_interval = 2s (argument"), "{message}");
    assert!(message.contains("batch_interval = 1s (default)"), "{message}");
    config.batch_interval(ms(2_000)).validate().unwrap();

    let message = Config::new().max_held_bytes(64 << 10).validate().unwrap_err().to_string();
    assert!(message.contains("could not hold one segment"), "{message}");
    let message = Config::new().max_held_bytes(512 << 10).validate().unwrap_err().to_string();
    assert!(message.contains("could not hold one line"), "{message}");
}

#[test]
fn values_set_in_code_are_held_to_their_ranges() {
    let cases = [
        (Config::new().batch_interval(Duration::ZERO), "batch_interval = \"0ms\" (set in code)"),
        (Config::new().batch_interval(Duration::from_micros(1_500)), "whole milliseconds"),
        (Config::new().block_interval(Duration::ZERO), "receiver.block_interval"),
        (Config::new().master(Master::Local(0)), "local[0]"),
        (Config::new().max_rate(f64::NAN), "receiver.max_rate"),
        (Config::new().app_name(""), "app_name"),
    ];
    for (config, said) in cases {
        let message = config.validate().unwrap_err().to_string();
        assert!(message.contains(said), "{message}");
    }
}

#[test]
fn memory_that_no_program_runs_in_is_refused() {
    let message = Config::new().memory_max(1 << 20).validate().unwrap_err().to_string();
    assert!(message.contains("is too little") && message.contains("at least 32 MiB"), "{message}");
    Config::new().memory_max(32 << 20).validate().unwrap();
    assert!(Config::new().effective_memory_max() > 32 << 20);
}
