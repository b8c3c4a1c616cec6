//! About how many bytes a value owns outside of itself.
//!
//! Rust does not tell what a `String` in a user's struct has allocated. But what is kept from batch to batch can be written down, so
//! its serialization shows it: this is a serializer that writes nothing and adds up what would have been visited.

use std::any::TypeId;
use std::fmt;
use std::mem::needs_drop;
use std::ops::Range;

use serde::Serialize;
use serde::ser::{self, Serializer};

use crate::text::Text;

/// Measures the values of one type.
pub(crate) struct Owned<T>(fn(&T) -> usize);

impl<T: Serialize> Owned<T> {
    pub(crate) fn new() -> Self {
        Owned(owned_bytes)
    }
}

impl<T> Owned<T> {
    /// About how many bytes `value` owns beside its own `size_of`.
    pub(crate) fn of(self, value: &T) -> usize {
        (self.0)(value)
    }

    /// The same of all values of a list.
    pub(crate) fn of_all<'a>(self, values: impl IntoIterator<Item = &'a T>) -> usize
    where
        T: 'a,
    {
        // A type without a destructor owns nothing, and need not be visited.
        if needs_drop::<T>() { values.into_iter().map(self.0).sum() } else { 0 }
    }
}

impl<T: 'static> Owned<T> {
    /// The same, but nothing where the values are texts themselves: those are chunks, which are counted exactly.
    pub(crate) fn of_all_but_texts(self, values: &[T]) -> usize {
        if TypeId::of::<T>() == TypeId::of::<Text>() { 0 } else { self.of_all(values) }
    }
}

impl<T> Clone for Owned<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Owned<T> {}

/// A pointer, a length and a capacity: what a string or a list takes where it stands.
const HEADER: usize = 3 * size_of::<usize>();

/// What an allocator keeps for itself, and rounds up.
const ALLOCATION: usize = 16;

/// A list or a map has one part in so many to spare.
const SPARE: usize = 4;

/// A list that something is pushed to has room for so many.
const ITEMS_MIN: usize = 4;

/// A text that is no longer may stand inside a list, as [`Text`](crate::text::Text)s do.
const SHORT: usize = 15;

fn owned_bytes<T: Serialize>(value: &T) -> usize {
    if !needs_drop::<T>() {
        return 0;
    }
    let begin = std::ptr::from_ref(value).addr();
    let mut visit = Visit { inside: begin..begin + size_of::<T>(), lists: 0, owned: 0, items: 0, inline: 0 };
    // A type that cannot be written down says so when it is; what was seen until then is the best that is known.
    let _ = value.serialize(&mut visit);
    // What is boxed looks as if it were inside, but has no room there.
    visit.owned.max((visit.owned + visit.inline).saturating_sub(size_of::<T>()))
}

/// Goes through a value.
struct Visit {
    /// Where the value itself stands: a text there is a short one that owns nothing.
    inside: Range<usize>,
    /// How many lists around it the part has that is visited now.
    lists: usize,
    owned: usize,
    /// The bytes of the items of the innermost list, without what they own.
    items: usize,
    inline: usize,
}

impl Visit {
    fn take(&mut self, bytes: usize) {
        if self.lists > 0 {
            self.owned += bytes;
            self.items += bytes;
        } else {
            self.inline += bytes;
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() && !self.inside.contains(&bytes.as_ptr().addr()) {
            self.take(HEADER);
            self.owned += bytes.len() + if bytes.len() > SHORT { ALLOCATION } else { 0 };
        }
    }

    fn list(&mut self) -> List<'_> {
        self.take(HEADER);
        self.lists += 1;
        let around = std::mem::take(&mut self.items);
        List { visit: self, len: 0, around }
    }
}

/// A list, or a map, that is being visited.
struct List<'a> {
    visit: &'a mut Visit,
    len: usize,
    /// The bytes of the items of the list around it.
    around: usize,
}

impl List<'_> {
    fn item<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Refused> {
        self.len += 1;
        item.serialize(&mut *self.visit)
    }

    fn close(self) {
        let items = std::mem::replace(&mut self.visit.items, self.around);
        self.visit.lists -= 1;
        if let Some(each) = items.checked_div(self.len) {
            let missing = each * ITEMS_MIN.saturating_sub(self.len);
            self.visit.owned += missing.max(items / SPARE) + ALLOCATION;
        }
    }
}

/// What a type says that cannot be written down.
#[derive(Debug)]
struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it cannot be written down")
    }
}

impl std::error::Error for Refused {}

impl ser::Error for Refused {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Refused
    }
}

