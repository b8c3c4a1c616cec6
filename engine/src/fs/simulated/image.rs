//! What a simulated disk holds: directories of names, files of bytes, each known by a number that a rename does not change.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path};

use super::super::power_cut::SECTOR;

/// The number of a file or of a directory, which it keeps when it is renamed.
pub(super) type Inode = u64;

pub(super) const ROOT: Inode = 0;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    File(Inode),
    Dir(Inode),
}

/// A name in a directory.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) dir: Inode,
    pub(super) name: OsString,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Image {
    pub(super) dirs: BTreeMap<Inode, BTreeMap<OsString, Node>>,
    pub(super) files: BTreeMap<Inode, Vec<u8>>,
}

/// What was done to the live image.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    Write { inode: Inode, offset: u64, bytes: Vec<u8> },
    Truncate { inode: Inode, len: u64 },
    Link { at: Place, node: Node },
    Unlink { at: Place },
    Rename { from: Place, to: Place, node: Node },
}

impl Operation {
    pub(super) fn is_of_file(&self, file: Inode) -> bool {
        matches!(self, Operation::Write { inode, .. } | Operation::Truncate { inode, .. } if *inode == file)
    }

    pub(super) fn is_in(&self, dir: Inode) -> bool {
        match self {
            Operation::Write { .. } | Operation::Truncate { .. } => false,
            Operation::Link { at, .. } | Operation::Unlink { at } => at.dir == dir,
            Operation::Rename { from, to, .. } => from.dir == dir || to.dir == dir,
        }
    }

    pub(super) fn size(&self) -> Option<u64> {
        match self {
            Operation::Write { bytes, .. } => Some(bytes.len() as u64),
            _ => None,
        }
    }
}

/// The names on the way from the root.
pub(super) fn names(path: &Path) -> impl Iterator<Item = &OsStr> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name),
        _ => None,
    })
}

impl Image {
    pub(super) fn at(&self, dir: Inode, name: &OsStr) -> Option<Node> {
        self.dirs.get(&dir)?.get(name).copied()
    }

    pub(super) fn find(&self, path: &Path) -> Option<Node> {
        names(path).try_fold(Node::Dir(ROOT), |node, name| match node {
            Node::Dir(dir) => self.at(dir, name),
            Node::File(_) => None,
        })
    }

    fn link(&mut self, at: &Place, node: Node) {
        self.dirs.entry(at.dir).or_default().insert(at.name.clone(), node);
        match node {
            Node::File(inode) => drop(self.files.entry(inode).or_default()),
            Node::Dir(inode) => drop(self.dirs.entry(inode).or_default()),
        }
    }

    fn unlink(&mut self, at: &Place) {
        self.dirs.get_mut(&at.dir).and_then(|names| names.remove(&at.name));
    }

    pub(super) fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Write { inode, offset, bytes } => {
                let file = self.files.entry(*inode).or_default();
                let (begin, end) = (*offset as usize, *offset as usize + bytes.len());
                file.resize(file.len().max(end), 0);
                file[begin..end].copy_from_slice(bytes);
            }
            Operation::Truncate { inode, len } => {
                self.files.entry(*inode).or_default().resize(*len as usize, 0)
            }
            Operation::Link { at, node } => self.link(at, *node),
            Operation::Unlink { at } => self.unlink(at),
            Operation::Rename { from, to, node } => {
                self.unlink(from);
                self.link(to, *node);
            }
        }
    }

    /// Forgets what no name leads to.
    pub(super) fn prune(&mut self) {
        let (mut dirs, mut files, mut todo) = (BTreeSet::new(), BTreeSet::new(), vec![ROOT]);
        while let Some(dir) = todo.pop() {
            if !dirs.insert(dir) {
                continue;
            }
            for node in self.dirs.get(&dir).into_iter().flat_map(BTreeMap::values) {
                match node {
                    Node::File(inode) => drop(files.insert(*inode)),
                    Node::Dir(inode) => todo.push(*inode),
                }
            }
        }
        self.dirs.retain(|inode, _| dirs.contains(inode));
        self.files.retain(|inode, _| files.contains(inode));
    }

    pub(super) fn apply_torn(&mut self, operation: &Operation, sectors: u64, zero_filled: bool) {
        let Operation::Write { inode, offset, bytes } = operation else { return };
        let file = self.files.entry(*inode).or_default();
        // Sectors are those of the file, not of the write.
        let cut = (offset / SECTOR + sectors) * SECTOR;
        let kept = (cut.saturating_sub(*offset) as usize).min(bytes.len());
        let end = *offset as usize + if zero_filled { bytes.len() } else { kept };
        if kept > 0 || zero_filled {
            file.resize(file.len().max(end), 0);
            file[*offset as usize..][..kept].copy_from_slice(&bytes[..kept]);
        }
    }
}
