//! Lines of an application's log, a chosen share of which contain `ERROR`.

use super::random::Random;

/// What the filter looks for.
pub const NEEDLE: &str = "ERROR";

/// Log lines, and how many of them are errors.
#[derive(Debug)]
pub struct LogLines {
    /// The lines, ASCII, each with `\n`.
    pub bytes: Vec<u8>,
    /// The number of lines.
    pub lines: u64,
    /// The lines that contain [`NEEDLE`].
    pub matching: u64,
    /// The bytes of those lines, without their ends.
    pub matching_bytes: u64,
}

impl LogLines {
    /// At least `size` bytes, in which `matching` of a line's chances of 1 say `ERROR`.
    pub fn generate(seed: u64, size: usize, matching: f64) -> Self {
        const LEVELS: [&str; 4] = ["DEBUG", "INFO", "WARN", "Error"];
        const WORDS: [&str; 8] =
            ["connection", "timeout", "ERR", "request", "to", "replica", "partition", "committed"];
        let mut random = Random::new(seed);
        let mut log =
            LogLines { bytes: Vec::with_capacity(size + 256), lines: 0, matching: 0, matching_bytes: 0 };
        let mut line = String::new();
        while log.bytes.len() < size {
            let is_match = random.unit() < matching;
            let level = if is_match { NEEDLE } else { LEVELS[random.below(4) as usize] };
            line.clear();
            line.push_str(&format!("2016-12-19 16:{:02}:{:02},", random.below(60), random.below(60)));
            line.push_str(&format!("{:03} {level} [thread-{}]", random.below(1_000), random.below(100)));
            for _ in 0..random.below(12) + 3 {
                line.push(' ');
                line.push_str(WORDS[random.below(8) as usize]);
            }
            log.bytes.extend_from_slice(line.as_bytes());
            log.bytes.push(b'\n');
            log.lines += 1;
            log.matching += u64::from(is_match);
            log.matching_bytes += if is_match { line.len() as u64 } else { 0 };
        }
        log
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_what_looking_gives() {
        let log = LogLines::generate(3, 200_000, 0.1);
        let text = std::str::from_utf8(&log.bytes).unwrap();
        let found: Vec<&str> = text.lines().filter(|line| line.contains(NEEDLE)).collect();
        assert_eq!(found.len() as u64, log.matching);
        assert_eq!(found.iter().map(|line| line.len() as u64).sum::<u64>(), log.matching_bytes);
        let share = log.matching as f64 / log.lines as f64;
        assert!((0.08..0.12).contains(&share), "{share}");
    }
}
