use super::support::*;
use crate::fs::{Fs, SimFs};
use crate::wal::{LogOptions, RecordId, verify};

#[test]
fn what_was_appended_comes_back_in_order_epoch_after_epoch() {
    let disk = SimFs::new();
    for epoch in 1..6 {
        let (log, recovery) = open(&disk, &options());
        let before = (epoch - 1) * 40;
        assert_eq!(numbers(&recovery), (0..before).collect::<Vec<_>>());
        assert!(recovery.report().is_clean(), "{}", recovery.report());
        assert_eq!((log.status().epoch, recovery.next()), (epoch, RecordId(before)));
        append(&log, before..before + 40);
        assert_eq!(log.durable(), RecordId(before + 40));
    }
    assert!(segments(&disk).len() > 10);
}

#[test]
fn a_record_is_read_by_its_id_while_the_log_is_written() {
    let disk = SimFs::new();
    let (log, _) = open(&disk, &LogOptions { compression: true, ..options() });
    append(&log, 0..50);
    for number in (0..50).rev() {
        assert_eq!(log.read(RecordId(number)).unwrap(), payload(number));
    }
    assert!(log.read(RecordId(50)).is_err());
}

#[test]
fn a_clean_log_verifies() {
    let disk = closed_log(100);
    let verified = verify(&disk, dir()).unwrap();
    assert!(verified.report.is_clean(), "{}", verified.report);
    assert_eq!((verified.records, verified.next), (100, RecordId(100)));
    let bytes: u64 = segments(&disk).iter().map(|path| disk.len(path).unwrap()).sum();
    assert_eq!(verified.bytes, bytes);
}
