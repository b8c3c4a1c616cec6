//! Word count as one writes it in Rust without thinking long.

use std::collections::HashMap;

/// Every word between ASCII whitespace, and how often it occurs.
pub fn plain(text: &[u8]) -> HashMap<&[u8], u64, ahash::RandomState> {
    let mut counts = HashMap::default();
    for word in text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()) {
        *counts.entry(word).or_insert(0) += 1;
    }
    counts
}
