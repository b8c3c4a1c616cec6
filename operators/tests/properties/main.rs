//! Every operator against a plain reference, at any partitioning.

mod common;
mod rdds;
mod streams;
mod windows;
