"""Whether a program keeps up with a rate.

It does when, after the warm-up, its results come at a bounded delay (Karimov et al., ICDE 2018: no growing backlog). Three
signs say that it does not: its batches lag more and more, or by more than a bound; it reads so slowly that the sender falls
behind its schedule; lines that were sent are missing in the end.
"""

import dataclasses

from .numbers import median, quantile


@dataclasses.dataclass
class Verdict:
    """`stable`, why not, and the figures that say so (milliseconds)."""
    stable: bool
    reason: str
    lag_p50: float | None = None
    lag_p99: float | None = None
    lag_max: float | None = None
    processing_p50: float | None = None


def lag_limit(interval_ms):
    """How late the result of a batch may be, after the batch has closed: two intervals, or 20 ms where these are shorter."""
    return max(2 * interval_ms, 20)


def behind_limit(interval_ms):
    """How far the sender may be behind its schedule."""
    return max(interval_ms, 250)


def judge(batches, interval_ms, sent, behind_ms):
    """The verdict over the batches after the warm-up. `sent`: whether all lines that were sent are in batches. `behind_ms`: how
    far the sender was behind its schedule, report by report."""
    lags = [batch.lag_ms for batch in batches]
    if not lags:
        return Verdict(False, "no batch was completed after the warm-up")
    figures = {
        "lag_p50": median(lags), "lag_p99": quantile(lags, 0.99), "lag_max": max(lags),
        "processing_p50": median([batch.processing_time_ms for batch in batches]),
    }
    reason = _complaint(lags, interval_ms, sent, behind_ms, batches)
    return Verdict(not reason, reason or "stable", **figures)


def _complaint(lags, interval_ms, sent, behind_ms, batches):
    failed = sum(batch.failed for batch in batches)
    if failed:
        return f"{failed} output operation(s) failed"
    later = behind_ms[len(behind_ms) // 2:]
    if later and median(later) > behind_limit(interval_ms):
        return f"the sender fell behind by {median(later):.0f} ms: the program does not read fast enough"
    limit = lag_limit(interval_ms)
    late = lags[len(lags) // 2:]
    if quantile(late, 0.9) > limit:
        return f"one batch in ten lags by more than {limit:.0f} ms (the 90th percentile is {quantile(late, 0.9):.0f} ms)"
    quarter = max(len(lags) // 4, 1)
    growth = median(lags[-quarter:]) - median(lags[quarter:2 * quarter] or lags)
    if growth > max(interval_ms / 2, 5):
        return f"the lag grows: by {growth:.0f} ms from the second quarter of the run to the last"
    if not sent:
        return "lines that were sent were not counted in time"
    return None
