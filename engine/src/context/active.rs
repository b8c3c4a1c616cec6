//! The one context of the process that is active.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::StreamingContext;
use crate::{Error, Result};

static ACTIVE: Mutex<Option<StreamingContext>> = Mutex::new(None);

fn active() -> MutexGuard<'static, Option<StreamingContext>> {
    ACTIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn get() -> Option<StreamingContext> {
    active().clone()
}

/// Makes `context` the active one.
pub(super) fn set(context: &StreamingContext) -> Result<()> {
    let mut active = active();
    if let Some(other) = &*active
        && !other.is_same(context)
    {
        return Err(Error::State(format!(
            "Only one StreamingContext may be started in this process; {:?} is active. Stop it first.",
            other.config().app_name
        )));
    }
    *active = Some(context.clone());
    Ok(())
}

pub(super) fn clear(context: &StreamingContext) {
    let mut active = active();
    if active.as_ref().is_some_and(|other| other.is_same(context)) {
        *active = None;
    }
}
