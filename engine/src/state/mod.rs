//! Hop 5, keyed state.

mod key_map;

pub(crate) use key_map::KeyMap;
