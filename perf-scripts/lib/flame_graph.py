"""Flame graphs as SVG: the width of a box is its part of the cost, what it calls stands on it (Brendan Gregg's form).

Colours are the hops of a record, so that the graph reads like the table beside it. Every box says its name and part as a tooltip.
"""

from html import escape

from . import hops, svg

WIDTH, ROW, TOP = 1_400, 17, 74
NARROWEST = 0.6


class Node:
    """A function in its place: what it costs with everything that it calls."""

    def __init__(self):
        self.cost = 0
        self.children = {}

    def add(self, stack, cost):
        """Adds a stack, from the outermost function inwards."""
        node = self
        node.cost += cost
        for name in stack:
            node = node.children.setdefault(name, Node())
            node.cost += cost

    def depth(self, least):
        deep = [child.depth(least) for child in self.children.values() if child.cost >= least]
        return 1 + max(deep, default=0)


def short(name):
    """A function's name without the paths of its type parameters, as far as it helps to see it."""
    plain, deep, opened = [], 0, 0
    for i, c in enumerate(name):
        if c == "<" and not deep and (i == 0 or name[i - 1] == "<"):
            opened += 1
        elif c == "<":
            deep += 1
        elif c == ">" and deep and name[i - 1] != "-":
            deep -= 1
        elif c == ">" and opened and name[i - 1] != "-":
            opened -= 1
        elif not deep:
            plain.append(c)
    return "".join(plain).replace("{{closure}}", "{closure}")


def draw(path, title, root, unit, notes=()):
    """Writes the graph of a tree. `unit` is what the costs count."""
    least = root.cost * NARROWEST / (WIDTH - 40)
    rows = root.depth(least)
    height = TOP + rows * ROW + 16
    elements = [svg.text(20, 28, title, 17, weight="bold")]
    for i, hop in enumerate(hops.HOPS):
        elements += [svg.rectangle(24 + 130 * i, 44, 12, 12, hops.COLOURS[hop]), svg.text(40 + 130 * i, 54, hop, 12)]
    _boxes(elements, root, "all", [], 20, height - 16, (WIDTH - 40) / max(root.cost, 1), least, root.cost, unit)
    below, end = svg.notes(notes, height + 8, WIDTH)
    svg.save(path, WIDTH, end + 8, elements + below)


def _boxes(elements, node, name, outer, x, bottom, per_cost, least, whole, unit):
    width, y = node.cost * per_cost, bottom - ROW
    stack = [*outer, name]
    hop = hops.of_stack(reversed(stack))
    colour = hops.COLOURS[hop]
    tip = escape(f"{name} ({hop}): {node.cost:,.0f} {unit}, {node.cost / whole:.1%}")
    elements.append(f"<g><title>{tip}</title>" + svg.rectangle(x, y, width - 0.4, ROW - 1, colour))
    letters = int(width / 7.2)
    if letters >= 4:
        words = short(name)
        elements.append(svg.text(x + 3, y + 12, words if len(words) <= letters else words[:letters - 1] + "…", 11,
                                 colour="white" if hop in hops.DARK else "#222"))
    elements.append("</g>")
    for child_name, child in sorted(node.children.items()):
        if child.cost >= least:
            _boxes(elements, child, child_name, stack, x, y, per_cost, least, whole, unit)
            x += child.cost * per_cost
