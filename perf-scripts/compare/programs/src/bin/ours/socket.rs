//! Words that come from a socket, counted in batches of one second. After each batch it says what has been counted so far:
//! `batch WORDS DIGEST CPU_SECONDS`.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use compare_programs::{Outcome, report};
use millstream::prelude::*;
use millstream_bench::socket::Sent;

/// `ours socket PORT THREADS`: runs until it is killed.
pub(crate) fn run(port: &str, threads: &str) -> Outcome {
    let config = Config::new().master(Master::Local(threads.parse()?)).batch_interval(Duration::from_secs(1));
    let ssc = StreamingContext::new(config)?;
    let lines = ssc.socket_text_stream("127.0.0.1", port.parse()?)?;
    let words = lines.flat_map(|line| line.split_ascii_whitespace());
    let counts = words.map(|word| (word, 1u64)).reduce_by_key(|a, b| a + b);

    let total = Arc::new(Mutex::new(Sent::default()));
    counts.foreach_rdd(move |counts, _| {
        let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
        for (word, count) in counts.collect()? {
            total.add_word(word.as_bytes(), count);
        }
        let mut out = std::io::stdout().lock();
        writeln!(out, "batch {} {} {:.3}", total.words, total.digest, report::cpu_time().as_secs_f64())?;
        Ok(out.flush()?)
    });
    ssc.start()?;
    Ok(ssc.await_termination()?)
}
