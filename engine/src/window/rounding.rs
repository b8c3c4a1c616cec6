use std::fmt::Debug;

/// How much two numbers may differ, relative to the larger, and still be the same but for rounding.
const TOLERANCE: f64 = 1e-6;

/// True when two values print the same, up to small differences of the fractional numbers in them. It works for any type that
/// holds numbers, at any depth; it is for debugging, and slow.
pub(super) fn same_but_for_rounding<T: Debug>(a: &T, b: &T) -> bool {
    let (a, b) = (format!("{a:?}"), format!("{b:?}"));
    a == b
        || (tokens(&a).count() == tokens(&b).count()
            && tokens(&a).zip(tokens(&b)).all(|(a, b)| is_same(a, b)))
}

/// The numbers of a text, and what is between them.
fn tokens(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive([' ', ',', '(', '[', '{', ':'])
        .map(|token| token.trim_end_matches([',', ')', ']', '}']))
}

fn is_same(a: &str, b: &str) -> bool {
    let is_fractional = |text: &str| text.contains(['.', 'e']);
    match (a.trim().parse::<f64>(), b.trim().parse::<f64>()) {
        (Ok(x), Ok(y)) if is_fractional(a) || is_fractional(b) => {
            (x - y).abs() <= TOLERANCE * x.abs().max(y.abs()).max(1.0)
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_may_differ_a_little_and_all_else_not() {
        assert!(same_but_for_rounding(&0.1, &(0.3 - 0.2)));
        assert!(same_but_for_rounding(&("a", 1.0, [1.5e9, 2.0]), &("a", 1.0 + 1e-9, [1.5e9 + 1.0, 2.0])));
        assert!(!same_but_for_rounding(&1.0, &1.1));
        assert!(!same_but_for_rounding(&1_000_000_000, &1_000_000_001));
        assert!(!same_but_for_rounding(&("a", 1.0), &("b", 1.0)));
        assert!(!same_but_for_rounding(&vec![1.0], &vec![1.0, 1.0]));
    }
}
