//! Access logs in combined format: Zipf clients and paths, the statuses of a public web site, and one malformed line in a thousand.

use super::random::{Random, Zipf};

/// Different clients.
const CLIENTS: usize = 20_000;
/// Different paths.
const PATHS: usize = 2_000;
/// One line in so many is malformed.
const MALFORMED_IN: u64 = 1_000;
/// Statuses and their share in percent.
const STATUSES: [(u16, u64); 8] =
    [(200, 82), (304, 6), (404, 5), (301, 2), (302, 1), (206, 1), (500, 2), (503, 1)];
const AGENTS: [&str; 4] = [
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_9_1) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/32.0.1700.77 Safari/537.36",
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:27.0) Gecko/20100101 Firefox/27.0",
    "curl/7.35.0",
    "-",
];

/// An access log, and what counting it must give.
#[derive(Debug)]
pub struct AccessLog {
    /// The lines, ASCII, each with `\n`.
    pub bytes: Vec<u8>,
    /// The number of lines.
    pub lines: u64,
    /// Lines that are no access log lines.
    pub malformed: u64,
    clients: Vec<(String, u64)>,
    statuses: Vec<(u16, u64)>,
}

impl AccessLog {
    /// At least `size` bytes.
    pub fn generate(seed: u64, size: usize) -> Self {
        let mut random = Random::new(seed);
        let mut log = AccessLog {
            bytes: Vec::with_capacity(size + 1_024),
            lines: 0,
            malformed: 0,
            clients: (0..CLIENTS).map(|i| (address(i), 0)).collect(),
            statuses: STATUSES.iter().map(|(status, _)| (*status, 0)).collect(),
        };
        let (clients, paths) = (Zipf::new(CLIENTS), Zipf::new(PATHS));
        while log.bytes.len() < size {
            log.lines += 1;
            if random.below(MALFORMED_IN) == 0 {
                log.malformed += 1;
                log.bytes.extend_from_slice(b"AH00558: could not reliably determine the server's name\n");
            } else {
                let client = clients.rank(&mut random);
                log.add(client, paths.rank(&mut random), &mut random);
            }
        }
        log
    }

    fn add(&mut self, client: usize, path: usize, random: &mut Random) {
        let at = status(random.below(100));
        let status = &mut self.statuses[at];
        status.1 += 1;
        let client = &mut self.clients[client];
        client.1 += 1;
        let line = format!(
            "{} - - [17/May/2015:{:02}:{:02}:{:02} +0000] \"GET /articles/{path}/page-{path}.html HTTP/1.1\" {} {} \"{}\" \"{}\"\n",
            client.0,
            random.below(24),
            random.below(60),
            random.below(60),
            status.0,
            random.below(200_000),
            ["-", "http://www.example.com/articles/"][random.below(2) as usize],
            AGENTS[random.below(4) as usize],
        );
        self.bytes.extend_from_slice(line.as_bytes());
    }

    /// The well-formed lines of each client that has any.
    pub fn by_client(&self) -> impl Iterator<Item = (&str, u64)> {
        self.clients.iter().map(|(client, n)| (client.as_str(), *n)).filter(|(_, n)| *n > 0)
    }

    /// The well-formed lines of each status that has any.
    pub fn by_status(&self) -> impl Iterator<Item = (u16, u64)> {
        self.statuses.iter().copied().filter(|(_, n)| *n > 0)
    }
}

/// A different address for each `client`, of seven to fifteen bytes.
fn address(client: usize) -> String {
    let bits = (client as u32 + 1).wrapping_mul(0x9e37_79b1);
    let [a, b, c, d] = bits.to_be_bytes();
    format!("{a}.{b}.{c}.{d}")
}

/// Where the status of a line stands in [`STATUSES`].
fn status(percent: u64) -> usize {
    let mut sum = 0;
    let below = |(_, share): &(u16, u64)| {
        sum += share;
        percent < sum
    };
    STATUSES.iter().position(below).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream::io::format::access_log;

    #[test]
    fn the_answer_is_what_parsing_gives() {
        let log = AccessLog::generate(11, 2_000_000);
        let (mut malformed, mut errors) = (0, 0);
        for line in std::str::from_utf8(&log.bytes).unwrap().lines() {
            match access_log::parse(line) {
                Ok(parsed) => errors += u64::from(parsed.status >= 500),
                Err(_) => malformed += 1,
            }
        }
        assert_eq!(malformed, log.malformed);
        assert!(malformed > 0);
        assert_eq!(errors, log.by_status().filter(|(s, _)| *s >= 500).map(|(_, n)| n).sum::<u64>());
        assert_eq!(log.by_client().map(|(_, n)| n).sum::<u64>(), log.lines - log.malformed);
    }
}
