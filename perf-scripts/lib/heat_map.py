"""Heat maps: a table whose cells are coloured by their values."""

from . import svg

CELL_WIDTH, CELL_HEIGHT, LEFT, TOP = 78, 34, 128, 70

# From good to bad: ColorBrewer's blue to orange, which the colour-blind can tell apart. Grey is "does not keep up".
STEPS = ["#2166ac", "#4393c3", "#92c5de", "#d1e5f0", "#fddbc7", "#f4a582", "#d6604d"]
BAD = "#bbbbbb"


class HeatMap:
    """One map: rows, columns and a cell for each pair. A cell is (value, label): from 0 (good) to 1, or `None` (bad)."""

    def __init__(self, title, row_label, rows, column_label, columns, cells):
        self.title, self.row_label, self.rows = title, row_label, rows
        self.column_label, self.columns, self.cells = column_label, columns, cells

    def size(self):
        """Width and height of the drawing."""
        return LEFT + CELL_WIDTH * len(self.columns) + 30, TOP + CELL_HEIGHT * len(self.rows) + 26

    def elements(self, x0, y0):
        """The drawing, with its upper left corner at a point."""
        yield svg.text(x0 + 20, y0 + 18, self.title, 13, weight="bold")
        middle = x0 + LEFT + CELL_WIDTH * len(self.columns) / 2
        yield svg.text(middle, y0 + TOP - 28, self.column_label, 11, "middle", "#555")
        yield svg.text(x0 + LEFT - 10, y0 + TOP - 10, self.row_label, 11, "end", "#555")
        for i, column in enumerate(self.columns):
            yield svg.text(x0 + LEFT + CELL_WIDTH * (i + 0.5), y0 + TOP - 10, column, 12, "middle")
        for j, row in enumerate(self.rows):
            y = y0 + TOP + CELL_HEIGHT * j
            yield svg.text(x0 + LEFT - 10, y + CELL_HEIGHT / 2 + 4, row, 12, "end")
            for i, column in enumerate(self.columns):
                yield from self._cell(x0 + LEFT + CELL_WIDTH * i, y, self.cells.get((row, column)))

    @staticmethod
    def _cell(x, y, cell):
        if cell is None:
            yield svg.rectangle(x, y, CELL_WIDTH, CELL_HEIGHT, "white", "#ddd")
            return
        value, label = cell
        step = None if value is None else min(int(value * len(STEPS)), len(STEPS) - 1)
        fill = BAD if step is None else STEPS[step]
        yield svg.rectangle(x, y, CELL_WIDTH, CELL_HEIGHT, fill, "white")
        light = step is not None and step in (0, 1, 6)
        yield svg.text(x + CELL_WIDTH / 2, y + CELL_HEIGHT / 2 + 4, label, 11, "middle", "white" if light else "#222")


def sheet(path, title, maps, notes=(), columns=3):
    """Writes maps side by side under a title, with notes below."""
    columns = min(columns, len(maps))
    width, height = max(map_.size()[0] for map_ in maps), max(map_.size()[1] for map_ in maps)
    rows = -(-len(maps) // columns)
    elements = [svg.text(20, 28, title, 17, weight="bold")]
    for i, map_ in enumerate(maps):
        elements += map_.elements(width * (i % columns), 44 + height * (i // columns))
    bottom = 44 + height * rows
    wide = max(width * columns, 640)
    below, end = svg.notes(notes, bottom + 10, wide)
    svg.save(path, wide, end + 4, elements + below)
