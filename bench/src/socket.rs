//! What a sender sends, and what must come out of it.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use memchr::memrchr;

/// Bytes that are sent in one go, at most.
const PIECE_BYTES: usize = 256 << 10;

/// What was sent, or counted: enough to see whether every word was counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Bytes; not counted by a receiver.
    pub bytes: u64,
    /// Words.
    pub words: u64,
    /// The sum over all words of what they hash to, modulo 2^64.
    pub digest: u64,
}

impl Sent {
    /// Adds a word that came `count` times.
    pub fn add_word(&mut self, word: &[u8], count: u64) {
        self.words += count;
        self.digest = self.digest.wrapping_add(hash(word).wrapping_mul(count));
    }

    /// Adds what `other` holds.
    pub fn add(&mut self, other: &Sent) {
        self.bytes += other.bytes;
        self.words += other.words;
        self.digest = self.digest.wrapping_add(other.digest);
    }
}

/// FNV-1a, which is the same in every process.
fn hash(word: &[u8]) -> u64 {
    word.iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Text in pieces of whole lines, each with its answer, so that sending needs no counting.
#[derive(Debug)]
pub struct Pieces {
    bytes: Vec<u8>,
    pieces: Vec<(usize, Sent)>,
}

impl Pieces {
    /// Cuts `bytes`; a last line without an end gets one.
    pub fn new(mut bytes: Vec<u8>) -> Self {
        if bytes.last() != Some(&b'\n') {
            bytes.push(b'\n');
        }
        let (mut pieces, mut start) = (Vec::new(), 0);
        while start < bytes.len() {
            let most = bytes.len().min(start + PIECE_BYTES);
            let end = memrchr(b'\n', &bytes[start..most]).map_or(most, |at| start + at + 1);
            pieces.push((end, answer(&bytes[start..end])));
            start = end;
        }
        Pieces { bytes, pieces }
    }

    /// Sends the pieces over and over for `time`, no faster than `rate` MB per second.
    ///
    /// # Errors
    /// When the receiver is gone.
    pub fn send(&self, socket: &mut impl Write, time: Duration, rate: Option<f64>) -> io::Result<Sent> {
        let (begin, mut sent) = (Instant::now(), Sent::default());
        loop {
            let mut start = 0;
            for (end, answer) in &self.pieces {
                if begin.elapsed() >= time {
                    return Ok(sent);
                }
                socket.write_all(&self.bytes[start..*end])?;
                sent.add(answer);
                start = *end;
                if let Some(rate) = rate {
                    let due = Duration::from_secs_f64(sent.bytes as f64 / 1e6 / rate);
                    std::thread::sleep(due.saturating_sub(begin.elapsed()));
                }
            }
        }
    }
}

fn answer(text: &[u8]) -> Sent {
    let mut sent = Sent { bytes: text.len() as u64, ..Sent::default() };
    let words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    words.for_each(|word| sent.add_word(word, 1));
    sent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_text_and_their_answers_add_up() {
        let text = "a bb ccc\nbb\n".repeat(100_000).into_bytes();
        let pieces = Pieces::new(text.clone());
        assert!(pieces.pieces.len() > 1);
        let mut all = Sent::default();
        pieces.pieces.iter().for_each(|(_, sent)| all.add(sent));
        let mut expected = Sent { bytes: text.len() as u64, ..Sent::default() };
        for (word, count) in [("ccc", 100_000), ("bb", 200_000), ("a", 100_000)] {
            expected.add_word(word.as_bytes(), count);
        }
        assert_eq!(all, expected);
    }

    #[test]
    fn what_was_sent_is_told() {
        let mut wire = Vec::new();
        let sent =
            Pieces::new(b"one two".to_vec()).send(&mut wire, Duration::from_millis(20), Some(0.01)).unwrap();
        assert_eq!(sent, answer(&wire));
        assert!(sent.words >= 2);
    }
}
