//! State does not keep the blocks alive that its keys and values were cut from.

use std::sync::Mutex;
use std::time::Duration;

use millstream_engine::graph::BatchInput;
use millstream_engine::rdd::Parallelized;
use millstream_engine::testkit::TestContext;
use millstream_engine::text::{ChunkPool, release_credits, validate};
use millstream_engine::{DStream, InputStream, Result, Text};
use millstream_operators::prelude::*;

const KEY: &str = "a key that does not fit into sixteen bytes";
const VALUE: &str = "a value that does not either";

/// A first batch, and then none.
struct Once(Mutex<Option<Vec<(Text, Text)>>>);

impl InputStream for Once {
    type Rdd = Parallelized<(Text, Text)>;

    fn compute(&self, batch: &BatchInput<'_>) -> Result<Option<Self::Rdd>> {
        let records = self.0.lock().unwrap().take();
        Ok(records.map(|records| Parallelized::new(batch.executor().clone(), records, 1)))
    }
}

/// One record, cut from a chunk of the pool.
fn records(pool: &ChunkPool) -> Vec<(Text, Text)> {
    let mut chunk = pool.take();
    chunk.extend_from_slice(KEY.as_bytes());
    chunk.extend_from_slice(VALUE.as_bytes());
    let end = KEY.len() + VALUE.len();
    let block = validate(&chunk.freeze(), 0..end).unwrap().block;
    vec![(block.get(0..KEY.len()).unwrap(), block.get(KEY.len()..end).unwrap())]
}

/// Runs the stream that `build` makes of one record, and sees that its chunk is free when its batch is.
fn check(
    build: impl FnOnce(&TestContext, &DStream<Parallelized<(Text, Text)>>) -> Box<dyn Fn() -> Vec<(Text, Text)>>,
) {
    let (test, pool) = (TestContext::new(Duration::from_secs(1)).unwrap(), ChunkPool::new(1_024, 1));
    let input = test.input_stream("once", Once(Mutex::new(Some(records(&pool))))).unwrap();
    let states = build(&test, &input);
    release_credits();
    assert!(pool.bytes_in_use() > 0);
    test.run(3).unwrap();
    assert_eq!(pool.bytes_in_use(), 0);
    let last = states().pop().unwrap();
    assert_eq!((last.0.as_ref(), last.1.as_ref()), (KEY, VALUE));
}

#[test]
fn map_with_state_keeps_no_block() {
    check(|test, input| {
        let spec = StateSpec::function(|_: &Text, value: Option<Text>, state: &mut State<Text>| {
            state.update(value.unwrap_or_default());
        });
        let states = input.map_with_state(spec).state_snapshots();
        let seen = test.collect(&states.map(|(key, value)| (key.detached(), value.detached())));
        Box::new(move || seen.all())
    });
}

#[test]
fn update_state_by_key_keeps_no_block() {
    check(|test, input| {
        let last = |values: &[Text], state: Option<Text>| values.last().cloned().or(state);
        let states = input.update_state_by_key(last);
        let seen = test.collect(&states.map(|(key, value)| (key.detached(), value.detached())));
        Box::new(move || seen.all())
    });
}
