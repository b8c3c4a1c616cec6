//! The modified Yahoo streaming benchmark: views of each campaign in tumbling windows of ten seconds, from events in memory.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use compare_programs::arguments::Arguments;
use compare_programs::ysb::{Campaigns, Event, Load, VIEW};
use compare_programs::{Outcome, output};
use millstream::prelude::*;
use millstream::rdd::{Parallelized, UnionAll};
use millstream::testkit::TestContext;

use crate::replay::{BATCH, number};

const WINDOW: Duration = Duration::from_secs(10);

/// The events of all batches, ready in memory.
pub(crate) struct Prepared {
    context: TestContext,
    events: DStream<UnionAll<Parallelized<Event>>>,
    campaigns: Campaigns,
    batches: u64,
}

pub(crate) fn prepare(arguments: &Arguments) -> Outcome<Prepared> {
    let load = Load::read(&arguments.input)?;
    let config = Config::new().master(Master::Local(arguments.threads)).batch_interval(BATCH);
    let context = TestContext::with_config(config, Time::default())?;
    let queue = RddQueue::new();
    let events = context.queue_stream(&queue, true)?;
    for second in 0..load.seconds {
        queue.push(context.parallelize(load.events_of(second), arguments.threads));
    }
    queue.close();
    Ok(Prepared { context, events, campaigns: load.campaign_of_ad(), batches: load.seconds })
}

pub(crate) fn run(arguments: &Arguments, prepared: Prepared) -> Outcome {
    let Prepared { context, events, campaigns, batches } = prepared;
    let campaigns = context.broadcast(campaigns);
    let views = events.filter(|event: &Event| event.event_type == VIEW);
    let joined = views.filter_map(move |event| Some((*campaigns.get(&event.ad)?, 1u64)));
    let counts = joined.reduce_by_key_and_window(|a, b| a + b, WINDOW, WINDOW);

    let results = Arc::new(Mutex::new(output::create(&arguments.output)?));
    let written = Arc::clone(&results);
    counts.foreach_rdd(move |window, time| {
        let mut lines = written.lock().unwrap_or_else(PoisonError::into_inner);
        for (campaign, count) in window.collect()? {
            writeln!(lines, "{}\t{campaign}\t{count}", number(time))?;
        }
        Ok(())
    });
    context.run(batches as usize)?;
    Ok(results.lock().unwrap_or_else(PoisonError::into_inner).flush()?)
}
