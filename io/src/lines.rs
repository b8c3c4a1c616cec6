//! Cuts a stream of bytes into chunks of whole lines.

use memchr::{memchr2, memrchr2};

use millstream_engine::text::ChunkMut;

/// The end of the last whole line in `bytes`: behind its terminator. A `\r` at the very end may be half of a `\r\n` and does not
/// count.
pub(crate) fn last_line_end(bytes: &[u8]) -> Option<usize> {
    memrchr2(b'\n', b'\r', without_last_return(bytes)).map(|at| at + 1)
}

/// The end of the first line in `bytes`, by the same rule.
fn first_line_end(bytes: &[u8]) -> Option<usize> {
    let at = memchr2(b'\n', b'\r', without_last_return(bytes))?;
    let is_pair = bytes[at] == b'\r' && bytes.get(at + 1) == Some(&b'\n');
    Some(at + 1 + usize::from(is_pair))
}

fn without_last_return(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

/// Memory that a cutter keeps for carried bytes while it carries none: thousands of connections have one each.
const KEPT_BYTES: usize = 4 << 10;

/// Carries the beginning of a line from one chunk to the next, and cuts lines that are too long.
///
/// For each piece of input: [`begin`](Self::begin) puts the carried bytes into a chunk, the caller reads behind them and calls
/// [`settle`](Self::settle), which leaves whole lines in the chunk.
#[derive(Debug)]
pub(crate) struct LineCutter {
    carried: Vec<u8>,
    max_line_bytes: usize,
    /// Inside a line that was cut: its rest is dropped up to its end.
    skipping: bool,
    cut_lines: u64,
}

impl LineCutter {
    pub(crate) fn new(max_line_bytes: usize) -> Self {
        LineCutter { carried: Vec::new(), max_line_bytes, skipping: false, cut_lines: 0 }
    }

    /// Bytes that `begin` will put into the next chunk.
    pub(crate) fn pending(&self) -> usize {
        self.carried.len()
    }

    /// Lines that were longer than `max_line_bytes`: their beginning was kept as a line, the rest was dropped.
    pub(crate) fn cut_lines(&self) -> u64 {
        self.cut_lines
    }

    /// Puts what is carried to the end of `chunk`, which must have room for it; returns where that begins.
    pub(crate) fn begin(&mut self, chunk: &mut ChunkMut) -> usize {
        let start = chunk.len();
        chunk.extend_from_slice(&self.carried);
        self.carried.clear();
        if self.carried.capacity() > KEPT_BYTES {
            self.carried = Vec::new();
        }
        start
    }

    /// Leaves whole lines in `chunk` from `start` on and carries the beginning of the next one. At the end of the input
    /// (`at_end`) the last line is whole without a terminator, and gets one, so that something else may follow in the chunk.
    pub(crate) fn settle(&mut self, chunk: &mut ChunkMut, start: usize, at_end: bool) {
        if self.skipping {
            self.skip(chunk, start, at_end);
        }
        let new = &chunk.filled()[start..];
        let whole = start + if at_end { new.len() } else { last_line_end(new).unwrap_or(0) };
        self.carried.extend_from_slice(&chunk.filled()[whole..]);
        chunk.truncate(whole);
        if self.carried.len() > self.max_line_bytes {
            self.cut_carried(chunk);
        }
        if chunk.len() - start > self.max_line_bytes {
            self.cut_inside(chunk, start);
        }
        if chunk.len() > start {
            terminate(chunk);
        }
    }

    /// Drops the rest of a line whose beginning was kept.
    fn skip(&mut self, chunk: &mut ChunkMut, start: usize, at_end: bool) {
        let rest = match first_line_end(&chunk.filled()[start..]) {
            Some(end) => {
                self.skipping = false;
                chunk.filled()[start + end..].to_vec()
            }
            None => Vec::new(),
        };
        self.skipping &= !at_end;
        if self.skipping && chunk.filled()[start..].ends_with(b"\r") {
            self.carried.push(b'\r'); // the end of the line, unless a \n follows
        }
        chunk.truncate(start);
        chunk.extend_from_slice(&rest);
    }

    /// The carried line is too long already: its beginning becomes a line.
    fn cut_carried(&mut self, chunk: &mut ChunkMut) {
        let end = self.cut_at(&self.carried);
        chunk.extend_from_slice(&self.carried[..end]);
        chunk.extend_from_slice(b"\n");
        self.carried.clear();
        self.skipping = true;
        self.cut_lines += 1;
    }

    /// Cuts the whole lines of a chunk that is longer than one line may be.
    fn cut_inside(&mut self, chunk: &mut ChunkMut, start: usize) {
        let lines = chunk.filled()[start..].to_vec();
        chunk.truncate(start);
        let mut rest = &lines[..];
        while !rest.is_empty() {
            let (line, later) = rest.split_at(first_line_end(rest).unwrap_or(rest.len()));
            if line.len() > self.max_line_bytes + 2 {
                chunk.extend_from_slice(&line[..self.cut_at(line)]);
                chunk.extend_from_slice(b"\n");
                self.cut_lines += 1;
            } else {
                chunk.extend_from_slice(line);
            }
            rest = later;
        }
    }

    /// Where a line is cut: at the limit, or up to three bytes before it so as not to cut a character.
    fn cut_at(&self, line: &[u8]) -> usize {
        let limit = self.max_line_bytes;
        let inside_character = |at: &usize| line.get(*at).is_some_and(|byte| byte & 0xc0 == 0x80);
        (limit.saturating_sub(3)..=limit).rev().find(|at| !inside_character(at)).unwrap_or(limit)
    }
}

/// Ends the last line, so that whatever follows in the chunk begins another one. Only a last line at the end of the input, in a
/// chunk that is full, needs no end: nothing follows.
fn terminate(chunk: &mut ChunkMut) {
    match chunk.filled().last() {
        Some(b'\n') => (),
        Some(b'\r') => {
            chunk.truncate(chunk.len() - 1); // a \n that follows belongs to another line
            chunk.extend_from_slice(b"\n");
        }
        _ if chunk.remaining() > 0 => chunk.extend_from_slice(b"\n"),
        _ => (),
    }
}

#[cfg(test)]
mod tests {
    use millstream_engine::text::ChunkPool;

    use super::*;

    /// What the cutter makes of `pieces`, joined.
    fn cut(pieces: &[&str], max: usize) -> (String, u64) {
        let pool = ChunkPool::new(1 << 10, 1);
        let mut cutter = LineCutter::new(max);
        let mut all = Vec::new();
        for (i, piece) in pieces.iter().enumerate() {
            let mut chunk = pool.take_at_least(cutter.pending() + piece.len() + 1).unwrap();
            let start = cutter.begin(&mut chunk);
            chunk.extend_from_slice(piece.as_bytes());
            cutter.settle(&mut chunk, start, i + 1 == pieces.len());
            all.extend_from_slice(chunk.filled());
        }
        (String::from_utf8(all).unwrap(), cutter.cut_lines())
    }

    #[test]
    fn lines_are_whole_wherever_the_input_is_cut() {
        let text = "one\ntwo two\r\n\nthree \u{e9}\nend";
        for at in 0..=text.len() {
            if let Some((a, b)) = text.split_at_checked(at) {
                assert_eq!(cut(&[a, b], 100), (format!("{text}\n"), 0), "cut at {at}");
            }
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_and_counted_and_the_next_one_is_not_hurt() {
        for pieces in
            [&["abcdefghij\nok\n"][..], &["abcd", "efgh", "ij\nok", "\n"], &["abcdefghi", "j\nok\n"]]
        {
            assert_eq!(cut(pieces, 6), ("abcdef\nok\n".to_owned(), 1), "{pieces:?}");
        }
    }

    #[test]
    fn an_endless_line_is_cut_once() {
        let endless = vec!["0123456789"; 1_000];
        assert_eq!(cut(&endless, 16), ("0123456789012345\n".to_owned(), 1));
    }

    #[test]
    fn a_cut_does_not_go_through_a_character() {
        assert_eq!(cut(&["aaaaa\u{20ac}\u{20ac}\u{20ac}\n"], 7).0, "aaaaa\n");
    }

    #[test]
    fn a_lone_return_ends_a_line_unless_more_may_come() {
        assert_eq!(last_line_end(b"ab\rc"), Some(3));
        assert_eq!(last_line_end(b"ab\r"), None);
        assert_eq!(last_line_end(b"ab"), None);
        assert_eq!(last_line_end(b"a\nb\rc"), Some(4));
        assert_eq!(first_line_end(b"a\rb\n"), Some(2));
        assert_eq!(first_line_end(b"a\r\nb"), Some(3));
        assert_eq!(cut(&["a\rb", "c\n"], 100), ("a\nbc\n".to_owned(), 0));
    }

    #[test]
    fn a_lone_return_ends_a_line_that_is_cut() {
        assert_eq!(cut(&["abcdefghij\rok\n"], 6), ("abcdef\nok\n".to_owned(), 1));
        assert_eq!(cut(&["abcdefghij", "kl\r", "ok\n"], 6), ("abcdef\nok\n".to_owned(), 1));
        assert_eq!(cut(&["abcdefghij", "kl\r", "\nok\n"], 6), ("abcdef\nok\n".to_owned(), 1));
    }
}
