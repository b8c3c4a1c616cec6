"""Axes: from a value to a place, and where the ticks stand."""

import math


class Linear:
    """Equal steps are equally long. Begins at 0 where the data do not go below."""

    def __init__(self, values, ticks=5):
        low, high = min(values, default=0), max(values, default=1)
        low = min(low, 0)
        if high <= low:
            high = low + 1
        step = nice_step((high - low) / ticks)
        self.low, self.high = math.floor(low / step) * step, math.ceil(high / step - 1e-9) * step
        count = round((self.high - self.low) / step)
        self.ticks = [(self.low + i * step, number(self.low + i * step)) for i in range(count + 1)]

    def place(self, value):
        """From 0 at the low end to 1 at the high end."""
        return (value - self.low) / (self.high - self.low)


class Log:
    """Equal factors are equally long."""

    def __init__(self, values, label=None):
        positive = [value for value in values if value > 0] or [1]
        self.low = math.floor(math.log10(min(positive)))
        self.high = max(math.ceil(math.log10(max(positive)) - 1e-9), self.low + 1)
        wide = self.high - self.low > 3
        self.ticks = []
        for exponent in range(self.low, self.high + 1):
            for factor in (1,) if wide else (1, 2, 5):
                value = factor * 10.0 ** exponent
                if math.log10(value) <= self.high + 1e-9:
                    self.ticks.append((value, (label or number)(value)))

    def place(self, value):
        if value <= 0:
            return 0.0
        return (math.log10(value) - self.low) / (self.high - self.low)


class Given:
    """Ticks with labels of one's own, on a linear axis."""

    def __init__(self, low, high, ticks):
        self.low, self.high, self.ticks = low, high, ticks

    def place(self, value):
        return (value - self.low) / (self.high - self.low)


class Named:
    """Values that are names, at equal distances."""

    def __init__(self, names):
        self.names = list(names)
        self.ticks = [(name, str(name)) for name in self.names]

    def place(self, name):
        if len(self.names) == 1:
            return 0.5
        return self.names.index(name) / (len(self.names) - 1)


def nice_step(step):
    """The next larger of 1, 2, 2.5, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step)) if step > 0 else 1.0
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= step * (1 - 1e-9))


def number(value):
    """A number as short as people write it: 1.5k, 20M, 0.3."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"
