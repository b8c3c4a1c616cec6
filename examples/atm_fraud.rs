//! Finds cards that withdraw suspiciously often at one machine.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use millstream::prelude::*;

mod common;
#[path = "common/csv.rs"]
mod csv;
#[path = "common/duration.rs"]
mod duration;
#[path = "common/files.rs"]
mod files;
#[path = "common/moment.rs"]
mod moment;
#[path = "common/parsed.rs"]
mod parsed;
#[path = "common/source.rs"]
mod source;
#[path = "common/streaming.rs"]
mod streaming;
#[path = "common/total.rs"]
mod total;

use csv::Cents;

/// Prints an alert for each withdrawal with which a card has been used too often at the same machine within a while. Lines are
/// card,atm,amount,time, the time in seconds since 1970 or in UTC as in 2026-03-02T10:05:03. The times in the lines count, not
/// when they come; within a batch lines may be in any order, and beyond it be late by as long as the while
#[derive(clap::Parser)]
#[command(after_help = "Examples:
  atm_fraud replay:25:data/withdrawals.csv --interval 100ms
  atm_fraud listen://127.0.0.1:9999 --more-than 5 --within 1h")]
struct Options {
    #[command(flatten)]
    input: source::Input,
    /// How many withdrawals are not suspicious yet
    #[arg(long, default_value_t = 2, value_name = "N")]
    more_than: usize,
    /// How long the while is
    #[arg(long, default_value = "15m", value_name = "TIME", value_parser = duration::parse)]
    within: Duration,
    /// Forget a card at a machine when it has not come for so long, by the clock [default: twice the while]
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    forget: Option<Duration>,
    #[command(flatten)]
    streaming: streaming::Streaming,
}

/// When, as milliseconds since 1970; how much, in hundredths; and when, as the line says it.
type Withdrawal = (i64, i64, Text);

fn main() -> ExitCode {
    common::run(|options: Options| {
        let ssc = options.streaming.context("AtmFraud")?;

        let lines = options.input.lines(&ssc, None)?;
        let (withdrawals, malformed) = parsed::parsed(&ssc, &lines, |line| {
            let [card, atm, amount, time] = csv::fields(line)?;
            let millis = moment::parse_millis(&time)?;
            Some(((card, atm), (millis, Cents::parse(&amount)?, time)))
        });
        let rule = Rule::new(options.more_than, options.within);
        let spec = StateSpec::function(move |place: &(Text, Text), new: Option<Vec<Withdrawal>>, recent| {
            // With nothing new the card is being forgotten.
            new.map(|new| rule.alerts(place, new, recent)).unwrap_or_default()
        });
        let forget = options.forget.unwrap_or_else(|| options.within.saturating_mul(2));
        let alerts =
            withdrawals.group_by_key().map_with_state(spec.timeout(forget)).flat_map(|alerts| alerts);
        let alerts = alerts.sort_by(|a, b| a.cmp(b)).map(|(_, alert)| alert);
        alerts.foreach_rdd(|rdd, _| print_lines(&rdd.collect()?));
        let total = total::count(&alerts);

        options.input.run_to_end(&ssc)?;
        let (total, malformed) = (total.load(Ordering::Relaxed), malformed.sum());
        writeln!(io::stderr(), "{total} alerts, {malformed} malformed lines")?;
        Ok(())
    })
}

/// Every one of them: an alert that is not seen is worth nothing.
fn print_lines(lines: &[String]) -> Result<(), BoxError> {
    let mut out = io::stdout().lock();
    lines.iter().try_for_each(|line| writeln!(out, "{line}"))?;
    Ok(out.flush()?)
}

/// What is suspicious.
struct Rule {
    more_than: usize,
    within_ms: i64,
}

/// So many withdrawals of a card at a machine are kept, beside those that are not suspicious yet; of more, the first are dropped.
const KEPT: usize = 1_000;

impl Rule {
    fn new(more_than: usize, within: Duration) -> Self {
        Rule { more_than, within_ms: i64::try_from(within.as_millis()).unwrap_or(i64::MAX) }
    }

    /// Adds new withdrawals to the recent ones, and gives the alerts with their times.
    fn alerts(
        &self,
        (card, atm): &(Text, Text),
        mut new: Vec<Withdrawal>,
        state: &mut State<Vec<Withdrawal>>,
    ) -> Vec<(i64, String)> {
        let mut recent = state.get().cloned().unwrap_or_default();
        let mut alerts = Vec::new();
        new.sort();
        for withdrawal in new {
            if recent.len() >= KEPT.saturating_add(self.more_than) {
                recent.remove(0);
            }
            let time = withdrawal.0;
            let place = recent.partition_point(|earlier| *earlier <= withdrawal);
            recent.insert(place, withdrawal);
            let crowd = self.crowd(&recent, place);
            if crowd.len() > self.more_than {
                alerts.push((time, alert(card, atm, crowd)));
            }
        }
        // What is older than twice the while cannot matter to one that is late by the while.
        let newest = recent.last().map_or(0, |last| last.0);
        recent.retain(|(time, ..)| (newest - time) / 2 <= self.within_ms);
        state.update(recent);
        alerts
    }

    /// The most withdrawals that lie within the while and that the one at `place` is among.
    fn crowd<'a>(&self, recent: &'a [Withdrawal], place: usize) -> &'a [Withdrawal] {
        let far = recent.partition_point(|first| recent[place].0 - first.0 > self.within_ms);
        let crowds = (far..=place).map(|first| {
            let rest = &recent[first..];
            &rest[..rest.partition_point(|last| last.0 - rest[0].0 <= self.within_ms)]
        });
        crowds.max_by_key(|crowd| crowd.len()).unwrap_or_default()
    }
}

fn alert(card: &Text, atm: &Text, crowd: &[Withdrawal]) -> String {
    let sum = Cents(crowd.iter().fold(0, |sum: i64, (_, cents, _)| sum.saturating_add(*cents)));
    let times =
        crowd.first().zip(crowd.last()).map(|(first, last)| format!("from {} to {}", first.2, last.2));
    format!("ALERT {card} at {atm}: {} withdrawals of {sum} {}", crowd.len(), times.unwrap_or_default())
}
