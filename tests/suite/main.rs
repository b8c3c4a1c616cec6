//! What the engine promises, tried from outside: one module per promise.

mod batches;
mod changed_outputs;
mod checkpoint_store;
mod context;
mod damage;
mod failure;
mod fan_out;
mod files;
mod full_disk;
mod full_log;
mod golden;
mod golden_streams;
mod guarantees;
#[cfg(debug_assertions)]
mod inverses;
mod layout;
#[path = "../crash/ledger.rs"]
mod ledger;
mod listener;
mod long_run;
mod missed;
mod output_power_cuts;
mod positions;
mod power_cuts;
mod receiver;
mod recovery;
mod remember;
mod replay;
mod sinks;
mod stopping;
mod storage;
mod support;
mod table;
mod way_of_a_record;
mod windows;
