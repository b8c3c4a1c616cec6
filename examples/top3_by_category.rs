//! The best-selling brands of each category.

use std::cmp::Reverse;
use std::io::{self, Write};
use std::process::ExitCode;

use millstream::prelude::*;

mod common;
#[path = "common/csv.rs"]
mod csv;
#[path = "common/files.rs"]
mod files;
#[path = "common/parsed.rs"]
mod parsed;
#[path = "common/source.rs"]
mod source;
#[path = "common/streaming.rs"]
mod streaming;

use csv::Cents;

/// Adds up the sales of each brand from the beginning of a stream on, and prints in each batch the brands of each category that
/// have sold most. Lines are category,brand,amount, the amount with at most two decimals, below zero for what was given back
#[derive(clap::Parser)]
#[command(after_help = "Examples:
  top3_by_category replay:50:data/sales.csv --interval 100ms
  top3_by_category dir:/var/spool/sales --existing --top 5")]
struct Options {
    #[command(flatten)]
    input: source::Input,
    /// How many brands of each category to print
    #[arg(long, default_value_t = 3, value_name = "N")]
    top: usize,
    #[command(flatten)]
    streaming: streaming::Streaming,
}

/// The sales of a brand in hundredths, and its name: the larger, the better.
type Sales = (i64, Reverse<Text>);

fn main() -> ExitCode {
    common::run(|options: Options| {
        let ssc = options.streaming.context("Top3ByCategory")?;

        let lines = options.input.lines(&ssc, None)?;
        let (sales, malformed) = parsed::parsed(&ssc, &lines, |line| {
            let [category, brand, amount] = csv::fields(line)?;
            Some(((category, brand), Cents::parse(&amount)?))
        });
        // Every batch needs all sums, so the operator that gives them all is no detour.
        let sums =
            sales.reduce_by_key(i64::saturating_add).update_state_by_key(|new: &[i64], sum: Option<i64>| {
                Some(new.iter().fold(sum.unwrap_or(0), |sum, amount| sum.saturating_add(*amount)))
            });
        let brands = sums.map(|((category, brand), sum)| (category, (sum, Reverse(brand))));
        let top = options.top;
        let best = brands.aggregate_by_key(
            Vec::new(),
            move |best, brand| first(best, [brand], top),
            move |best, others| first(best, others, top),
        );
        best.sort_by_key(true).map(|(category, best)| shown(&category, &best)).print_n(usize::MAX);

        options.input.run_to_end(&ssc)?;
        writeln!(io::stderr(), "malformed lines: {}", malformed.sum())?;
        Ok(())
    })
}

/// The first `n` of both, in order.
fn first(mut best: Vec<Sales>, others: impl IntoIterator<Item = Sales>, n: usize) -> Vec<Sales> {
    for sales in others {
        let place = best.partition_point(|better| *better > sales);
        if place < n {
            best.insert(place, sales);
            best.truncate(n);
        }
    }
    best
}

fn shown(category: &Text, best: &[Sales]) -> String {
    let brands: Vec<_> = best.iter().map(|(sum, brand)| format!("{} {}", brand.0, Cents(*sum))).collect();
    format!("{category}: {}", brands.join(", "))
}
