//! What the machine has, and what the process has of it.

use std::fs;
use std::path::Path;

/// Bytes of memory that the process may have: the machine's, or less where its control group has a limit.
pub fn machine_memory() -> u64 {
    let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let limit = limits.iter().filter_map(|path| number_in(Path::new(path))).min();
    let total = fs::read_to_string("/proc/meminfo").ok().and_then(|text| kilobytes_of(&text, "MemTotal:"));
    let total = total.unwrap_or(UNKNOWN);
    limit.map_or(total, |limit| limit.min(total))
}

/// Bytes of memory that the process occupies now; `None` where the system does not tell.
pub fn resident_memory() -> Option<u64> {
    kilobytes_of(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// Taken for the machine's memory where the system does not tell.
const UNKNOWN: u64 = 4 << 30;

fn number_in(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The value of a line such as `MemTotal:  24603276 kB`.
fn kilobytes_of(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_less_than_its_machine() {
        let resident = resident_memory().unwrap();
        assert!(resident > 100 << 10 && resident < machine_memory(), "{resident} of {}", machine_memory());
    }

    #[test]
    fn what_is_not_there_has_no_value() {
        assert_eq!(kilobytes_of("MemFree: 12 kB\nMemTotal:   34 kB\n", "MemTotal:"), Some(34 << 10));
        assert_eq!(kilobytes_of("MemTotal: lots\n", "MemTotal:"), None);
    }
}
