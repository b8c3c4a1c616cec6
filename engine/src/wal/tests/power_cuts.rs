//! The power fails after every operation of a fixed job, and the disk keeps any legal part of what was not synced.

use std::sync::Arc;

use super::core::{Core, Known, job};
use super::support::*;
use crate::fs::{Fs, PowerCut, SimFs};
use crate::wal::verify;

/// Outcomes of a power cut with so many unsynced operations: all that can be listed, and random ones.
fn cuts(unsynced: usize, random: u64, seed: u64) -> impl Iterator<Item = PowerCut> {
    let prefixes = (0..=unsynced).map(PowerCut::Prefix);
    let torn = (0..12).map(|i| PowerCut::Torn { sectors: i / 2, zero_filled: i % 2 == 0 });
    let random = (0..random).map(move |i| PowerCut::Random(seed.wrapping_add(i)));
    [PowerCut::Lost, PowerCut::Kept].into_iter().chain(prefixes).chain(torn).chain(random)
}

/// Opens what a power cut has left, as strictly as can be, and goes on with it; for one image of four the power fails again
/// before that, and again.
fn check(image: &SimFs, mut known: Known, seed: u64) {
    if image.exists(dir()).unwrap() {
        let verified = verify(image, dir()).unwrap();
        assert_eq!(verified.report.damage().count(), 0, "{}", verified.report);
    }
    let mut disk = image.clone();
    let lives = if seed.is_multiple_of(4) { 2 } else { 0 };
    for life in 0..lives {
        let fs: Arc<dyn Fs> = Arc::new(disk.clone());
        let mut core = Core::open(fs, &options(), &mut known).unwrap();
        if life == 0 {
            disk.crash_after(disk.operations() + seed % 12);
        }
        let _ = core.append(3, &mut known);
        drop(core);
        disk = disk.crash(PowerCut::Random(seed));
    }
    let mut core = Core::open(Arc::new(disk), &options(), &mut known).unwrap();
    core.append(1, &mut known).unwrap();
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_invented() {
    let images = setting("MILLSTREAM_CRASH_IMAGES", 10_000);
    let seed = setting("MILLSTREAM_SEED", 1);
    let whole = SimFs::new();
    job(&(Arc::new(whole.clone()) as Arc<dyn Fs>), &mut Known::default()).unwrap();
    let operations = whole.operations();
    assert!(operations > 100, "{operations}");
    let random = (images / operations).saturating_sub(16).max(4);
    let mut checked = 0;
    // After the last operation it is still asked whether the log is ours.
    for n in 0..=operations + 1 {
        let disk = SimFs::new();
        disk.crash_after(n);
        let mut known = Known::default();
        let ended = job(&(Arc::new(disk.clone()) as Arc<dyn Fs>), &mut known);
        assert_eq!(ended.is_ok(), n > operations);
        for cut in cuts(disk.unsynced(), random, seed.wrapping_add(n * random)) {
            check(&disk.crash(cut), known, seed.wrapping_add(checked));
            checked += 1;
        }
    }
    assert!(checked * 10 > images * 9, "{checked} images");
    note("power cuts at every operation, log", "images", checked);
}
