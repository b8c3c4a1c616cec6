//! The lines that contain a string, counted with their bytes.

use memchr::memmem::Finder;
use memchr::{memchr, memrchr};

/// With the standard library alone.
pub fn plain(text: &str, needle: &str) -> (u64, u64) {
    let matching = text.lines().filter(|line| line.contains(needle));
    matching.fold((0, 0), |(lines, bytes), line| (lines + 1, bytes + line.len() as u64))
}

/// Looks for the string in the whole text, and for lines only around what is found.
pub fn expert(text: &[u8], needle: &str) -> (u64, u64) {
    let finder = Finder::new(needle);
    let (mut lines, mut bytes, mut at) = (0, 0, 0);
    while let Some(found) = finder.find(&text[at..]) {
        let found = at + found;
        let start = memrchr(b'\n', &text[at..found]).map_or(at, |end| at + end + 1);
        let end = memchr(b'\n', &text[found..]).map_or(text.len(), |length| found + length);
        lines += 1;
        bytes += (end - start) as u64;
        at = text.len().min(end + 1);
    }
    (lines, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_find_the_same_lines() {
        for text in ["", "x", "ERROR", "a ERROR b ERROR\nERROR\n\nERRO\nR\nzERROR\n", "\nERROR", "no\nnone\n"]
        {
            assert_eq!(plain(text, "ERROR"), expert(text.as_bytes(), "ERROR"), "{text:?}");
        }
    }
}
