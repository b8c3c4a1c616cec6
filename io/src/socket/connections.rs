use std::collections::VecDeque;
use std::io;

use mio::{Registry, Token};

use super::LineReader;
use super::line_reader::ReadSizes;
use super::listener::Stream;

/// The connections of a server: each has a place, which is also the token of its events.
#[derive(Debug, Default)]
pub(super) struct Connections {
    places: Vec<Option<Connection>>,
    free: Vec<usize>,
    /// Places of connections that have something to read, in the order of their turns.
    ready: VecDeque<usize>,
}

/// One sender. Between two reads it costs the file, and the beginning of one line.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: Stream,
    pub(super) reader: LineReader,
    /// The sender is done: there may be an end to read behind the last bytes.
    pub(super) is_closing: bool,
    is_ready: bool,
}

impl Connections {
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(super) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Takes a connection in; it is read at its next turn.
    pub(super) fn add(
        &mut self,
        mut stream: Stream,
        sizes: ReadSizes,
        registry: &Registry,
    ) -> io::Result<()> {
        let place = self.free.last().copied().unwrap_or(self.places.len());
        stream.register(registry, Token(place))?;
        let reader = LineReader::new(sizes);
        let connection = Connection { stream, reader, is_closing: false, is_ready: true };
        if self.free.pop().is_some() {
            self.places[place] = Some(connection);
        } else {
            self.places.push(Some(connection));
        }
        self.ready.push_back(place);
        Ok(())
    }

    /// There is something to read at `place`.
    pub(super) fn note(&mut self, place: usize, is_closing: bool) {
        if let Some(Some(connection)) = self.places.get_mut(place) {
            connection.is_closing |= is_closing;
            if !std::mem::replace(&mut connection.is_ready, true) {
                self.ready.push_back(place);
            }
        }
    }

    /// Takes the connection whose turn it is.
    pub(super) fn next(&mut self) -> Option<(usize, &mut Connection)> {
        let place = self.ready.pop_front()?;
        let connection = self.places[place].as_mut()?;
        Some((place, connection))
    }

    /// The connection at `place` has more to read, after all others had their turn.
    pub(super) fn again(&mut self, place: usize) {
        self.ready.push_back(place);
    }

    /// The connection at `place` could not be read; it stays the first.
    pub(super) fn keep_turn(&mut self, place: usize) {
        self.ready.push_front(place);
    }

    /// There is nothing to read at `place` until an event says so.
    pub(super) fn rest(&mut self, place: usize) {
        if let Some(Some(connection)) = self.places.get_mut(place) {
            connection.is_ready = false;
        }
    }

    /// Closes the connection at `place`.
    pub(super) fn remove(&mut self, place: usize) {
        if self.places[place].take().is_some() {
            self.free.push(place);
        }
    }
}
