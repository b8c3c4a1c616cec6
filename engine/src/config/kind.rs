//! The kinds of values: how each is read, shown and held to its range.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::{Master, OnBatchFailure, Settings, parse};
use crate::storage::StorageLevel;

/// The place of one value in the settings.
type Field<T> = fn(&mut Settings) -> &mut T;

/// What a key holds, where in the settings, and from what to what.
pub(super) enum Kind {
    /// Any text but the empty one.
    Text(Field<String>),
    /// True or false.
    Flag(Field<bool>),
    /// Whole milliseconds.
    Duration(Field<Duration>, RangeInclusive<Duration>),
    /// A size in memory or on disk.
    Bytes(Field<usize>, RangeInclusive<usize>),
    /// A whole number.
    Count(Field<usize>, RangeInclusive<usize>),
    /// Records per second.
    Rate(Field<Option<f64>>),
    /// A number that is not negative.
    Factor(Field<f64>),
    /// A number that makes a random choice repeatable.
    Seed(Field<Option<u64>>),
    /// A file, or none.
    Path(Field<Option<PathBuf>>),
    /// Where the work runs.
    Master(Field<Master>),
    /// What a failed batch leads to.
    OnBatchFailure(Field<OnBatchFailure>),
    /// Where something kept may stand.
    StorageLevel(Field<StorageLevel>),
}

impl Kind {
    /// Reads `text` into its field, or says why it is not of this kind. The range is not looked at.
    pub(super) fn read(&self, settings: &mut Settings, text: &str) -> Result<(), String> {
        match self {
            Kind::Text(field) => *field(settings) = text.trim().to_string(),
            Kind::Flag(field) => *field(settings) = parse::flag(text)?,
            Kind::Duration(field, _) => *field(settings) = parse::duration(text)?,
            Kind::Bytes(field, _) => *field(settings) = parse::bytes(text)?,
            Kind::Count(field, _) => *field(settings) = parse::count(text)?,
            Kind::Rate(field) => *field(settings) = parse::rate(text)?,
            Kind::Factor(field) => *field(settings) = parse::factor(text)?,
            Kind::Seed(field) => *field(settings) = parse::seed(text)?,
            Kind::Path(field) => *field(settings) = parse::path(text)?,
            Kind::Master(field) => *field(settings) = text.parse()?,
            Kind::OnBatchFailure(field) => *field(settings) = text.parse()?,
            Kind::StorageLevel(field) => *field(settings) = text.parse()?,
        }
        Ok(())
    }

    /// The value as [`Kind::read`] would read it. Takes the settings as `mut` only to reach the field.
    pub(super) fn show(&self, settings: &mut Settings) -> String {
        match self {
            Kind::Text(field) => field(settings).clone(),
            Kind::Flag(field) => field(settings).to_string(),
            Kind::Duration(field, _) => parse::show_duration(*field(settings)),
            Kind::Bytes(field, _) => parse::show_bytes(*field(settings)),
            Kind::Count(field, _) => field(settings).to_string(),
            Kind::Rate(field) => parse::show_option(*field(settings)),
            Kind::Factor(field) => field(settings).to_string(),
            Kind::Seed(field) => parse::show_option(*field(settings)),
            Kind::Path(field) => {
                parse::show_option(field(settings).as_ref().map(|path| path.display().to_string()))
            }
            Kind::Master(field) => field(settings).to_string(),
            Kind::OnBatchFailure(field) => field(settings).to_string(),
            Kind::StorageLevel(field) => field(settings).to_string(),
        }
    }

    /// Whether the value lies in its range. Takes the settings as `mut` only to reach the field.
    pub(super) fn fits(&self, settings: &mut Settings) -> bool {
        match self {
            Kind::Text(field) => !field(settings).is_empty(),
            Kind::Duration(field, range) => {
                let value = *field(settings);
                range.contains(&value) && value.subsec_nanos().is_multiple_of(1_000_000)
            }
            Kind::Bytes(field, range) | Kind::Count(field, range) => range.contains(field(settings)),
            Kind::Rate(field) => field(settings).is_none_or(f64::is_finite),
            Kind::Factor(field) => (0.0..f64::INFINITY).contains(field(settings)),
            Kind::Master(field) => *field(settings) != Master::Local(0),
            Kind::Path(field) => field(settings).as_ref().is_none_or(|path| !path.as_os_str().is_empty()),
            Kind::Flag(_) | Kind::Seed(_) | Kind::OnBatchFailure(_) | Kind::StorageLevel(_) => true,
        }
    }

    /// What may be written, in words.
    pub(super) fn allowed(&self) -> String {
        match self {
            Kind::Text(_) => "any text but the empty one".to_string(),
            Kind::Flag(_) => "true, false".to_string(),
            Kind::Duration(_, range) => {
                let (low, high) = (parse::show_duration(*range.start()), parse::show_duration(*range.end()));
                format!("{low} to {high} in whole milliseconds")
            }
            Kind::Bytes(_, range) => {
                format!("{} to {}", parse::show_bytes(*range.start()), parse::show_bytes(*range.end()))
            }
            Kind::Count(_, range) => format!("{} to {}", range.start(), range.end()),
            Kind::Rate(_) => "records per second, or none".to_string(),
            Kind::Factor(_) => "a number that is not negative".to_string(),
            Kind::Seed(_) => "a whole number, or none".to_string(),
            Kind::Path(_) => "a path, or none".to_string(),
            Kind::Master(_) => Master::FORMS.to_string(),
            Kind::OnBatchFailure(_) => OnBatchFailure::FORMS.to_string(),
            Kind::StorageLevel(_) => StorageLevel::FORMS.to_string(),
        }
    }

    /// A value to show by, where the default is none.
    pub(super) fn example(&self) -> Option<&'static str> {
        match self {
            Kind::Rate(_) => Some("10000"),
            Kind::Seed(_) => Some("42"),
            Kind::Path(_) => Some("batches.jsonl"),
            _ => None,
        }
    }
}
