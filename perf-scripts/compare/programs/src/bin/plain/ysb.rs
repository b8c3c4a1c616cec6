//! The modified Yahoo streaming benchmark: one loop over the events in memory.

use std::collections::HashMap;
use std::io::Write;

use compare_programs::arguments::Arguments;
use compare_programs::ysb::{Campaigns, Event, Load, VIEW};
use compare_programs::{Outcome, output};

/// The events of all seconds, and the campaign of each ad.
pub(crate) struct Prepared(Vec<Event>, Campaigns);

pub(crate) fn prepare(arguments: &Arguments) -> Outcome<Prepared> {
    let load = Load::read(&arguments.input)?;
    let events = (0..load.seconds).flat_map(|second| load.events_of(second));
    Ok(Prepared(events.collect(), load.campaign_of_ad()))
}

pub(crate) fn run(arguments: &Arguments, Prepared(events, campaigns): Prepared) -> Outcome {
    let mut counts: HashMap<(u64, u32), u64, ahash::RandomState> = HashMap::default();
    for event in events.iter().filter(|event| event.event_type == VIEW) {
        if let Some(campaign) = campaigns.get(&event.ad) {
            *counts.entry((event.time_ms / 10_000, *campaign)).or_insert(0) += 1;
        }
    }
    let mut lines = output::create(&arguments.output)?;
    for ((window, campaign), count) in counts {
        writeln!(lines, "{}\t{campaign}\t{count}", (window + 1) * 10)?;
    }
    Ok(lines.flush()?)
}
