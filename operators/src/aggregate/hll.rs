use serde::de::{Deserialize, Deserializer, Error};
use serde::{Deserialize as DeriveDeserialize, Serialize};

/// The binary logarithm of how many registers there may be.
pub(super) const PRECISIONS: std::ops::RangeInclusive<u8> = 4..=18;

/// A HyperLogLog sketch of 64-bit hashes, the accumulator of [`DistinctHll`](super::DistinctHll).
///
/// While that is smaller, a sketch is the sorted list of the hashes, and exact. Then it is 2ᵖ registers, each the greatest
/// number of zeros that the hashes of its share began with, plus 1 (Flajolet, Fusy, Gandouet and Meunier, HyperLogLog, 2007).
/// The estimate is that of Ertl (New cardinality estimation algorithms for HyperLogLog sketches, 2017, algorithm 6), which is
/// good in the whole range without the tables of constants that HyperLogLog++ needs.
///
/// The state depends on the set of the hashes alone, not on how they came. Where sketches of different precision meet, the
/// coarser one wins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, DeriveDeserialize)]
pub struct Hll(State);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, DeriveDeserialize)]
enum State {
    /// The hashes, ascending.
    Sparse(Vec<u64>),
    /// The registers, 2ᵖ.
    Dense(#[serde(deserialize_with = "registers")] Box<[u8]>),
}

impl Hll {
    /// The sketch of nothing. It allocates nothing.
    pub(super) fn new() -> Self {
        Hll(State::Sparse(Vec::new()))
    }

    /// Takes a hash in; 2^`precision` registers are made when the list gets larger than they are.
    #[inline]
    pub(super) fn add(&mut self, hash: u64, precision: u8) {
        match &mut self.0 {
            State::Sparse(hashes) => {
                if let Err(place) = hashes.binary_search(&hash) {
                    hashes.insert(place, hash);
                    self.densify(precision);
                }
            }
            State::Dense(registers) => record(registers, hash),
        }
    }

    /// Takes another sketch in.
    pub(super) fn merge(&mut self, other: &Hll, precision: u8) {
        match (&mut self.0, &other.0) {
            (State::Sparse(mine), State::Sparse(theirs)) => {
                mine.extend_from_slice(theirs);
                mine.sort();
                mine.dedup();
                self.densify(precision);
            }
            (State::Dense(mine), State::Sparse(theirs)) => theirs.iter().for_each(|&hash| record(mine, hash)),
            (State::Sparse(mine), State::Dense(theirs)) => {
                let mut registers = fold(theirs, precision);
                mine.iter().for_each(|&hash| record(&mut registers, hash));
                self.0 = State::Dense(registers);
            }
            (State::Dense(mine), State::Dense(theirs)) => {
                if mine.len() > theirs.len() {
                    *mine = fold(mine, precision_of(theirs));
                }
                if theirs.len() > mine.len() {
                    raise(mine, &fold(theirs, precision_of(mine)));
                } else {
                    raise(mine, theirs);
                }
            }
        }
    }

    /// About how many different hashes there were; exact while they are listed.
    pub(super) fn estimate(&self) -> u64 {
        match &self.0 {
            State::Sparse(hashes) => hashes.len() as u64,
            State::Dense(registers) => estimate(registers).round() as u64,
        }
    }

    /// Goes over to registers if the list is larger than they are.
    fn densify(&mut self, precision: u8) {
        let State::Sparse(hashes) = &self.0 else { return };
        if size_of_val(hashes.as_slice()) > 1 << precision {
            let mut registers = vec![0; 1 << precision].into_boxed_slice();
            hashes.iter().for_each(|&hash| record(&mut registers, hash));
            self.0 = State::Dense(registers);
        }
    }
}

/// p, if there are 2ᵖ registers.
fn precision_of(registers: &[u8]) -> u8 {
    registers.len().trailing_zeros() as u8
}

/// The first p bits of the hash choose the register, the zeros that follow are counted.
#[inline]
fn record(registers: &mut [u8], hash: u64) {
    let precision = precision_of(registers);
    let index = (hash >> (64 - precision)) as usize;
    // The bit that is set ends the count where the hash does.
    let rest = (hash << precision) | (1 << (precision - 1));
    registers[index] = registers[index].max(rest.leading_zeros() as u8 + 1);
}

/// The greater of each two registers, of which there are as many on both sides.
fn raise(mine: &mut [u8], theirs: &[u8]) {
    mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine = (*mine).max(*theirs));
}

/// The registers that the same hashes would have left with at most 2^`precision` of them.
fn fold(registers: &[u8], precision: u8) -> Box<[u8]> {
    let Some(less @ 1..) = precision_of(registers).checked_sub(precision) else { return registers.into() };
    let mut folded = vec![0; 1 << precision].into_boxed_slice();
    for (index, &register) in registers.iter().enumerate().filter(|(_, register)| **register > 0) {
        // The last bits of the index are now the first ones of the rest.
        let rest = index & ((1 << less) - 1);
        let zeros = if rest == 0 { register + less } else { less - rest.ilog2() as u8 };
        let slot = &mut folded[index >> less];
        *slot = zeros.max(*slot);
    }
    folded
}

/// Ertl's improved raw estimator. It needs how many registers have each value, and nothing else.
fn estimate(registers: &[u8]) -> f64 {
    let (m, last) = (registers.len() as f64, 65 - precision_of(registers) as usize);
    let mut counts = [0u32; 66];
    registers.iter().for_each(|&register| counts[usize::from(register).min(last)] += 1);
    let mut z = m * tau(1.0 - f64::from(counts[last]) / m);
    for &count in counts[1..last].iter().rev() {
        z = 0.5 * (z + f64::from(count));
    }
    z += m * sigma(f64::from(counts[0]) / m);
    m * m / (2.0 * std::f64::consts::LN_2 * z)
}

/// x + Σ x^(2ᵏ) · 2ᵏ⁻¹ over k ≥ 1: the part of the registers that nothing fell into.
fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut sum, mut factor, mut before) = (x, 1.0, -1.0);
    while sum > before {
        before = sum;
        x *= x;
        sum += x * factor;
        factor *= 2.0;
    }
    sum
}

/// ⅓ (1 − x − Σ (1 − x^(2⁻ᵏ))² · 2⁻ᵏ) over k ≥ 1: the part of the registers that are full.
fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut sum, mut factor, mut before) = (1.0 - x, 1.0, f64::INFINITY);
    while sum < before {
        before = sum;
        x = x.sqrt();
        factor *= 0.5;
        sum -= (1.0 - x).powi(2) * factor;
    }
    sum / 3.0
}

/// Reads registers; an error if their number is none that there may be, or one is larger than it can get.
fn registers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<[u8]>, D::Error> {
    let registers = Box::<[u8]>::deserialize(deserializer)?;
    let precision = precision_of(&registers);
    let is_sound = registers.len().is_power_of_two()
        && PRECISIONS.contains(&precision)
        && registers.iter().all(|&register| register <= 65 - precision);
    if is_sound { Ok(registers) } else { Err(D::Error::custom("not the registers of a HyperLogLog sketch")) }
}

#[cfg(test)]
mod tests;
