//! Texts that many threads clone, send and drop: in the end every chunk is back in its pool.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::mpsc;
use std::thread::{self, ScopedJoinHandle};

use super::{ChunkPool, Text, Utf8Chunk, detached, for_each_line, release_credits, validate};

const THREADS: usize = 4;

/// Lines that are long, of long and short words, each with the number of its block and its own.
fn block(pool: &ChunkPool, number: usize) -> Utf8Chunk {
    let mut chunk = pool.take();
    for line in 0..100 {
        chunk.extend_from_slice(
            format!("block-{number:03} a-word-that-is-not-inline-{line:05} end\n").as_bytes(),
        );
    }
    let chunk = chunk.freeze();
    validate(&chunk, 0..chunk.len()).unwrap().block
}

fn lines(block: &Utf8Chunk) -> Vec<Text> {
    let mut lines = vec![];
    let _ = for_each_line(block, 0..block.len(), |line| {
        lines.push(line);
        ControlFlow::Continue(())
    });
    lines
}

/// Waits for the very end of threads: a scope alone waits for their closures, behind which they give back what they still have.
fn join(threads: Vec<ScopedJoinHandle<'_, ()>>) {
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn chunks_come_back_from_threads_that_hammer_the_same_texts() {
    let pool = ChunkPool::new(8 * 1024, 64);
    let blocks: Vec<Utf8Chunk> = (0..8).map(|number| block(&pool, number)).collect();
    thread::scope(|scope| {
        let hammer = |thread| {
            let blocks = &blocks;
            scope.spawn(move || {
                for round in 0..if cfg!(miri) { 2 } else { 50 } {
                    let block = &blocks[(thread + round) % blocks.len()];
                    let lines = lines(block);
                    let words: Vec<Text> = lines.iter().map(|line| line.field(1).unwrap()).collect();
                    drop(lines);
                    let copies = words.clone();
                    assert!(copies.iter().all(|word| word.starts_with("a-word-that-is-not-inline-")));
                    if round % 7 == 0 {
                        release_credits();
                    }
                }
            })
        };
        join((0..THREADS).map(hammer).collect());
    });
    assert_eq!(pool.chunks_in_use(), 8);
    drop(blocks);
    assert_eq!((pool.chunks_in_use(), pool.bytes_in_use(), pool.idle()), (0, 0, 8));
}

#[test]
fn chunks_come_back_when_texts_are_made_here_and_dropped_there() {
    let pool = ChunkPool::new(8 * 1024, 64);
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..THREADS).map(|_| mpsc::channel::<Text>()).unzip();
    thread::scope(|scope| {
        let receive = |receiver: mpsc::Receiver<Text>| {
            scope.spawn(move || {
                let mut table: HashMap<Text, usize> = HashMap::new();
                receiver.iter().for_each(|word| *table.entry(word).or_default() += 1);
                assert!(table.iter().all(|(word, &n)| n == 4 && word.len() > 15));
            })
        };
        let send = |_| {
            let (pool, senders) = (pool.clone(), senders.clone());
            scope.spawn(move || {
                for number in 0..if cfg!(miri) { 1 } else { 20 } {
                    for (n, line) in lines(&block(&pool, number)).into_iter().enumerate() {
                        senders[(n + number) % THREADS].send(line.get(..).unwrap()).unwrap();
                    }
                }
            })
        };
        let mut threads: Vec<_> = receivers.into_iter().map(receive).collect();
        threads.extend((0..4).map(send));
        drop(senders);
        join(threads);
    });
    assert_eq!((pool.chunks_in_use(), pool.bytes_in_use()), (0, 0));
}

#[test]
fn detached_clones_of_any_type_let_the_chunk_go() {
    #[derive(Clone, PartialEq, Debug)]
    struct Key {
        line: Text,
        words: Vec<Text>,
        last: Option<(Text, u64)>,
    }
    let pool = ChunkPool::new(8 * 1024, 1);
    let block = block(&pool, 7);
    let line = lines(&block).swap_remove(42);
    let key =
        Key { words: line.split_whitespace().collect(), last: line.split('-').last().map(|t| (t, 1)), line };

    let shared = key.clone();
    let kept = detached(|| key.clone());
    assert_eq!(kept, key);
    drop((block, key));
    release_credits();
    assert_eq!(pool.chunks_in_use(), 1, "the clone outside of the mode is counted");
    drop(shared);
    release_credits();
    assert_eq!((pool.chunks_in_use(), pool.idle()), (0, 1));
    assert_eq!(kept.words, ["block-007", "a-word-that-is-not-inline-00042", "end"]);
    assert!(thread::spawn(move || kept.line.ends_with("00042 end")).join().unwrap());
}

#[test]
fn a_pooled_chunk_that_is_one_text_is_let_go_too() {
    let pool = ChunkPool::new(16, 1);
    let mut chunk = pool.take_at_least(1 << 24).unwrap();
    chunk.spare_mut().fill(b'x');
    chunk.advance(1 << 24);
    let chunk = chunk.freeze();
    let text = validate(&chunk, 0..chunk.len()).unwrap().block.get(0..chunk.len()).unwrap();
    assert_eq!(text.as_bytes().as_ptr(), chunk.as_bytes().as_ptr());
    let kept = text.detached();
    drop((text, chunk));
    release_credits();
    assert_eq!((pool.bytes_in_use(), kept.len()), (0, 1 << 24));
    assert_eq!(kept.detached().as_ptr(), kept.as_ptr(), "what is detached is not copied again");
}

#[test]
fn a_thread_reads_its_texts_while_the_arena_is_written_behind_them() {
    let (sender, receiver) = mpsc::channel::<Text>();
    let reader = thread::spawn(move || {
        receiver
            .iter()
            .map(|text| text.split(' ').chain(text.split_whitespace()).map(|word| word.len()).sum::<usize>())
            .sum()
    });
    let rounds = if cfg!(miri) { 50 } else { 20_000 };
    for n in 0..rounds {
        sender.send(Text::from(format!("number {n:09} of the arena"))).unwrap();
    }
    drop(sender);
    let letters: usize = reader.join().unwrap();
    assert_eq!(letters, rounds * 2 * "number000000000oftheArena".len());
}
