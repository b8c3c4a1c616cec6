//! Sources and sinks against the real engine: loopback sockets, temporary folders, time moved by hand.

mod directories;
mod directory_faults;
mod queues;
mod readers;
mod receivers;
mod save;
mod senders;
mod socket_client;
mod socket_records;
mod socket_server;
mod support;
