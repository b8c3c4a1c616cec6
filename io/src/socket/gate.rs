use std::time::{Duration, Instant};

/// Whether a receiver may read now, or has to wait: for the rate limit, or for room.
#[derive(Debug, Default)]
pub(super) struct Gate {
    closed_until: Option<Instant>,
}

/// How long a receiver without room waits before it looks again.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(1);

impl Gate {
    /// Lets nothing through for `wait`.
    pub(super) fn close_for(&mut self, wait: Duration) {
        self.closed_until = Instant::now().checked_add(wait).filter(|_| !wait.is_zero());
    }

    /// How long it stays closed.
    pub(super) fn rest(&self) -> Duration {
        self.closed_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    pub(super) fn is_open(&self) -> bool {
        self.rest().is_zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_open_until_it_is_closed_for_a_while() {
        let mut gate = Gate::default();
        assert!(gate.is_open());
        gate.close_for(Duration::from_secs(100));
        assert!(!gate.is_open() && gate.rest() > Duration::from_secs(90));
        gate.close_for(Duration::ZERO);
        assert!(gate.is_open());
    }
}
