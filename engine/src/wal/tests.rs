//! The log against everything that can happen to it.

mod basics;
mod core;
mod damage;
mod faults;
mod golden;
mod power_cuts;
mod support;
mod threads;
mod vectors;
