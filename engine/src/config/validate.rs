//! The last check before a start: ranges of what code has set, and relations between keys.

use super::layers::refused;
use super::{Config, Place};
use crate::{Error, Result};

/// The least memory to run with: the program itself, its threads and a few segments.
const MEMORY_MIN: usize = 32 << 20;

impl Config {
    /// Checks every range and the relations between keys.
    ///
    /// ```
    /// use millstream_engine::config::Config;
    /// use std::time::Duration;
    /// let config = Config::new().block_interval(Duration::from_secs(5));
    /// assert!(config.validate().unwrap_err().to_string().contains("longer than batch_interval"));
    /// ```
    pub fn validate(&self) -> Result<()> {
        for (key, value, place) in self.entries() {
            if !key.fits(self) {
                return Err(refused(key, &value, place, "out of range"));
            }
        }
        self.block_fits_batch()?;
        self.memory_is_enough()?;
        self.fits_into_held("receiver.segment_bytes", self.segment_bytes, "segment")?;
        self.fits_into_held("receiver.max_line_bytes", self.max_line_bytes, "line")
    }

    /// A block longer than its batch is refused, unless nobody asked for one.
    fn block_fits_batch(&self) -> Result<()> {
        let defaulted = *self.place("receiver.block_interval") == Place::Default;
        if defaulted || self.block_interval <= self.batch_interval {
            return Ok(());
        }
        Err(Error::Config(format!(
            "{} is longer than {}: a batch is made of whole blocks; shorten the block interval, or leave it out \
             and it is 200 ms or the batch interval, whichever is shorter",
            self.assignment("receiver.block_interval"),
            self.assignment("batch_interval"),
        )))
    }

    /// Less than a program needs to stand still would stop its receivers for ever.
    fn memory_is_enough(&self) -> Result<()> {
        if self.memory_max == 0 || self.memory_max >= MEMORY_MIN {
            return Ok(());
        }
        Err(Error::Config(format!(
            "{} is too little to run with: give at least {} MiB, or 0 for 60 % of the machine's memory",
            self.assignment("memory.max"),
            MEMORY_MIN >> 20,
        )))
    }

    /// What a receiver must hold as a whole has to fit into what it may hold.
    fn fits_into_held(&self, name: &str, bytes: usize, thing: &str) -> Result<()> {
        if bytes <= self.max_held_bytes {
            return Ok(());
        }
        Err(Error::Config(format!(
            "{} is more than {}: a receiver could not hold one {thing} and would stop reading for ever; raise \
             the second or lower the first",
            self.assignment(name),
            self.assignment("receiver.max_held_bytes"),
        )))
    }

    /// `key = value (place)`, for errors.
    fn assignment(&self, name: &str) -> String {
        let found = self.entries().find(|(key, ..)| key.name() == name);
        found.map_or_else(|| name.to_string(), |(_, value, place)| format!("{name} = {value} ({place})"))
    }
}
