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


# A sender that is late and was in writes for less than this part of the time was not held up by the program.
BLOCKED_SHARE = 0.6


def is_blocked(report):
    """Whether the sender, by its last report, was mostly held up by the program."""
    return report["writing_ms"] >= BLOCKED_SHARE * report["elapsed_ms"]


def why_behind(behind_ms, blocked):
    """Who is to blame for a late sender, in words."""
    who = "the program does not read fast enough" if blocked else "the load generator itself cannot send so fast here"
    return f"the sender fell behind by {behind_ms:.0f} ms: {who}"


def median_behind(behind_ms):
    """How far the sender was behind in the second half of the run."""
    return median(behind_ms[len(behind_ms) // 2:]) or 0.0


def judge(batches, interval_ms, sent, behind_ms, blocked=True):
    """The verdict over the batches after the warm-up. `sent`: whether all lines that were sent are in batches. `behind_ms`: how
    far the sender was behind its schedule, report by report; `blocked`: whether the program held it up."""
    lags = [batch.lag_ms for batch in batches]
    if not lags:
        return Verdict(False, "no batch was completed after the warm-up")
    figures = {
        "lag_p50": median(lags), "lag_p99": quantile(lags, 0.99), "lag_max": max(lags),
        "processing_p50": median([batch.processing_time_ms for batch in batches]),
    }
    late = median_behind(behind_ms)
    reason = why_behind(late, blocked) if late > behind_limit(interval_ms) else _complaint(lags, interval_ms, sent, batches)
    return Verdict(not reason, reason or "stable", **figures)


def _complaint(lags, interval_ms, sent, batches):
    failed = sum(batch.failed for batch in batches)
    if failed:
        return f"{failed} output operation(s) failed"
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
