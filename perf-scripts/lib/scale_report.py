"""Table and plots of `scale`."""

from . import scale, table
from .chart import Chart, sheet
from .numbers import median, spread


def by_threads(samples):
    """For each number of threads the median time in seconds, its spread, and the median of the processor seconds."""
    counts = sorted({sample["threads"] for sample in samples})
    figures = {}
    for count in counts:
        mine = [sample for sample in samples if sample["threads"] == count]
        seconds = [sample["seconds"] for sample in mine]
        figures[count] = (median(seconds), spread(seconds), median([sample["cpu_s"] for sample in mine]))
    return figures


def write(folder, facts, samples):
    """Writes scale.md, scale.csv and scale.svg; `samples` are lists by the name of the workload."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = ["workload", "threads", "time", "spread", "MB/s", "speed-up", "efficiency", "processor time"]
    rows, raw = [], []
    for name, mine in samples.items():
        figures = by_threads(mine)
        least = min(figures)
        for count, (seconds, wide, cpu) in figures.items():
            speed_up = figures[least][0] / seconds
            speed = mine[0]["bytes"] / 1e6 / seconds
            # Without a run on one thread, the smallest number stands for it.
            efficiency = speed_up * least / count
            rows.append([name, count, table.time_us(seconds * 1e6), f"±{wide:.0%}", f"{speed:,.0f}", f"{speed_up:.2f}",
                         f"{efficiency:.0%}", f"{cpu:.3f} s"])
            raw.append([name, count, f"{seconds:.6f}", f"{wide:.3f}", f"{speed:.1f}", f"{speed_up:.3f}", f"{efficiency:.3f}",
                        f"{cpu:.3f}"])
    head = "Medians; the spread is half of the distance between the fastest and the slowest sample. Every answer was checked.\n"
    table.write_markdown(folder / "scale.md", "Scaling", facts, [head, table.markdown(columns, rows)])
    table.write_csv(folder / "scale.csv", facts, columns, raw)
    _plot(folder / "scale.svg", facts, samples)


def _plot(path, facts, samples):
    all_figures = {name: by_threads(mine) for name, mine in samples.items()}
    counts = sorted({count for figures in all_figures.values() for count in figures})
    most = counts[-1]
    shown = counts if most <= 8 else [count for count in counts if count & (count - 1) == 0 or count == most]
    axis = scale.Given(min(counts[0], 1), max(most, 2), [(count, count) for count in shown])
    speed = Chart("Speed-up", axis, scale.Linear([most]), "threads", "times one thread")
    efficiency = Chart("Efficiency", axis, scale.Given(0, 1.2, [(i / 5, f"{20 * i} %") for i in range(7)]), "threads",
                       "share of ideal")
    for name, figures in all_figures.items():
        least = min(figures)
        ups = [(count, least * figures[least][0] / figures[count][0]) for count in figures]
        speed.add(name, ups)
        efficiency.add(name, [(count, up / count) for count, up in ups])
    speed.add("ideal", [(count, count) for count in (min(counts[0], 1), most)], "#999", "4 4", dots=False)
    note = f"{facts['date']}, {facts['processor']}, {facts['cores']} cores, {facts['input']}, commit {facts['commit']}"
    sheet(path, "How the engine scales", [speed, efficiency], notes=[note])
