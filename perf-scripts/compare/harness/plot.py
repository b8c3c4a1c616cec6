"""Bars as SVG: how many times as much each peer needs as the engine, on a logarithmic scale."""

import math
from xml.sax.saxutils import escape

from peers.peer import Peer
from workloads.workload import Workload

from .summary import Row

WIDTH, BAR, GAP, LEFT, RIGHT, TOP = 860, 18, 6, 190, 150, 64
OURS, THEIRS, VOID = "#1f6f8b", "#b8b8b8", "#c0392b"


def work_times(workload: Workload, peers: list[Peer], rows: list[Row], note: str) -> str:
    """The time without start of every peer on one workload, with the quartiles as whiskers."""
    titles = {peer.name: peer.title for peer in peers}
    spreads = [row.work() for row in rows]
    known = [spread for spread in spreads if spread]
    least = min((spread.low for spread in known), default=0.1)
    most = max((spread.high for spread in known), default=1.0)
    first, last = math.floor(math.log10(least)), math.ceil(math.log10(most) + 1e-9)
    last = max(last, first + 1)
    height = TOP + len(rows) * (BAR + GAP) + 46

    def x(value: float) -> float:
        return LEFT + (math.log10(value) - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="16" y="24" font-size="16" font-weight="bold">{escape(workload.title)}</text>',
        f'<text x="16" y="44" fill="#555">{escape(note)}</text>',
    ]
    for power in range(first, last + 1):
        parts += _line(x(10.0**power), TOP - 6, height - 34, f"{10.0**power:g} s")
    ours = next((row.work() for row in rows if row.peer == "millstream"), None)
    for number, (row, spread) in enumerate(zip(rows, spreads)):
        y = TOP + number * (BAR + GAP)
        parts.append(f'<text x="{LEFT - 10}" y="{y + 14}" text-anchor="end">{escape(titles[row.peer])}</text>')
        if spread is None:
            parts.append(f'<text x="{LEFT + 6}" y="{y + 14}" fill="{VOID}">{escape(row.verdict())}</text>')
            continue
        colour = OURS if row.peer.startswith("millstream") else THEIRS
        end = x(spread.median)
        parts.append(f'<rect x="{LEFT}" y="{y}" width="{end - LEFT:.1f}" height="{BAR}" fill="{colour}"/>')
        parts.append(
            f'<path d="M{x(spread.low):.1f} {y + BAR / 2}H{x(spread.high):.1f}" stroke="black" stroke-width="1.5"/>'
        )
        label = f"{spread.median:.3g} s"
        if ours and row.peer != "millstream":
            label += f", {spread.median / ours.median:.3g} x"
        parts.append(f'<text x="{max(end, x(spread.high)) + 8:.1f}" y="{y + 14}">{label}</text>')
    parts.append(f'<text x="{LEFT}" y="{height - 2}" fill="#555" font-size="11">logarithmic; shorter is better</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _line(x: float, top: float, bottom: float, label: str) -> list[str]:
    return [
        f'<path d="M{x:.1f} {top}V{bottom}" stroke="#ddd"/>',
        f'<text x="{x:.1f}" y="{bottom + 15}" text-anchor="middle" fill="#555" font-size="11">{label}</text>',
    ]
