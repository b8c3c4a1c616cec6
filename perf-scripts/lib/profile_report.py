"""The table of the hops, and the tree for the flame graph."""

import collections
import dataclasses

from . import flame_graph, hops, table


@dataclasses.dataclass
class Costs:
    """Instructions by hop and by (hop, file) over `lines` lines; samples by stack, if any; processor seconds over
    `timed_lines`."""
    instructions: collections.Counter
    files: collections.Counter
    lines: int
    stacks: collections.Counter | None
    seconds: float
    timed_lines: int

    def nanoseconds(self):
        """Nanoseconds per line of each hop: the processor time, divided by samples or else by instructions."""
        weights = self.instructions
        if self.stacks:
            weights = collections.Counter()
            for (_thread, *frames), count in self.stacks.items():
                weights[hops.of_stack(reversed(frames))] += count
        whole = sum(weights.values()) or 1
        per_line = self.seconds * 1e9 / self.timed_lines
        return {hop: per_line * weights[hop] / whole for hop in hops.HOPS}


COLUMNS = ["hop", "ns per line", "instructions per line", "share of instructions", "what it does"]


def rows(costs):
    """A row per hop that costs anything, and the sum."""
    nanoseconds, whole = costs.nanoseconds(), sum(costs.instructions.values()) or 1
    body = [[hop, f"{nanoseconds[hop]:.0f}", f"{costs.instructions[hop] / costs.lines:,.0f}",
             f"{costs.instructions[hop] / whole:.1%}", hops.MEANING[hop]]
            for hop in hops.HOPS if costs.instructions[hop] or nanoseconds[hop]]
    body.append(["all", f"{sum(nanoseconds.values()):.0f}", f"{whole / costs.lines:,.0f}", "100.0%", ""])
    return body


def text(costs):
    """The table for a terminal."""
    return "\n".join(f"{hop:>10} {ns:>7} ns {instructions:>9} instructions {share:>7}"
                     for hop, ns, instructions, share, _ in rows(costs))


def write(folder, name, facts, costs):
    """Writes NAME-hops.md and NAME-hops.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    source = "samples of perf" if costs.stacks else "instructions, as perf may not sample here"
    facts = facts | {
        "instructions": f"callgrind, {costs.lines:,} lines: a longer run less a shorter one, so without start and end",
        "ns": f"{costs.seconds:.2f} s of processor time over {costs.timed_lines:,} lines, divided by {source}",
    }
    top = [[hop, file, f"{cost / costs.lines:,.1f}"] for (hop, file), cost in costs.files.most_common(25)]
    parts = [table.markdown(COLUMNS, rows(costs)),
             "## The files behind it\n\n" + table.markdown(["hop", "file", "instructions per line"], top)]
    table.write_markdown(folder / f"{name}-hops.md", f"The hops of a record in {name}", facts, parts)
    table.write_csv(folder / f"{name}-hops.csv", facts, COLUMNS, rows(costs))


def tree(stacks, profile):
    """The tree of the flame graph, and what its costs count: samples, or else instructions."""
    root = flame_graph.Node()
    if stacks:
        for stack, count in stacks.items():
            root.add(stack, count)
        return root, "samples"
    _expand(root, profile)
    return root, "instructions"


DEEPEST = 60


def _expand(root, profile):
    """Callgrind knows who calls whom, not whole stacks: a function's calls are divided among its callers in proportion. What a
    function costs beyond what its callers account for is where a thread begins."""
    calls = {caller: {callee: cost for callee, cost in callees.items() if callee != caller}
             for caller, callees in profile.calls.items()}
    inclusive = collections.Counter({name: sum(own.values()) for name, own in profile.own.items()})
    entered = collections.Counter()
    for caller, callees in calls.items():
        inclusive[caller] += sum(callees.values())
        entered.update(callees)
    least = profile.total() / 2_000

    def grow(node, name, cost, depth, outer):
        node.cost += cost
        whole = inclusive[name]
        if depth == DEEPEST or not whole:
            return
        for callee, spent in calls.get(name, {}).items():
            part = cost * spent / whole
            if part >= least and callee not in outer:
                grow(node.children.setdefault(callee, flame_graph.Node()), callee, part, depth + 1, outer | {callee})

    for name, whole in inclusive.items():
        begun = whole - entered[name]
        if begun >= least:
            grow(root.children.setdefault(name, flame_graph.Node()), name, begun, 0, {name})
    root.cost = sum(child.cost for child in root.children.values())
