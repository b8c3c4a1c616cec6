//! Properties of texts against `str`, on arbitrary Unicode, wherever in a chunk the text stands.

use std::ops::ControlFlow;

use proptest::prelude::*;

use super::testing::{at_offset, texts_of};
use super::{Chunk, Text, count_lines, for_each_line, validate};

/// Strings of characters that matter to splitting, of their near neighbours, and of any others.
fn strings() -> impl Strategy<Value = String> {
    let special = " \t\n\r\u{b}\u{c}\u{1c}\u{85}\u{a0}\u{1680}\u{2003}\u{200b}\u{2028}\u{202f}\u{205f}\u{3000}“”é一ab,;\0";
    let special: Vec<char> = special.chars().collect();
    let character = prop_oneof![
        4 => prop::char::range('a', 'z'),
        4 => prop::sample::select(special),
        1 => any::<char>(),
    ];
    prop_oneof![prop::collection::vec(character.clone(), 0..20), prop::collection::vec(character, 0..300),]
        .prop_map(String::from_iter)
}

/// The lines as `BufferedReader` cuts them, said as plainly as can be.
fn plain_lines(value: &str) -> Vec<String> {
    let mut lines: Vec<String> =
        value.replace("\r\n", "\n").replace('\r', "\n").split('\n').map(String::from).collect();
    if lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// All bytes that a hasher is given.
#[derive(Default)]
struct Recorder(Vec<u8>);

impl std::hash::Hasher for Recorder {
    fn finish(&self) -> u64 {
        0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
    }
}

fn hashed(text: &Text) -> Vec<u8> {
    let mut recorder = Recorder::default();
    std::hash::Hash::hash(text, &mut recorder);
    recorder.0
}

proptest! {
    #[test]
    fn words_are_those_of_str(value in strings(), offset in 0..130usize) {
        let text = at_offset(&value, offset);
        let words: Vec<Text> = text.split_whitespace().collect();
        prop_assert_eq!(words, value.split_whitespace().collect::<Vec<_>>());
        let six = [' ', '\t', '\n', '\u{b}', '\u{c}', '\r'];
        let expected: Vec<&str> = value.split(six).filter(|word| !word.is_empty()).collect();
        prop_assert_eq!(text.fields().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn words_of_every_storage_are_the_same(value in strings()) {
        for text in texts_of(&value) {
            prop_assert_eq!(text.split_whitespace().collect::<Vec<_>>(), value.split_whitespace().collect::<Vec<_>>());
        }
    }

    #[test]
    fn pieces_are_those_of_str(value in strings(), delimiter in "[ab,é“]{0,3}", c in any::<char>(), offset in 0..70usize) {
        let text = at_offset(&value, offset);
        let pieces: Vec<Text> = text.split(&*delimiter).collect();
        prop_assert_eq!(pieces, value.split(&*delimiter).collect::<Vec<_>>());
        let long = delimiter.repeat(10);
        prop_assert_eq!(text.split(&*long).collect::<Vec<_>>(), value.split(&*long).collect::<Vec<_>>());
        prop_assert_eq!(text.split(c).count(), value.split(c).count());
        prop_assert_eq!(text.splitn(3, &*delimiter).collect::<Vec<_>>(), value.splitn(3, &*delimiter).collect::<Vec<_>>());
    }

    #[test]
    fn lines_are_those_of_a_plain_reader(value in strings(), offset in 0..70usize) {
        let bytes = [vec![b'\n'; offset], value.clone().into_bytes()].concat();
        let chunk = Chunk::copy_from(&bytes).unwrap();
        let block = validate(&chunk, 0..bytes.len()).unwrap().block;
        let mut lines: Vec<String> = vec![];
        let _ = for_each_line(&block, offset..bytes.len(), |line| {
            lines.push(line.into());
            ControlFlow::Continue(())
        });
        prop_assert_eq!(count_lines(value.as_bytes()), lines.len() as u64);
        prop_assert_eq!(lines, plain_lines(&value));
        let lines: Vec<Text> = block.get(offset..bytes.len()).unwrap().lines().collect();
        prop_assert_eq!(lines, value.lines().collect::<Vec<_>>());
    }

    #[test]
    fn order_equality_and_hash_agree_with_str(a in strings(), b in strings(), cut in 0..40usize, offset in 0..70usize) {
        let prefix: String = a.chars().take(cut).collect();
        for b in [b, prefix, a.clone()] {
            let (x, y) = (at_offset(&a, offset), Text::from(&b));
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert_eq!(x == y, a == b);
            prop_assert_eq!(hashed(&x) == hashed(&y), a == b);
            prop_assert_eq!(x.partial_cmp(b.as_str()), a.partial_cmp(&b));
        }
    }

    #[test]
    fn parts_are_those_of_str(value in strings(), start in 0..320usize, len in 0..40usize, offset in 0..70usize) {
        let text = at_offset(&value, offset);
        prop_assert_eq!(text.get(start..start + len), value.get(start..start + len).map(Text::from));
        prop_assert_eq!(text.get(start..), value.get(start..).map(Text::from));
        prop_assert_eq!(text.trim(), value.trim());
    }

    #[test]
    fn serde_writes_and_reads_what_it_does_for_a_string(value in strings()) {
        let json = serde_json::to_string(&Text::from(&value)).unwrap();
        prop_assert_eq!(&json, &serde_json::to_string(&value).unwrap());
        prop_assert_eq!(serde_json::from_str::<Text>(&json).unwrap(), value);
    }

    #[test]
    fn bytes_are_repaired_as_in_the_standard_library(bytes in prop::collection::vec(any::<u8>(), 0..200), from in 0..200usize) {
        let from = from.min(bytes.len());
        let chunk = Chunk::copy_from(&bytes).unwrap();
        let validated = validate(&chunk, from..bytes.len()).unwrap();
        prop_assert_eq!(validated.block.as_str(), String::from_utf8_lossy(&bytes[from..]));
        let (text, replaced) = Text::from_utf8_lossy(&bytes[from..]);
        prop_assert_eq!((text.as_str(), replaced as u64), (validated.block.as_str(), validated.replaced));
    }
}
