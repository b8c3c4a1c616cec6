//! Lines that become something, and those that do not.

use millstream::observe::LongAccumulator;
use millstream::prelude::*;
use millstream::rdd::Data;

/// What `parse` makes of the lines, and how many of them it made nothing of.
pub(crate) fn parsed<T: Data>(
    ssc: &StreamingContext,
    lines: &DStream<BoxRdd<Text>>,
    parse: impl Fn(&Text) -> Option<T> + Send + Sync + 'static,
) -> (DStream<impl Rdd<Item = T>>, LongAccumulator) {
    let malformed = ssc.accumulators().long("malformed lines");
    let count = malformed.clone();
    let parsed = lines.filter_map(move |line| {
        let parsed = parse(&line);
        if parsed.is_none() {
            count.add(1);
        }
        parsed
    });
    (parsed, malformed)
}
