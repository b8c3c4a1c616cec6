use crate::Result;
use crate::job::Job;

/// An operator whose keys and values go into checkpoints and come back from them.
pub(crate) trait Persist: Send + Sync {
    /// What it keeps, in words that a checkpoint and a program must agree on: the kind of the operator and its types.
    fn types(&self) -> String;

    /// What it keeps now. It is taken between two batches, so it must be quick: what is shared now is encoded later.
    fn capture(&self) -> Box<dyn Captured>;

    /// Puts back what was captured, before the first batch. Runs on the compute cores.
    ///
    /// # Errors
    /// When the bytes are not what an operator of these types has written.
    fn restore(&self, job: &Job, saved: &Saved) -> Result<()>;
}

/// What an operator kept at one time, in *units* that are written again only when they have changed.
pub(crate) trait Captured: Send + Sync {
    /// The units that hold anything.
    fn units(&self) -> Vec<Unit>;

    /// Appends the content of a unit.
    ///
    /// # Errors
    /// When a key or a value cannot be serialized.
    fn encode(&self, unit: u64, bytes: &mut Vec<u8>) -> Result<()>;

    /// The little that is in no unit.
    ///
    /// # Errors
    /// As for [`encode`](Self::encode).
    fn rest(&self) -> Result<Vec<u8>>;
}

/// A part of what an operator keeps: a bucket of a state, a pane of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) id: u64,
    /// Another one whenever the content is another.
    pub(crate) version: u64,
}

/// What an operator had captured.
#[derive(Debug, Default)]
pub(crate) struct Saved {
    /// The number of the operator's last batch.
    pub(crate) number: u32,
    pub(crate) rest: Vec<u8>,
    /// The units' contents, by their ids, ascending.
    pub(crate) units: Vec<(u64, Vec<u8>)>,
}
