//! What a process costs, from Linux's `/proc`.

use std::fs;
use std::time::Duration;

/// Clock ticks per second of `/proc`; it is 100 on every Linux of today.
const TICKS_PER_SECOND: u64 = 100;

/// The resident memory of this process in MB; `None` where there is no `/proc`.
pub fn resident_mb() -> Option<f64> {
    status_mb(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// The most resident memory so far, in MB.
pub fn peak_resident_mb() -> Option<f64> {
    status_mb(&fs::read_to_string("/proc/self/status").ok()?, "VmHWM:")
}

/// Processor time of all threads so far.
pub fn cpu_time() -> Option<Duration> {
    cpu_of(&fs::read_to_string("/proc/self/stat").ok()?)
}

fn status_mb(status: &str, field: &str) -> Option<f64> {
    let line = status.lines().find(|line| line.starts_with(field))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1_024.0 / 1e6)
}

/// User and system ticks are the 14th and 15th field; the second is a name in parentheses that may hold anything.
fn cpu_of(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let ticks: Vec<u64> = fields.split(' ').skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    let [user, system] = ticks[..] else { return None };
    Some(Duration::from_millis((user + system) * 1_000 / TICKS_PER_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_is_read_right() {
        assert_eq!(status_mb("VmPeak:\t 10 kB\nVmRSS:\t  2000 kB\n", "VmRSS:"), Some(2.048));
        let stat = "12 (a ) b) S 1 1 1 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0";
        assert_eq!(cpu_of(stat), Some(Duration::from_secs(3)));
        assert_eq!(cpu_of("nonsense"), None);
    }
}
