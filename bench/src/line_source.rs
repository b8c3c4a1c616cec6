//! What an open-loop sender sends: stamped lines that are made on the way, or the lines of a text over and over.

use memchr::memchr_iter;

use crate::socket::Sent;
use crate::stamped;
use crate::workload::random::Random;

/// Gives one line after the other.
pub trait LineSource {
    /// Appends the next line, with its end, to `out`. `due_us` is its moment in the schedule.
    fn append(&mut self, out: &mut Vec<u8>, due_us: u64);

    /// What was given so far.
    fn given(&self) -> Sent;
}

/// Lines with their moment and one of so many keys, all alike frequent.
#[derive(Debug)]
pub struct Stamped {
    random: Random,
    writer: stamped::Writer,
    /// Each key with what a line of it adds to the answer.
    keys: Vec<(String, Sent)>,
    line_bytes: usize,
    given: Sent,
}

impl Stamped {
    /// Lines of `line_bytes` bytes with `keys` different keys, at least one.
    pub fn new(seed: u64, keys: usize, line_bytes: usize) -> Self {
        let with_answer = |rank| {
            let (key, mut answer) = (stamped::key_of(rank), Sent::default());
            answer.add_word(key.as_bytes(), 1);
            (key, answer)
        };
        let keys = (0..keys.max(1) as u64).map(with_answer).collect();
        Stamped {
            random: Random::new(seed),
            writer: stamped::Writer::default(),
            keys,
            line_bytes,
            given: Sent::default(),
        }
    }
}

impl LineSource for Stamped {
    fn append(&mut self, out: &mut Vec<u8>, due_us: u64) {
        let rank = self.random.below(self.keys.len() as u64) as usize;
        let (key, answer) = &self.keys[rank];
        let begin = out.len();
        self.writer.write_line(out, due_us, key.as_bytes(), self.line_bytes);
        self.given.add(answer);
        self.given.bytes += (out.len() - begin) as u64;
    }

    fn given(&self) -> Sent {
        self.given
    }
}

/// The lines of a text, over and over. A line counts as one word; there is no digest.
#[derive(Debug)]
pub struct Repeated {
    text: Vec<u8>,
    /// Where each line ends, its end included.
    ends: Vec<usize>,
    next: usize,
    given: Sent,
}

impl Repeated {
    /// The lines of `text`; `None` when it has none.
    pub fn new(mut text: Vec<u8>) -> Option<Self> {
        if text.last().is_some_and(|last| *last != b'\n') {
            text.push(b'\n');
        }
        let ends: Vec<usize> = memchr_iter(b'\n', &text).map(|at| at + 1).collect();
        (!ends.is_empty()).then(|| Repeated { text, ends, next: 0, given: Sent::default() })
    }
}

impl LineSource for Repeated {
    fn append(&mut self, out: &mut Vec<u8>, _due_us: u64) {
        let begin = if self.next == 0 { 0 } else { self.ends[self.next - 1] };
        let line = &self.text[begin..self.ends[self.next]];
        out.extend_from_slice(line);
        self.given.bytes += line.len() as u64;
        self.given.words += 1;
        self.next = (self.next + 1) % self.ends.len();
    }

    fn given(&self) -> Sent {
        self.given
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_that_were_given_are_told() {
        let (mut source, mut out) = (Stamped::new(1, 3, 30), Vec::new());
        (0..10).for_each(|due| source.append(&mut out, due));
        let mut expected = Sent { bytes: 300, ..Sent::default() };
        for line in String::from_utf8(out).unwrap().lines() {
            expected.add_word(line.split(' ').nth(1).unwrap().as_bytes(), 1);
        }
        assert_eq!(source.given(), expected);
    }

    #[test]
    fn a_text_begins_again_at_its_end() {
        let (mut source, mut out) = (Repeated::new(b"a\nbb".to_vec()).unwrap(), Vec::new());
        (0..3).for_each(|due| source.append(&mut out, due));
        assert_eq!(out, b"a\nbb\na\n");
        assert_eq!((source.given().words, source.given().bytes), (3, 7));
        assert!(Repeated::new(Vec::new()).is_none());
    }
}
