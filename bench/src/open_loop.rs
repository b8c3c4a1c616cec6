//! A sender with a schedule that nothing moves.
//!
//! Line `i` is due `i / rate` after the beginning. A sender that is late, or that was blocked because the receiver did not read,
//! sends everything that has become due since, each line with the moment at which it was due. So a stall of the receiver shows in
//! the latency of every line that was due meanwhile. A closed loop would have sent fewer lines and shown one late line instead
//! (Gil Tene's *coordinated omission*).

use std::fs;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::latency;
use crate::line_source::LineSource;

/// Bytes that are written in one go, about.
const PIECE_BYTES: usize = 128 << 10;

/// Which line is due when.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    lines_per_second: f64,
    lines: u64,
}

impl Schedule {
    /// `lines_per_second` for `time`; at least one line.
    pub fn new(lines_per_second: f64, time: Duration) -> Self {
        let lines = (lines_per_second * time.as_secs_f64()).round().max(1.0) as u64;
        Schedule { lines_per_second, lines }
    }

    /// All lines.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// When line `line` is due, after the beginning.
    pub fn due(&self, line: u64) -> Duration {
        Duration::from_secs_f64(line as f64 / self.lines_per_second)
    }

    /// The same in microseconds.
    pub fn due_us(&self, line: u64) -> u64 {
        (line as f64 * 1e6 / self.lines_per_second) as u64
    }

    /// How many lines are due by `elapsed`.
    pub fn due_by(&self, elapsed: Duration) -> u64 {
        ((elapsed.as_secs_f64() * self.lines_per_second) as u64 + 1).min(self.lines)
    }
}

/// How far a sender is, for those who watch it.
#[derive(Debug, Default)]
pub struct Progress {
    sent: AtomicU64,
    writing_us: AtomicU64,
}

impl Progress {
    /// Lines that have been written to the socket.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Time in writes so far. A sender that is late and was seldom in writes is itself what is slow.
    pub fn writing(&self) -> Duration {
        Duration::from_micros(self.writing_us.load(Ordering::Relaxed))
    }
}

/// How late lines were. All lines of one write count like the oldest of them, so the figures are upper bounds.
#[derive(Debug)]
pub struct Lateness {
    /// From the moment a line was due, or from the return of the write before it if that was later, to its own write, in
    /// microseconds: what the sender itself adds to a latency.
    pub own_us: Histogram<u64>,
    /// From the moment a line was due to its write, in microseconds: with what it waited for a receiver that did not read.
    pub all_us: Histogram<u64>,
    /// Time in writes.
    pub writing: Duration,
}

/// A sender on its way.
pub struct OpenLoop<'a> {
    schedule: Schedule,
    /// The shortest pause: a sender that wakes for every line of a million a second does nothing else.
    pace: Duration,
    progress: &'a Progress,
    lateness: Lateness,
}

impl<'a> OpenLoop<'a> {
    /// A sender that looks at the schedule once per `pace` at the most.
    ///
    /// # Errors
    /// None: the precision of its figures is one that exists.
    pub fn new(
        schedule: Schedule,
        pace: Duration,
        progress: &'a Progress,
    ) -> Result<Self, hdrhistogram::CreationError> {
        let lateness = Lateness {
            own_us: latency::histogram()?,
            all_us: latency::histogram()?,
            writing: Duration::ZERO,
        };
        Ok(OpenLoop { schedule, pace, progress, lateness })
    }

    /// Sends all lines. `begin_us` is the system clock's time of the beginning, `begin` the same moment.
    ///
    /// # Errors
    /// When the receiver is gone.
    pub fn run(
        mut self,
        socket: &mut impl Write,
        source: &mut impl LineSource,
        begin: Instant,
        begin_us: u64,
    ) -> io::Result<Lateness> {
        let (mut sent, mut free) = (0, Duration::ZERO);
        let mut piece = Vec::with_capacity(2 * PIECE_BYTES);
        while sent < self.schedule.lines() {
            let now = begin.elapsed();
            let due = self.schedule.due_by(now);
            if due <= sent {
                std::thread::sleep(self.schedule.due(sent).max(free + self.pace).saturating_sub(now));
                continue;
            }
            piece.clear();
            let oldest = sent;
            while sent < due && piece.len() < PIECE_BYTES {
                source.append(&mut piece, begin_us + self.schedule.due_us(sent));
                sent += 1;
            }
            self.note(now, self.schedule.due(oldest), free, sent - oldest);
            let write = begin.elapsed();
            socket.write_all(&piece)?;
            free = begin.elapsed();
            self.lateness.writing += free - write;
            self.progress.sent.store(sent, Ordering::Relaxed);
            self.progress.writing_us.store(micros(self.lateness.writing), Ordering::Relaxed);
        }
        Ok(self.lateness)
    }

    fn note(&mut self, now: Duration, due: Duration, free: Duration, lines: u64) {
        let own = now.saturating_sub(due.max(free));
        self.lateness.own_us.saturating_record_n(micros(own), lines);
        self.lateness.all_us.saturating_record_n(micros(now.saturating_sub(due)), lines);
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Has the kernel wake this program's first thread when it asked to be woken, and not up to 50 µs later. Without it a sender is
/// a little less punctual, which its figures show.
pub fn wake_punctually() {
    let _ = fs::write("/proc/self/timerslack_ns", "1");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line_source::Stamped;

    #[test]
    fn the_schedule_counts_from_the_beginning() {
        let schedule = Schedule::new(1_000.0, Duration::from_secs(2));
        assert_eq!(schedule.lines(), 2_000);
        assert_eq!((schedule.due(500), schedule.due_us(500)), (Duration::from_millis(500), 500_000));
        assert_eq!(schedule.due_by(Duration::ZERO), 1);
        assert_eq!(schedule.due_by(Duration::from_micros(1_500)), 2);
        assert_eq!(schedule.due_by(Duration::from_secs(9)), 2_000);
    }

    /// A receiver that takes its first piece only after a while.
    struct Stalls {
        first: bool,
        wire: Vec<u8>,
    }

    impl Write for Stalls {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if std::mem::take(&mut self.first) {
                let end = Instant::now() + Duration::from_millis(50);
                while Instant::now() < end {
                    std::thread::yield_now();
                }
            }
            self.wire.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stall_moves_no_line_and_is_not_the_senders_fault() {
        let progress = Progress::default();
        let schedule = Schedule::new(10_000.0, Duration::from_millis(100));
        let mut receiver = Stalls { first: true, wire: Vec::new() };
        let sender = OpenLoop::new(schedule, Duration::ZERO, &progress).unwrap();
        let begin_us = 1_700_000_000_000_000;
        let mut source = Stamped::new(1, 10, 30);
        let lateness = sender.run(&mut receiver, &mut source, Instant::now(), begin_us).unwrap();
        assert_eq!(progress.sent(), 1_000);
        let wire = String::from_utf8(receiver.wire).unwrap();
        for (i, line) in wire.lines().enumerate() {
            assert_eq!(crate::stamped::due_us(&line[..16]), Some(begin_us + 100 * i as u64));
        }
        assert!(lateness.all_us.max() >= 45_000, "a line that was due in the stall waited: {lateness:?}");
        assert!(lateness.writing >= Duration::from_millis(50));
        assert!(lateness.own_us.value_at_quantile(0.5) < lateness.all_us.max());
        assert_eq!(lateness.all_us.len(), 1_000);
    }
}
