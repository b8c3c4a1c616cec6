use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

/// A float in the total order of IEEE 754, for what wants `Ord`, `Eq` or `Hash` of its values.
///
/// −NaN < −∞ < ... < −0 < +0 < ... < +∞ < +NaN. Equal are floats of equal bits: −0 and +0 differ, a NaN is equal to itself. As
/// a NaN stands at an end of the order, it does come out of [`Min`](super::Min), [`Max`](super::Max) and
/// [`TopN`](super::TopN); who does not want that filters before.
///
/// ```
/// use millstream_operators::aggregate::Ordered;
///
/// let mut values = [2.0, f64::NAN, -1.0].map(Ordered);
/// values.sort();
/// assert_eq!(values[..2], [Ordered(-1.0), Ordered(2.0)]);
/// ```
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ordered<F>(pub F);

macro_rules! ordered {
    ($($float:ty)*) => {
        $(
            impl Ord for Ordered<$float> {
                fn cmp(&self, other: &Self) -> Ordering {
                    self.0.total_cmp(&other.0)
                }
            }

            impl PartialOrd for Ordered<$float> {
                fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                    Some(self.cmp(other))
                }
            }

            impl PartialEq for Ordered<$float> {
                fn eq(&self, other: &Self) -> bool {
                    self.0.to_bits() == other.0.to_bits()
                }
            }

            impl Eq for Ordered<$float> {}

            impl Hash for Ordered<$float> {
                fn hash<H: Hasher>(&self, state: &mut H) {
                    self.0.to_bits().hash(state);
                }
            }
        )*
    };
}

ordered!(f32 f64);

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::Ordered;

    #[test]
    fn what_is_special_has_its_place() {
        let ascending = [f64::NEG_INFINITY, -1.0, -0.0, 0.0, f64::MIN_POSITIVE, f64::INFINITY, f64::NAN];
        assert!(ascending.windows(2).all(|pair| Ordered(pair[0]) < Ordered(pair[1])));
        let different: HashSet<_> = ascending.iter().chain(&ascending).copied().map(Ordered).collect();
        assert_eq!(different.len(), ascending.len());
    }

    proptest! {
        #[test]
        fn equality_order_and_numbers_agree(a in any::<f32>(), b in any::<f32>()) {
            prop_assert_eq!(Ordered(a) == Ordered(b), Ordered(a).cmp(&Ordered(b)) == Ordering::Equal);
            if let Some(order) = a.partial_cmp(&b).filter(|order| order.is_ne()) {
                prop_assert_eq!(Ordered(a).cmp(&Ordered(b)), order);
            }
        }
    }
}
