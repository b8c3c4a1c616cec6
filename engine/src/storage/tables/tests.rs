use super::*;
use crate::text::ChunkPool;

#[test]
fn tables_of_all_operators_share_one_limit() {
    let memory = Memory::new(100 << 20, ChunkPool::new(1 << 10, 1));
    let window = Tables::of_window("count", &memory, 10, 1);
    let state = Tables::of_state("sessions", &memory, 0, 1);
    window.check(Time::default(), 10, 60 << 20).unwrap();
    window.set(10, 60 << 20);
    state.check(Time::default(), 1_000, 40 << 20).unwrap();
    let error = state.check(Time::default(), 1_000, 41 << 20).unwrap_err().to_string();
    assert!(
        error.contains("sessions would hold 41 MiB for 1000 keys") && error.contains("together 101 MiB"),
        "{error}"
    );
    assert!(error.contains("let them time out"), "{error}");
    let error = window.check(Time::default(), 11, 0).unwrap_err().to_string();
    assert!(
        error.contains("11 keys, more than 10 (state.max_keys)") && error.contains("shorten the window"),
        "{error}"
    );
    drop(window);
    state.check(Time::default(), 1_000, 100 << 20).unwrap();
    assert_eq!((memory.status().windows, state.keys(), state.bytes()), (0, 0, 0));
}

#[test]
fn what_is_too_much_already_may_shrink() {
    let memory = Memory::new(10 << 20, ChunkPool::new(1 << 10, 1));
    let state = Tables::of_state("sessions", &memory, 0, 1);
    state.set(5, 20 << 20);
    state.check(Time::default(), 4, 19 << 20).unwrap();
}

const MIB: usize = 1 << 20;

/// Tables of `partitions` partitions, in a process that occupies about twice of what it may.
fn over_the_limit(partitions: usize) -> (Arc<Tables>, usize) {
    let occupied = Memory::new(MIB, ChunkPool::new(1 << 10, 1)).occupied();
    let memory = Memory::new(occupied / 2, ChunkPool::new(1 << 10, 1));
    (Tables::of_state("sessions", &memory, 0, partitions), occupied)
}

fn holding(stays: usize, grown: usize) -> Holding {
    Holding { stays, goes: 0, grown }
}

#[test]
fn what_grows_above_the_limit_is_refused_and_named() {
    let (tables, occupied) = over_the_limit(1);
    tables.set_label("sessions (main.rs:7)".to_owned());
    let reason = tables.refusal(0, || holding(occupied / 2, occupied / 2)).unwrap();
    assert!(reason.contains("sessions (main.rs:7) would hold about"), "{reason}");
    assert!(reason.contains("of memory.max") && reason.contains("raise the limit"), "{reason}");
}

#[test]
fn what_has_less_than_half_or_has_not_grown_is_let_pass() {
    let (small, occupied) = over_the_limit(1);
    assert_eq!(small.refusal(0, || holding(occupied / 5, occupied / 5)), None);
    let (still, _) = over_the_limit(1);
    assert_eq!(still.refusal(0, || holding(occupied / 2, 0)), None);
}

#[test]
fn partitions_and_operators_count_together() {
    let (tables, occupied) = over_the_limit(4);
    let other = Tables::of_window("count", &tables.memory, 0, 1);
    let part = holding(occupied / 30, occupied / 30);
    assert_eq!(tables.refusal(0, || part), None, "four of them are two fifteenths of what is occupied");
    other.set(1, occupied / 4);
    assert!(tables.refusal(1, || part).is_some(), "with the window it is more than a quarter");
}

#[test]
fn only_growth_is_to_blame() {
    let (tables, _) = over_the_limit(2);
    let max = tables.memory.max();
    let before = Some(Passed { occupied: max + 40 * MIB, holding: holding(50 * MIB, 0) });
    assert!(tables.is_to_blame(before, max + 80 * MIB, holding(55 * MIB, 0)), "two partitions, a quarter");
    assert!(!tables.is_to_blame(before, max + 80 * MIB, holding(54 * MIB, 54 * MIB)));
    let undo = Holding { stays: 50 * MIB, goes: 10 * MIB, grown: 0 };
    assert!(tables.is_to_blame(before, max + 80 * MIB, undo), "what is kept for undoing counts");
    assert!(tables.is_to_blame(None, max + 40 * MIB, holding(50 * MIB, 5 * MIB)));
    assert!(!tables.is_to_blame(None, max + 40 * MIB, holding(50 * MIB, 4 * MIB)));
}

#[test]
fn nothing_is_measured_within_the_limit() {
    let memory = Memory::new(1 << 40, ChunkPool::new(1 << 10, 1));
    let tables = Tables::of_state("sessions", &memory, 0, 1);
    assert_eq!(tables.refusal(0, || unreachable!("it is not asked")), None);
}

#[test]
fn what_was_measured_is_forgotten_when_there_is_memory_again() {
    let (tables, occupied) = over_the_limit(1);
    assert_eq!(tables.refusal(0, || holding(occupied, 0)), None);
    assert!(tables.memory.carried() >= occupied);
    let roomy = Memory::new(1 << 40, ChunkPool::new(1 << 10, 1));
    let tables = Tables::of_state("sessions", &roomy, 0, 1);
    tables.pass(0, Passed { occupied, holding: holding(occupied, 0) });
    assert_eq!(roomy.carried(), occupied);
    tables.set(1, MIB);
    assert_eq!((roomy.carried(), tables.passed()[0].is_none()), (MIB, true));
}
