"""Line charts, one or several on a sheet."""

from . import svg

WIDTH, HEIGHT = 430, 330
LEFT, RIGHT, TOP, BOTTOM = 62, 34, 40, 52


class Chart:
    """A frame with two axes (`scale.py`), into which lines are drawn."""

    def __init__(self, title, x, y, x_label, y_label):
        self.title, self.x, self.y = title, x, y
        self.x_label, self.y_label = x_label, y_label
        # Whether the legend shows how a line is dashed: not where that depends on the chart.
        self.keeps_dashes = True
        self.series = []
        self.marks = []

    def add(self, name, points, colour=None, dash=None, dots=True):
        """A line through points; `None` as a value leaves a gap out. Returns its colour."""
        colour = colour or svg.COLOURS[len(self.series) % len(svg.COLOURS)]
        known = [(x, y) for x, y in points if y is not None]
        self.series.append((name, known, colour, dash, dots))
        return colour

    def mark(self, y, words, colour="#888"):
        """A dashed line across, with words."""
        self.marks.append((y, words, colour))

    def elements(self, x0, y0):
        """The drawing, with its upper left corner at a point."""
        inner_width, inner_height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
        left, top, bottom = x0 + LEFT, y0 + TOP, y0 + HEIGHT - BOTTOM

        def at(x, y):
            high = min(max(self.y.place(y), 0.0), 1.0)
            return left + inner_width * self.x.place(x), bottom - inner_height * high

        yield svg.text(left, y0 + 22, self.title, 14, weight="bold")
        for value, label in self.y.ticks:
            y = bottom - inner_height * self.y.place(value)
            yield svg.line(left, y, left + inner_width, y)
            yield svg.text(left - 6, y + 4, label, 11, "end")
        for value, label in self.x.ticks:
            x = left + inner_width * self.x.place(value)
            yield svg.line(x, top, x, bottom, "#eee")
            yield svg.text(x, bottom + 16, label, 11, "middle")
        yield svg.line(left, bottom, left + inner_width, bottom, "#444")
        yield svg.line(left, top, left, bottom, "#444")
        yield svg.text(left + inner_width / 2, bottom + 36, self.x_label, 12, "middle")
        yield svg.text(x0 + 16, top + inner_height / 2, self.y_label, 12, "middle", turn=-90)
        for y, words, colour in self.marks:
            _, height = at(self.x.ticks[0][0], y)
            yield svg.line(left, height, left + inner_width, height, colour, 1.2, "5 4")
            yield svg.text(left + inner_width - 4, height - 5, words, 11, "end", colour)
        for _, points, colour, dash, dots in self.series:
            way = [at(x, y) for x, y in points]
            yield svg.polyline(way, colour, dash=dash)
            if dots:
                yield from (svg.circle(x, y, 2.6, colour) for x, y in way)


def sheet(path, title, charts, columns=2, notes=()):
    """Writes charts side by side, under a title, with one legend for all of their lines, and notes below."""
    columns = min(columns, len(charts))
    rows = -(-len(charts) // columns)
    legend = []
    for chart in charts:
        for name, _, colour, dash, _ in chart.series:
            if name and (name, colour) not in [entry[:2] for entry in legend]:
                legend.append((name, colour, dash if chart.keeps_dashes else None))
    width = max(columns * WIDTH, 560)
    per_row = max(1, (width - 40) // 190)
    legend_rows = -(-len(legend) // per_row)
    below = 44 + 20 * legend_rows
    elements = [svg.text(20, 28, title, 17, weight="bold")]
    for i, (name, colour, dash) in enumerate(legend):
        x, y = 24 + 190 * (i % per_row), 52 + 20 * (i // per_row)
        elements += [svg.line(x, y - 4, x + 24, y - 4, colour, 3, dash), svg.text(x + 30, y, name)]
    for i, chart in enumerate(charts):
        elements += chart.elements(WIDTH * (i % columns), below + HEIGHT * (i // columns))
    height = below + rows * HEIGHT
    below, end = svg.notes(notes, height + 6, width)
    svg.save(path, width, end + 4, elements + below)
