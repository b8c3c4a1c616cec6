//! Fields between commas.

use std::fmt::{self, Display, Formatter};

use millstream::prelude::*;

/// The fields of a line that has exactly `N`, none of them empty, without the spaces around them. Quotes are nothing special.
pub(crate) fn fields<const N: usize>(line: &Text) -> Option<[Text; N]> {
    let mut fields = line.split(',');
    let found = [(); N].map(|()| fields.next().map(|field| field.trim()).unwrap_or_default());
    (fields.next().is_none() && found.iter().all(|field| !field.is_empty())).then_some(found)
}

/// The value of one to `digits_max` decimal digits.
pub(crate) fn number(digits: &str, digits_max: usize) -> Option<i64> {
    let is_number = (1..=digits_max).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if is_number { digits.parse().ok() } else { None }
}

/// An amount of money, exact to the hundredth.
#[derive(Clone, Copy)]
pub(crate) struct Cents(pub(crate) i64);

impl Cents {
    /// Reads `12`, `12.5`, `12.50` or `-12.50`.
    pub(crate) fn parse(text: &str) -> Option<i64> {
        let (sign, amount) = text.strip_prefix('-').map_or((1, text), |amount| (-1, amount));
        let (whole, cents) = amount.split_once('.').unwrap_or((amount, "0"));
        let tenfold = if cents.len() == 1 { 10 } else { 1 };
        Some(sign * (number(whole, 12)? * 100 + number(cents, 2)? * tenfold))
    }
}

impl Display for Cents {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (sign, cents) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        write!(f, "{sign}{}.{:02}", cents / 100, cents % 100)
    }
}
