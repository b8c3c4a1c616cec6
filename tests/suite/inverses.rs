//! A program that is compiled for debugging reports an inverse function that is none, and nothing else.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use millstream::prelude::*;
use millstream::rdd::Parallelized;
use millstream::testkit::TestContext;
use tracing_subscriber::fmt::MakeWriter;

const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Page {
    type Writer = Page;

    fn make_writer(&'a self) -> Page {
        self.clone()
    }
}

/// What is logged while `work` runs, on any thread.
fn logged(work: impl FnOnce()) -> String {
    // Batches run on threads of their own, so the subscriber must be everybody's: one page, and one test at a time.
    static PAGE: LazyLock<Page> = LazyLock::new(|| {
        let page = Page::default();
        let subscriber = tracing_subscriber::fmt().with_writer(page.clone()).with_ansi(false).finish();
        tracing_subscriber::util::SubscriberInitExt::try_init(subscriber).unwrap();
        page
    });
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    PAGE.0.lock().unwrap().clear();
    work();
    String::from_utf8(PAGE.0.lock().unwrap().clone()).unwrap()
}

/// What is reported of inverses while the program that `define` makes of some numbers runs.
fn reports<R: Rdd>(define: impl FnOnce(&DStream<Parallelized<i64>>) -> DStream<R>) -> Vec<String> {
    let log = logged(|| {
        let test = TestContext::new(SECOND).unwrap();
        let batch = |t: i64| if t % 9 == 8 { vec![] } else { vec![t * t % 83 - 40, t % 7] };
        test.collect(&define(&test.input((0..60).map(batch), 1).unwrap()));
        test.run(60).unwrap();
    });
    log.lines().filter(|line| line.contains("does not undo the reduce function")).map(str::to_owned).collect()
}

#[test]
fn an_inverse_that_is_none_is_reported() {
    let of_keys = reports(|numbers| {
        let pairs = numbers.map(|n| ('a', n));
        pairs.reduce_by_key_and_window_inv(i64::max, |all, _| all, SECOND * 3, SECOND)
    });
    let of_all = reports(|numbers| numbers.reduce_by_window_inv(i64::max, |all, _| all, SECOND * 3, SECOND));
    for reports in [of_keys, of_all] {
        assert_eq!(reports.len(), 1, "{reports:?}");
        assert!(reports[0].contains("tests/suite/inverses.rs:"), "{}", reports[0]);
    }
}

#[test]
fn a_right_inverse_is_not_reported() {
    let of_keys = reports(|numbers| {
        let pairs = numbers.map(|n| ('a', n));
        pairs.reduce_by_key_and_window_inv(|a, b| a + b, |a, b| a - b, SECOND * 3, SECOND)
    });
    let of_all =
        reports(|numbers| numbers.reduce_by_window_inv(|a, b| a + b, |a, b| a - b, SECOND * 3, SECOND));
    // Sevenths are rounded: what is left by subtracting is not to the last bit what adding up gives.
    let of_fractions = reports(|numbers| {
        let pairs = numbers.map(|n| ('a', n as f64 / 7.0));
        pairs.reduce_by_key_and_window_inv(|a, b| a + b, |a, b| a - b, SECOND * 3, SECOND)
    });
    let of_all_fractions = reports(|numbers| {
        numbers.map(|n| n as f64 / 7.0).reduce_by_window_inv(|a, b| a + b, |a, b| a - b, SECOND * 3, SECOND)
    });
    for reports in [of_keys, of_all, of_fractions, of_all_fractions] {
        assert_eq!(reports, [""; 0]);
    }
}
