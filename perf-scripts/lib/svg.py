"""Elements of an SVG drawing, and the file that they go into."""

import textwrap
from html import escape

# Okabe and Ito's colours, which the colour-blind can tell apart; the yellow is left out, as it is too light for lines.
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#444444"]
FONT = "font-family='Helvetica, Arial, sans-serif'"


def text(x, y, words, size=12, anchor="start", colour="#222", weight="normal", turn=None):
    """Words at a point; `turn` turns them by so many degrees."""
    turned = f" transform='rotate({turn} {x:.1f} {y:.1f})'" if turn is not None else ""
    return (f"<text x='{x:.1f}' y='{y:.1f}' {FONT} font-size='{size}' text-anchor='{anchor}' fill='{colour}' "
            f"font-weight='{weight}'{turned}>{escape(str(words))}</text>")


def line(x1, y1, x2, y2, colour="#ddd", width=1.0, dash=None):
    dashed = f" stroke-dasharray='{dash}'" if dash else ""
    return (f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' stroke='{colour}' "
            f"stroke-width='{width}'{dashed}/>")


def polyline(points, colour, width=2.0, dash=None):
    dashed = f" stroke-dasharray='{dash}'" if dash else ""
    way = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return (f"<polyline points='{way}' fill='none' stroke='{colour}' stroke-width='{width}' "
            f"stroke-linejoin='round'{dashed}/>")


def circle(x, y, radius, colour):
    return f"<circle cx='{x:.1f}' cy='{y:.1f}' r='{radius}' fill='{colour}'/>"


def rectangle(x, y, width, height, fill, stroke="none"):
    return (f"<rect x='{x:.1f}' y='{y:.1f}' width='{max(width, 0):.1f}' height='{max(height, 0):.1f}' "
            f"fill='{fill}' stroke='{stroke}'/>")


def notes(sentences, y, width):
    """Small sentences below a drawing, broken to its width. Returns their elements and where they end."""
    lines = [row for words in sentences for row in textwrap.wrap(words, max(int(width / 6.2), 40))]
    return [text(20, y + 16 * i, row, 11, colour="#555") for i, row in enumerate(lines)], y + 16 * len(lines)


def save(path, width, height, elements):
    """Writes a drawing with a white ground, so that it can be read in a dark viewer too."""
    head = (f"<svg xmlns='http://www.w3.org/2000/svg' width='{width:.0f}' height='{height:.0f}' "
            f"viewBox='0 0 {width:.0f} {height:.0f}'>")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join([head, rectangle(0, 0, width, height, "white"), *elements, "</svg>", ""]))
