"""What the repeats of one peer on one workload come to."""

import dataclasses
import statistics
from collections.abc import Callable

from .child import Cost


@dataclasses.dataclass(frozen=True)
class Spread:
    """A median with the quartiles around it."""

    median: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Row:
    """One peer on one workload: its costs, or why there are none."""

    workload: str
    peer: str
    gigabytes: float
    costs: tuple[Cost, ...] = ()
    # WRONG, or a reason why it was not measured; empty when all is well.
    trouble: str = ""

    def verdict(self) -> str:
        """Why there are no figures, in a word or two."""
        return self.trouble.split(":")[0] or "not measured"

    def spread(self, figure: Callable[[Cost], float]) -> Spread | None:
        """A figure over all repeats; none where there is no number to trust."""
        if self.trouble or not self.costs:
            return None
        values = sorted(figure(cost) for cost in self.costs)
        if len(values) == 1:
            return Spread(values[0], values[0], values[0])
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return Spread(median, low, high)

    def wall(self) -> Spread | None:
        return self.spread(lambda cost: cost.wall_s)

    def work(self) -> Spread | None:
        """Without start; of a JVM, the pass after the warm-up."""
        return self.spread(lambda cost: cost.pass_s)

    def cpu_per_gb(self) -> Spread | None:
        return self.spread(lambda cost: cost.cpu_s / self.gigabytes)

    def work_cpu_per_gb(self) -> Spread | None:
        return self.spread(lambda cost: cost.pass_cpu_s / self.gigabytes)

    def peak_mb(self) -> Spread | None:
        return self.spread(lambda cost: cost.peak_mb)


def ratio(row: Row, ours: Row | None, figure: Callable[[Row], Spread | None]) -> float | None:
    """How many times as much a peer needs as the engine does."""
    theirs, own = figure(row), figure(ours) if ours else None
    return theirs.median / own.median if theirs and own and own.median > 0 else None
