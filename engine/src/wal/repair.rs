//! Puts aside what the survey found to be no part of the log.

use std::io;
use std::path::{Path, PathBuf};

use super::format::sequence_of;
use super::options::OnCorruption;
use super::scan::read;
use super::survey::{Survey, unreadable};
use crate::error::Result;
use crate::fs::{Fs, FsFile};

/// The folder of what was cut off, for people to look at. Nothing reads it.
pub(super) const QUARANTINE: &str = "quarantine";

/// Bytes copied at a time.
const PIECE: usize = 1 << 20;

/// Torn tails in the quarantine have at most this many bytes, or are a single one.
pub(super) const TAILS_MAX: u64 = 64 << 20;

/// The files, and what to do about those that cannot be read.
type Disk<'a> = (&'a dyn Fs, OnCorruption);

/// Cuts the torn tail off the last segment, and moves files away that are no part of the log. It can be interrupted anywhere and
/// done again: records do not depend on it, the rules of the survey leave the same bytes out when they are still there.
///
/// # Errors
/// When files cannot be changed, other than for want of space.
pub(super) fn repair(disk: Disk<'_>, dir: &Path, survey: &Survey) -> Result<()> {
    let (fs, _) = disk;
    for path in &survey.released {
        fs.remove_file(path).or_else(only_if_full).map_err(|error| unreadable(path, error))?;
    }
    for stray in &survey.strays {
        put_aside(disk, dir, stray).or_else(only_if_full).map_err(|error| unreadable(stray, error))?;
    }
    if let Some((path, len)) = &survey.cut {
        cut(disk, dir, path, *len).or_else(only_if_full).map_err(|error| unreadable(path, error))?;
    }
    Ok(())
}

/// A full disk must not keep the program from starting: what cannot be put aside stays where it is.
fn only_if_full(error: io::Error) -> io::Result<()> {
    if super::trouble::is_temporary(&error) { Ok(()) } else { Err(error) }
}

fn put_aside(disk: Disk<'_>, dir: &Path, path: &Path) -> io::Result<()> {
    let (fs, _) = disk;
    if is_zeros(disk, path, 0)? {
        return fs.remove_file(path);
    }
    fs.create_dir_all(&dir.join(QUARANTINE))?;
    let to = free_name(fs, dir, path, 0)?;
    fs.rename(path, &to)?;
    fs.sync_dir(dir)
}

fn cut(disk: Disk<'_>, dir: &Path, path: &Path, len: u64) -> io::Result<()> {
    let (fs, _) = disk;
    if !is_zeros(disk, path, len)? {
        fs.create_dir_all(&dir.join(QUARANTINE))?;
        let to = free_name(fs, dir, path, len)?;
        if let Err(error) = copy_tail(disk, path, len, &to) {
            // Half a copy is of no use, and takes space.
            let _ = fs.remove_file(&to);
            return Err(error);
        }
        // That the old ones are still there does no harm.
        let _ = limit_tails(fs, dir, TAILS_MAX);
    }
    let mut file = fs.open_append(path)?;
    file.truncate(len)?;
    file.sync()
}

fn copy_tail(disk: Disk<'_>, path: &Path, from: u64, to: &Path) -> io::Result<()> {
    let (fs, _) = disk;
    let mut copy: Box<dyn FsFile> = fs.create(to)?;
    each_piece(disk, path, from, |bytes| copy.write_all(bytes))?;
    copy.sync()?;
    to.parent().map_or(Ok(()), |quarantine| fs.sync_dir(quarantine))
}

/// Deletes the oldest tails until the others have at most `most` bytes, or one is left. They were never durable. Files that were
/// put aside as a whole may hold what was, and stay.
pub(super) fn limit_tails(fs: &dyn Fs, dir: &Path, most: u64) -> io::Result<()> {
    let quarantine = dir.join(QUARANTINE);
    let tails = fs.list(&quarantine)?.into_iter().filter_map(|entry| {
        let (segment, place) = entry.name.to_str()?.split_once(".at-")?;
        let offset: u64 = place.split('.').next()?.parse().ok()?;
        (offset > 0).then_some(((sequence_of(segment)?, offset), entry.len, entry.name))
    });
    let mut tails: Vec<_> = tails.collect();
    tails.sort();
    let mut sum: u64 = tails.iter().map(|(_, len, _)| len).sum();
    for (_, len, name) in tails.iter().rev().skip(1).rev() {
        if sum <= most {
            break;
        }
        fs.remove_file(&quarantine.join(name))?;
        sum -= len;
    }
    Ok(())
}

fn is_zeros(disk: Disk<'_>, path: &Path, from: u64) -> io::Result<bool> {
    let mut zeros = true;
    each_piece(disk, path, from, |bytes| {
        zeros &= bytes.iter().all(|byte| *byte == 0);
        Ok(())
    })?;
    Ok(zeros)
}

fn each_piece(
    disk: Disk<'_>,
    path: &Path,
    mut from: u64,
    mut look: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    loop {
        let bytes = read(disk, path, from, PIECE, &mut (0..0))?;
        if bytes.is_empty() {
            return Ok(());
        }
        look(&bytes)?;
        from += bytes.len() as u64;
    }
}

/// A name in the quarantine that nothing has yet: the file's, with the place in it and a number.
fn free_name(fs: &dyn Fs, dir: &Path, path: &Path, offset: u64) -> io::Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut number = 0_u64;
    loop {
        let name = dir.join(QUARANTINE).join(format!("{name}.at-{offset}.{number}"));
        if !fs.exists(&name)? {
            return Ok(name);
        }
        number += 1;
    }
}
