//! How records look when they are printed.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::{self, Display, Formatter};
use std::hash::BuildHasher;
use std::rc::Rc;
use std::sync::Arc;

use millstream_engine::{Text, Time};

/// What [`print`](crate::OutputOps::print) writes of a record: as Spark does, so that output can be compared. A pair is `(a,1)`, a
/// list `List(1, 2)`, an option `Some(1)` or `None`.
///
/// A type of your own needs one method, and where it has [`Display`] already, one line:
/// ```
/// use millstream_operators::{Show, shown};
///
/// struct Celsius(f64);
/// struct Kelvin(f64);
/// impl Show for Celsius {
///     fn show(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
///         write!(f, "{} °C", self.0)
///     }
/// }
/// assert_eq!(shown(&("Rome", Celsius(38.5))).to_string(), "(Rome,38.5 °C)");
///
/// impl std::fmt::Display for Kelvin {
///     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
///         write!(f, "{} K", self.0)
///     }
/// }
/// millstream_operators::show_as_display!(Kelvin);
/// assert_eq!(shown(&Some(Kelvin(311.5))).to_string(), "Some(311.5 K)");
/// ```
pub trait Show {
    /// Writes the record.
    ///
    /// # Errors
    /// When `f` cannot be written to.
    fn show(&self, f: &mut Formatter<'_>) -> fmt::Result;
}

/// The same as something that is displayed.
pub fn shown<T: Show + ?Sized>(value: &T) -> impl Display {
    fmt::from_fn(|f| value.show(f))
}

/// Has types [shown](crate::Show) as they are displayed.
#[macro_export]
macro_rules! show_as_display {
    ($($shown:ty),* $(,)?) => {
        $(impl $crate::Show for $shown {
            fn show(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Display::fmt(self, f)
            }
        })*
    };
}

show_as_display!(i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize);
show_as_display!(bool, char, str, String, Text, Time);
show_as_display!(std::net::IpAddr, std::net::Ipv4Addr, std::net::Ipv6Addr, std::net::SocketAddr);

impl Show for () {
    fn show(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("()")
    }
}

macro_rules! show_floats {
    ($($float:ty),*) => {
        $(impl Show for $float {
            /// As Java does: always with a point, and from 10^7 on and below 10^-3 with an exponent.
            fn show(&self, f: &mut Formatter<'_>) -> fmt::Result {
                if self.is_nan() {
                    f.write_str("NaN")
                } else if self.is_infinite() {
                    f.write_str(if *self > 0.0 { "Infinity" } else { "-Infinity" })
                } else if *self == 0.0 || (1e-3..1e7).contains(&self.abs()) {
                    write!(f, "{self:?}")
                } else {
                    let digits = format!("{self:E}");
                    let (mantissa, exponent) = digits.split_once('E').unwrap_or((&digits, "0"));
                    let point = if mantissa.contains('.') { "" } else { ".0" };
                    write!(f, "{mantissa}{point}E{exponent}")
                }
            }
        })*
    };
}

show_floats!(f32, f64);

macro_rules! show_behind {
    ($($pointer:ty),*) => {
        $(impl<T: Show + ?Sized> Show for $pointer {
            fn show(&self, f: &mut Formatter<'_>) -> fmt::Result {
                (**self).show(f)
            }
        })*
    };
}

show_behind!(&T, Box<T>, Rc<T>, Arc<T>);

impl<T: Show + ToOwned + ?Sized> Show for Cow<'_, T> {
    fn show(&self, f: &mut Formatter<'_>) -> fmt::Result {
        (**self).show(f)
    }
}

impl<T: Show> Show for Option<T> {
    fn show(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Some(value) => write!(f, "Some({})", shown(value)),
            None => f.write_str("None"),
        }
    }
}

/// A collection's name and its members between brackets.
fn show_all<T: Show>(
    f: &mut Formatter<'_>,
    name: &str,
    separator: &str,
    members: impl IntoIterator<Item = T>,
) -> fmt::Result {
    write!(f, "{name}(")?;
    for (i, member) in members.into_iter().enumerate() {
        f.write_str(if i == 0 { "" } else { separator })?;
        member.show(f)?;
    }
    f.write_str(")")
}

impl<T: Show> Show for [T] {
    fn show(&self, f: &mut Formatter<'_>) -> fmt::Result {
        show_all(f, "List", ", ", self)
    }
}

impl<T: Show, const N: usize> Show for [T; N] {
    fn show(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self[..].show(f)
    }
}

impl<T: Show> Show for Vec<T> {
    fn show(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self[..].show(f)
    }
}

impl<T: Show, S: BuildHasher> Show for HashSet<T, S> {
    fn show(&self, f: &mut Formatter<'_>) -> fmt::Result {
        show_all(f, "Set", ", ", self)
    }
}

impl<T: Show> Show for BTreeSet<T> {
    fn show(&self, f: &mut Formatter<'_>) -> fmt::Result {
        show_all(f, "Set", ", ", self)
    }
}

/// An entry of a map.
struct Entry<'a, K, V>((&'a K, &'a V));

impl<K: Show, V: Show> Show for Entry<'_, K, V> {
    fn show(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (key, value) = self.0;
        write!(f, "{} -> {}", shown(key), shown(value))
    }
}

impl<K: Show, V: Show, S: BuildHasher> Show for HashMap<K, V, S> {
    fn show(&self, f: &mut Formatter<'_>) -> fmt::Result {
        show_all(f, "Map", ", ", self.iter().map(Entry))
    }
}

impl<K: Show, V: Show> Show for BTreeMap<K, V> {
    fn show(&self, f: &mut Formatter<'_>) -> fmt::Result {
        show_all(f, "Map", ", ", self.iter().map(Entry))
    }
}

macro_rules! show_tuples {
    ($(($($name:ident $index:tt),+))*) => {
        $(impl<$($name: Show),+> Show for ($($name,)+) {
            fn show(&self, f: &mut Formatter<'_>) -> fmt::Result {
                let members: &[&dyn Show] = &[$(&self.$index),+];
                show_all(f, "", ",", members)
            }
        })*
    };
}

show_tuples! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_scala_shows_them() {
        let shows = |value: &dyn Show, expected: &str| assert_eq!(shown(value).to_string(), expected);
        shows(&("a", 1), "(a,1)");
        shows(&(Text::from("a"), (1u64, 'x', true)), "(a,(1,x,true))");
        shows(&(1, 2, 3, 4, 5, String::from("six")), "(1,2,3,4,5,six)");
        shows(&Some(1), "Some(1)");
        shows(&None::<i32>, "None");
        shows(&("a", vec![1, 1]), "(a,List(1, 1))");
        shows(&Vec::<i32>::new(), "List()");
        shows(&[[1, 2], [3, 4]], "List(List(1, 2), List(3, 4))");
        shows(&BTreeMap::from([("a", 1), ("b", 2)]), "Map(a -> 1, b -> 2)");
        shows(&BTreeSet::from([2, 1]), "Set(1, 2)");
        shows(&Arc::new(()), "()");
        shows(&Time::from_millis(1_000), "1000 ms");
    }

    #[test]
    fn floats_as_java_shows_them() {
        let cases = [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (0.001, "0.001"),
            (0.000_1, "1.0E-4"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (-1.25e10, "-1.25E10"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (value, expected) in cases {
            assert_eq!(shown(&value).to_string(), expected);
        }
        assert_eq!(shown(&1.1f32).to_string(), "1.1");
    }
}
