//! Prose: words of a vocabulary with Zipf's frequencies, in lines of some seventy bytes.

use std::collections::HashSet;

use super::random::{Random, Zipf};

/// Different words in the vocabulary; English books of a few MB have that many.
const VOCABULARY: usize = 85_000;

/// A line ends with the word that passes this length.
const LINE_BYTES: usize = 64;

/// Text, and how often each word occurs in it.
#[derive(Debug)]
pub struct Text {
    /// Lines of words with single spaces between them; ASCII, `\n` at the end of each line.
    pub bytes: Vec<u8>,
    /// The number of lines.
    pub lines: u64,
    /// The number of words.
    pub words: u64,
    vocabulary: Vec<String>,
    counts: Vec<u64>,
}

impl Text {
    /// At least `size` bytes, to the end of the line.
    pub fn generate(seed: u64, size: usize) -> Self {
        let mut random = Random::new(seed);
        let vocabulary = vocabulary(&mut random, VOCABULARY);
        let zipf = Zipf::new(vocabulary.len());
        let mut text = Text {
            bytes: Vec::with_capacity(size + 2 * LINE_BYTES),
            lines: 0,
            words: 0,
            counts: vec![0; vocabulary.len()],
            vocabulary,
        };
        while text.bytes.len() < size {
            text.add_line(&zipf, &mut random);
        }
        text
    }

    fn add_line(&mut self, zipf: &Zipf, random: &mut Random) {
        let start = self.bytes.len();
        while self.bytes.len() - start < LINE_BYTES {
            let rank = zipf.rank(random);
            self.bytes.extend_from_slice(self.vocabulary[rank].as_bytes());
            self.bytes.push(b' ');
            self.counts[rank] += 1;
            self.words += 1;
        }
        if let Some(last) = self.bytes.last_mut() {
            *last = b'\n';
        }
        self.lines += 1;
    }

    /// Every word that occurs, and how often: the answer of a word count.
    pub fn word_counts(&self) -> impl Iterator<Item = (&str, u64)> {
        let words = self.vocabulary.iter().map(String::as_str);
        words.zip(self.counts.iter().copied()).filter(|(_, count)| *count > 0)
    }
}

/// Different words, the short ones first as in a language; some with a comma or a capital, as whitespace leaves them.
fn vocabulary(random: &mut Random, words: usize) -> Vec<String> {
    let mut seen = HashSet::new();
    let mut vocabulary = Vec::with_capacity(words);
    let mut longer = 0;
    while vocabulary.len() < words {
        let letters = length(random, vocabulary.len()) + longer;
        let word = word(random, letters);
        if seen.insert(word.clone()) {
            vocabulary.push(word);
            longer = 0;
        } else {
            longer += 1;
        }
    }
    vocabulary
}

/// About 2.5 letters for the most frequent word and 9 for the rarest, so that a word of the text has 5.5.
fn length(random: &mut Random, rank: usize) -> usize {
    let mean = 2.0 + 0.55 * ((rank + 1) as f64).ln();
    (mean + 4.0 * (random.unit() + random.unit() - 1.0)).round().max(1.0) as usize
}

fn word(random: &mut Random, length: usize) -> String {
    const CONSONANTS: &[u8] = b"tnshrdlcmfwgpybvkjxzq";
    const VOWELS: &[u8] = b"eaoiu";
    let pick = |random: &mut Random, letters: &[u8]| letters[random.below(letters.len() as u64) as usize];
    let mut word = String::with_capacity(length + 1);
    let odd = random.below(2) as usize;
    for i in 0..length {
        word.push(char::from(pick(random, if (i + odd).is_multiple_of(2) { CONSONANTS } else { VOWELS })));
    }
    match random.below(12) {
        0 => word.push(','),
        1 => word[..1].make_ascii_uppercase(),
        _ => (),
    }
    word
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn the_answer_is_what_counting_gives() {
        let text = Text::generate(7, 300_000);
        let read = std::str::from_utf8(&text.bytes).unwrap();
        let mut counts: HashMap<&str, u64> = HashMap::new();
        for word in read.split_whitespace() {
            *counts.entry(word).or_default() += 1;
        }
        assert_eq!(counts, text.word_counts().collect());
        assert_eq!(counts.values().sum::<u64>(), text.words);
        assert_eq!(read.lines().count() as u64, text.lines);
        assert!(text.bytes.is_ascii() && text.bytes.len() < 300_000 + 200);
    }

    #[test]
    fn words_are_as_long_as_english_ones() {
        let text = Text::generate(1, 1_000_000);
        let mean = text.bytes.len() as f64 / text.words as f64 - 1.0;
        assert!((5.0..6.5).contains(&mean), "{mean}");
        let vocabulary = text.vocabulary.iter().map(String::len).sum::<usize>() as f64 / VOCABULARY as f64;
        assert!((7.0..10.0).contains(&vocabulary), "{vocabulary}");
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        assert_eq!(Text::generate(5, 10_000).bytes, Text::generate(5, 10_000).bytes);
        assert_ne!(Text::generate(5, 10_000).bytes, Text::generate(6, 10_000).bytes);
    }
}
