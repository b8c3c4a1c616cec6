//! Anything that can be read, standard input before all, as a stream of lines that has an end.

mod source;

pub(crate) use source::LineSource;
