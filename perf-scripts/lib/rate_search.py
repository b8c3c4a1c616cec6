"""The highest rate that a program sustains, by doubling and bisection."""


def confirmed(is_stable, rate, steps=8):
    """The highest of `rate`, 0.9 `rate`, .. for which `is_stable` holds: what is stable for seconds need not be for longer."""
    for _ in range(steps):
        if not rate or is_stable(rate):
            return rate
        rate *= 0.9
    return 0.0


def highest_stable(is_stable, first, precision=0.08, ceiling=50e6):
    """The highest rate for which `is_stable(rate)` holds, to a relative precision; 0 when not even a 1,000th of `first` does.

    A rate that failed is tried once more before it is believed: on a shared machine another program may have taken the core.
    """
    low, high, rate = 0.0, None, first
    while high is None or high / max(low, 1.0) > 1 + precision:
        if is_stable(rate) or is_stable(rate):
            low = rate
        else:
            high = rate
        if high is None:
            if low >= ceiling:
                return low
            rate = low * 2
        elif low == 0.0:
            rate = high / 4
            if rate < first / 1_000:
                return 0.0
        else:
            rate = (low * high) ** 0.5
    return low
