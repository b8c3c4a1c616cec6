//! Conversions from and to the other kinds of text, serde's included.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Text;

impl From<&str> for Text {
    /// Copies the bytes.
    ///
    /// # Panics
    /// When there are more than 4 GiB; see [`Text::try_new`].
    fn from(value: &str) -> Text {
        Text::try_new(value).unwrap_or_else(|error| panic!("{error}"))
    }
}

impl From<String> for Text {
    fn from(value: String) -> Text {
        Text::from(value.as_str())
    }
}

impl From<&String> for Text {
    fn from(value: &String) -> Text {
        Text::from(value.as_str())
    }
}

impl From<char> for Text {
    fn from(value: char) -> Text {
        Text::from(&*value.encode_utf8(&mut [0; 4]))
    }
}

impl From<&Text> for Text {
    fn from(value: &Text) -> Text {
        value.clone()
    }
}

impl From<Text> for String {
    fn from(value: Text) -> String {
        String::from(value.as_str())
    }
}

impl From<&Text> for String {
    fn from(value: &Text) -> String {
        String::from(value.as_str())
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self
    }
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Text, E> {
        Text::try_new(value).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_convert_from_and_to_strings() {
        for value in ["", "é", "short", "a text that is longer than fifteen bytes", &"long".repeat(5_000)] {
            let text = Text::from(value);
            assert_eq!((text.as_str(), text.len(), text.is_empty()), (value, value.len(), value.is_empty()));
            assert_eq!(Text::from(String::from(value)), text);
            assert_eq!(Text::from(&String::from(value)), text);
            assert_eq!(String::from(&text), value);
            assert_eq!(format!("{text} {text:?} {text:>20}"), format!("{value} {value:?} {value:>20}"));
            assert_eq!(
                (AsRef::<str>::as_ref(&text), AsRef::<[u8]>::as_ref(&text)),
                (value, value.as_bytes())
            );
            assert_eq!(String::from(text), value);
        }
        assert_eq!(Text::from('€'), "€");
        assert_eq!(Text::default(), "");
    }

    #[test]
    fn serde_takes_a_text_for_a_string() {
        let value = "quotes \" and \u{2003} and more";
        let json = serde_json::to_string(&Text::from(value)).unwrap();
        assert_eq!(json, serde_json::to_string(value).unwrap());
        assert_eq!(serde_json::from_str::<Text>(&json).unwrap(), value);
        let bytes = postcard::to_allocvec(&Text::from(value)).unwrap();
        assert_eq!(postcard::from_bytes::<Text>(&bytes).unwrap(), value);
        assert!(serde_json::from_str::<Text>("1").is_err());
    }
}
