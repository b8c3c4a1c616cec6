use postcard::from_bytes;
use proptest::prelude::*;

use super::super::testing::encoded;
use super::{Hll, State, estimate, fold, record};

/// Scatters numbers over the 64 bits, so that a test does not depend on the hash of values (SplitMix64's last step).
fn scattered(n: u64) -> u64 {
    let n = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

fn sketch(hashes: impl IntoIterator<Item = u64>, precision: u8) -> Hll {
    let mut sketch = Hll::new();
    hashes.into_iter().for_each(|hash| sketch.add(hash, precision));
    sketch
}

/// The sketch as registers at once, as the paper has it.
fn dense(hashes: &[u64], precision: u8) -> Box<[u8]> {
    let mut registers = vec![0u8; 1 << precision].into_boxed_slice();
    for hash in hashes {
        let bits = format!("{hash:064b}");
        let (index, rest) = bits.split_at(precision.into());
        let zeros = rest.bytes().take_while(|&bit| bit == b'0').count() as u8;
        let register = &mut registers[usize::from_str_radix(index, 2).unwrap()];
        *register = (zeros + 1).max(*register);
    }
    registers
}

/// Hashes of which many begin with the same bits and many zeros.
fn hashes() -> impl Strategy<Value = Vec<u64>> {
    let hash = (any::<u64>(), 0u32..64).prop_map(|(hash, zeros)| {
        let (head, rest) = (hash & (0xff << 56), hash & !(0xff << 56));
        head | rest.checked_shr(zeros).unwrap_or(0)
    });
    proptest::collection::vec(hash, 0..60)
}

#[test]
fn the_root_mean_square_error_is_the_stated_one() {
    let (precision, rounds) = (8, 400);
    let stated = 1.04 / f64::from(1 << precision).sqrt();
    for n in [100, 500, 1_000, 3_000] {
        let squares = (0..rounds).map(|round| {
            let hashes: Vec<u64> = (0..n).map(|i| scattered(round << 32 | i)).collect();
            (estimate(&dense_fast(&hashes, precision)) / n as f64 - 1.0).powi(2)
        });
        let error = (squares.sum::<f64>() / rounds as f64).sqrt();
        assert!(error < 1.1 * stated, "{n} values: {error} instead of {stated}");
    }
}

fn dense_fast(hashes: &[u64], precision: u8) -> Box<[u8]> {
    let mut registers = vec![0u8; 1 << precision].into_boxed_slice();
    hashes.iter().for_each(|&hash| record(&mut registers, hash));
    registers
}

#[test]
fn the_ends_of_the_range() {
    assert_eq!(estimate(&[0; 16]), 0.0);
    assert_eq!(estimate(&[61; 16]), f64::INFINITY);
    assert_eq!(Hll(State::Dense(Box::new([61; 16]))).estimate(), u64::MAX);
    let (zero, ones) = (sketch([0; 9], 4), sketch([u64::MAX; 9], 4));
    assert_eq!((zero.estimate(), ones.estimate()), (1, 1));
}

#[test]
fn a_list_becomes_registers_when_they_are_smaller() {
    for (n, is_sparse) in [(0, true), (32, true), (33, false)] {
        let sketch = sketch((0..n).map(scattered), 8);
        assert_eq!(matches!(sketch.0, State::Sparse(_)), is_sparse, "{n} hashes");
    }
    let (mut left, right) = (sketch((0..32).map(scattered), 8), sketch((32..64).map(scattered), 8));
    left.merge(&right, 8);
    assert_eq!(left, sketch((0..64).map(scattered), 8));
}

#[test]
fn unsound_bytes_are_an_error() {
    let dense = |registers: &[u8]| from_bytes::<Hll>(&encoded(&Hll(State::Dense(registers.into()))));
    dense(&[61; 16]).unwrap();
    dense(&[62; 16]).unwrap_err();
    for len in [0, 1, 8, 17, 24, 1 << 19] {
        dense(&vec![0; len]).unwrap_err();
    }
}

proptest! {
    #[test]
    fn registers_are_those_of_the_paper(hashes in hashes(), precision in 4u8..=12) {
        prop_assert_eq!(dense_fast(&hashes, precision), dense(&hashes, precision));
    }

    #[test]
    fn folding_is_having_had_fewer_registers(hashes in hashes(), fine in 4u8..=12, coarse in 4u8..=12) {
        let folded = fold(&dense(&hashes, fine), coarse);
        prop_assert_eq!(folded, dense(&hashes, fine.min(coarse)));
    }

    #[test]
    fn precisions_may_differ(a in hashes(), b in hashes(), left in 4u8..=10, right in 4u8..=10) {
        let all: Vec<u64> = a.iter().chain(&b).copied().collect();
        let mut merged = sketch(a, left);
        merged.merge(&sketch(b, right), left);
        let expected = match &merged.0 {
            State::Sparse(_) => sketch(all, left),
            State::Dense(registers) => {
                prop_assert!(registers.len() <= 1 << left);
                Hll(State::Dense(dense(&all, super::precision_of(registers))))
            }
        };
        prop_assert_eq!(merged, expected);
    }
}
