use std::fmt;
use std::io;

/// A place that keeps the checkpoints of one program: a directory, or a prefix of an object store. It holds whole objects by name.
///
/// Nothing is ever changed in place, so that any store will do that can put an object whole. What the engine asks of it:
///
/// - what [`put`](Self::put), [`put_new`](Self::put_new) or [`finish`](CheckpointWriter::finish) has taken is durable when they return;
/// - an object is there whole or not at all, whatever becomes of this process;
/// - of two programs that call `put_new` for one name, one is refused;
/// - a list shows what was put before. One that comes late loses nothing either: the program goes on from the checkpoint before, or does
///   not start while the list shows neither of the two that are kept; and that another program has taken over is found later.
///
/// All calls block, and come from the threads that start a program and that write its checkpoints. An implementation tries again by
/// itself what may succeed the next time, within a bound: a call that hangs holds up the checkpoints, though not the batches. Errors
/// should name the object, and what to do.
///
/// [`MemoryStore`](crate::testkit::MemoryStore) is the smallest implementation, and fails on request.
pub trait CheckpointStore: Send + Sync + fmt::Debug {
    /// Where it is, in words for people: a directory, a URL.
    fn location(&self) -> String;

    /// The names of all objects, in any order.
    ///
    /// # Errors
    /// When the store cannot be asked.
    fn list(&self) -> io::Result<Vec<String>>;

    /// All bytes of an object.
    ///
    /// # Errors
    /// `NotFound` when there is none; those of the store.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;

    /// The `len` bytes from `offset` on; fewer, or an error, where the object ends before.
    ///
    /// # Errors
    /// `NotFound` when there is none; those of the store.
    fn read_at(&self, name: &str, offset: u64, len: usize) -> io::Result<Vec<u8>>;

    /// Begins an object that may be larger than memory. There is none of that name.
    ///
    /// # Errors
    /// Those of the store.
    fn create(&self, name: &str) -> io::Result<Box<dyn CheckpointWriter>>;

    /// Puts an object, in place of what had the name.
    ///
    /// # Errors
    /// Those of the store. The object may be there all the same.
    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Puts an object if there is none of that name, as one step.
    ///
    /// # Errors
    /// `AlreadyExists` when there is one; those of the store. The object may be there all the same.
    fn put_new(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Removes an object. That there is none is no error.
    ///
    /// # Errors
    /// Those of the store.
    fn delete(&self, name: &str) -> io::Result<()>;
}

/// An object that is being written, piece by piece. Dropped before it is finished, it is given up: a store need not show anything of it.
pub trait CheckpointWriter {
    /// Adds bytes to the end.
    ///
    /// # Errors
    /// Those of the store. The object is then given up.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes the object durable.
    ///
    /// # Errors
    /// Those of the store. The object may be there all the same.
    fn finish(self: Box<Self>) -> io::Result<()>;
}
