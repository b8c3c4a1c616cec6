//! A file counted by key: every worker counts its own pieces, then the keys go to the worker of their hash, which adds them up.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::rc::Rc;

use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::Operator;
use timely::dataflow::{InputHandle, StreamVec};

use crate::{Arguments, Outcome, pieces};

type Counts = HashMap<Vec<u8>, u64, ahash::RandomState>;

/// Where a key is counted; the same on all workers.
fn hash(key: &[u8]) -> u64 {
    ahash::RandomState::with_seeds(1, 2, 3, 4).hash_one(key)
}

/// The words of a piece.
pub(crate) fn words(text: &[u8], add: &mut dyn FnMut(&[u8])) {
    text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).for_each(add);
}

/// The lines of a piece.
pub(crate) fn lines(text: &[u8], add: &mut dyn FnMut(&[u8])) {
    text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).for_each(add);
}

/// What finds the keys of a text.
type Keys = fn(&[u8], &mut dyn FnMut(&[u8]));

/// Runs it; every worker writes a file.
pub(crate) fn run(arguments: &Arguments, keys: Keys) -> Outcome {
    let pieces = pieces::number_of(&arguments.input)?;
    let (path, output) = (arguments.input.clone(), arguments.output.clone());
    let guards = timely::execute(timely::Config::process(arguments.threads), move |worker| -> Outcome {
        let (index, peers) = (worker.index() as u64, worker.peers() as u64);
        let file = File::open(&path)?;
        let mut input = InputHandle::new();
        let totals = Rc::new(RefCell::new(Counts::default()));
        worker.dataflow(|scope| counted(input.to_stream(scope), keys, &totals));
        for piece in (0..pieces).filter(|piece| piece % peers == index) {
            input.send(pieces::read(&file, piece)?);
            input.flush();
            worker.step();
        }
        input.close();
        while worker.has_dataflows() {
            worker.step_or_park(None);
        }
        Ok(write(&output, index, &totals.borrow())?)
    })?;
    guards.join().into_iter().try_for_each(|outcome| outcome?)
}

/// The dataflow: pieces of text in, what each key of this worker comes to in `totals`.
fn counted(texts: StreamVec<'_, u64, Vec<u8>>, keys: Keys, totals: &Rc<RefCell<Counts>>) {
    let combined = texts.unary_frontier(Pipeline, "combine", |capability, _| {
        let (mut counts, mut capability) = (Counts::default(), Some(capability));
        move |(input, frontier), output| {
            input.for_each(|_, texts| {
                for text in texts.drain(..) {
                    keys(&text, &mut |key| add(&mut counts, key, 1));
                }
            });
            if frontier.is_empty()
                && let Some(capability) = capability.take()
            {
                output.session(&capability).give_iterator(counts.drain());
            }
        }
    });
    let combined = combined.container::<Vec<(Vec<u8>, u64)>>();
    let totals = Rc::clone(totals);
    let by_key = Exchange::new(|(key, _): &(Vec<u8>, u64)| hash(key));
    combined.sink(by_key, "add up", move |(input, _)| {
        let mut totals = totals.borrow_mut();
        input.for_each(|_, pairs| {
            for (key, count) in pairs.drain(..) {
                *totals.entry(key).or_insert(0) += count;
            }
        });
    });
}

#[inline]
fn add(counts: &mut Counts, key: &[u8], count: u64) {
    match counts.get_mut(key) {
        Some(sum) => *sum += count,
        None => _ = counts.insert(key.to_vec(), count),
    }
}

fn write(folder: &Path, worker: u64, counts: &Counts) -> std::io::Result<()> {
    let mut lines = BufWriter::with_capacity(1 << 20, File::create(folder.join(format!("part-{worker}")))?);
    for (key, count) in counts {
        lines.write_all(key)?;
        writeln!(lines, "\t{count}")?;
    }
    lines.flush()
}