/// Methods for what is as large as its type.
macro_rules! sized {
    ($($method:ident: $type:ty,)*) => {
        $(fn $method(self, _: $type) -> Result<(), Refused> {
            self.take(size_of::<$type>());
            Ok(())
        })*
    };
}

/// What stands one beside the other, in the place of the whole.
macro_rules! fields {
    ($($trait:ident: $method:ident,)*) => {
        $(impl ser::$trait for &mut Visit {
            type Ok = ();
            type Error = Refused;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
                value.serialize(&mut **self)
            }

            fn end(self) -> Result<(), Refused> {
                Ok(())
            }
        })*
    };
}

/// The same with names, which take nothing.
macro_rules! named_fields {
    ($($trait:ident,)*) => {
        $(impl ser::$trait for &mut Visit {
            type Ok = ();
            type Error = Refused;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, value: &T) -> Result<(), Refused> {
                value.serialize(&mut **self)
            }

            fn end(self) -> Result<(), Refused> {
                Ok(())
            }
        })*
    };
}

fields! {
    SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field,
}

named_fields! {
    SerializeStruct,
    SerializeStructVariant,
}

impl ser::SerializeSeq for List<'_> {
    type Ok = ();
    type Error = Refused;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        self.item(value)
    }

    fn end(self) -> Result<(), Refused> {
        self.close();
        Ok(())
    }
}

impl ser::SerializeMap for List<'_> {
    type Ok = ();
    type Error = Refused;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refused> {
        self.item(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        value.serialize(&mut *self.visit)
    }

    fn end(self) -> Result<(), Refused> {
        self.close();
        Ok(())
    }
}

impl<'a> Serializer for &'a mut Visit {
    type Ok = ();
    type Error = Refused;
    type SerializeSeq = List<'a>;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = List<'a>;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    sized! {
        serialize_bool: bool,
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
        serialize_i128: i128,
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_u64: u64,
        serialize_u128: u128,
        serialize_f32: f32,
        serialize_f64: f64,
        serialize_char: char,
    }

    fn serialize_str(self, text: &str) -> Result<(), Refused> {
        self.bytes(text.as_bytes());
        Ok(())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Refused> {
        self.bytes(bytes);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Refused> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Refused> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Refused> {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Refused> {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<(), Refused> {
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<List<'a>, Refused> {
        Ok(self.list())
    }

    fn serialize_map(self, _: Option<usize>) -> Result<List<'a>, Refused> {
        Ok(self.list())
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Refused> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Refused> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Refused> {
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Refused> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Refused> {
        Ok(self)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn owned<T: Serialize>(value: T) -> usize {
        Owned::new().of(&value)
    }

    /// From what is used for certain to twice that and an allocation.
    fn is_about(bytes: usize, least: usize) -> bool {
        (least..=2 * least + ALLOCATION).contains(&bytes)
    }

    #[test]
    fn what_stands_inside_is_not_owned() {
        assert_eq!(owned((1u64, [2u32; 20], 'x', Some(3.0))), 0);
        assert_eq!(owned((Text::from("short"), 7u64)), 0);
        assert_eq!(owned((String::new(), Vec::<u64>::new())), 0);
    }

    #[test]
    fn what_strings_lists_and_maps_have_is_owned() {
        assert!(is_about(owned("x".repeat(1_000)), 1_000));
        assert!(is_about(owned(Text::from("x".repeat(1_000))), 1_000));
        assert!(is_about(owned((5u64, vec![7u64; 1_000])), 8_000));
        assert!(is_about(owned(vec!["x".repeat(100); 50]), 50 * 124));
        assert!(is_about(owned(vec![(1u64, 2u64, Text::from("short"))]), 4 * 32));
        assert!(is_about(owned(vec![vec![1u64; 10]; 10]), 10 * (24 + 80)));
        let map: HashMap<u64, (u64, String)> = (0..100).map(|n| (n, (n, "y".repeat(60)))).collect();
        assert!(is_about(owned(map), 100 * (8 + 32 + 60)));
        assert!(is_about(owned(Some(Box::new([7u64; 32]))), 240));
    }

    #[test]
    fn many_are_the_sum_of_each() {
        let texts = vec!["x".repeat(100); 10];
        assert_eq!(Owned::new().of_all(&texts), 10 * owned("x".repeat(100)));
        assert_eq!(Owned::new().of_all(&[1u64, 2]), 0);
        assert_eq!(Owned::new().of_all_but_texts(&texts), Owned::new().of_all(&texts));
        assert_eq!(Owned::new().of_all_but_texts(&[Text::from("x".repeat(100))]), 0);
    }
}
