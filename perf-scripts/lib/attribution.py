"""Brings the instructions of a callgrind profile to the hops of a record.

What stands in a file of one hop belongs to it. What is shared or foreign belongs to the callers, in proportion to what each
of them spends in it, as `gprof` does; that is worked out in rounds, from callers to callees.
"""

import collections

from . import hops

ROUNDS = 40


def by_hop(profile):
    """Instructions of each hop, and of each (hop, file of ours)."""
    shares = _shares(profile)
    totals, files = collections.Counter(), collections.Counter()
    for function, own in profile.own.items():
        for file, cost in own.items():
            path = hops.own_path(file or "")
            hop = hops.of_function(function) or (hops.of_file(path) if path else None)
            belongs = {hop: 1.0} if hop else shares.get(function) or {_last_resort(profile, function, path): 1.0}
            for hop, share in belongs.items():
                totals[hop] += cost * share
                files[hop, path or "libraries and system"] += cost * share
    return totals, files


def _home(profile, function):
    """The hop of a function that belongs to one by itself."""
    named = hops.of_function(function)
    if named:
        return named
    path = hops.own_path(profile.home.get(function) or "") or hops.path_of_function(function)
    return hops.of_file(path) if path else None


def _last_resort(profile, function, path):
    path = path or hops.own_path(profile.home.get(function) or "") or hops.path_of_function(function)
    return hops.fallback(path) if path else "other"


def _shares(profile):
    """For every function how it divides among hops."""
    callers = collections.defaultdict(dict)
    functions = set(profile.own) | set(profile.calls)
    for caller, callees in profile.calls.items():
        for callee, cost in callees.items():
            functions.add(callee)
            if callee != caller and cost:
                callers[callee][caller] = cost
    shares = {function: {hop: 1.0} for function in functions if (hop := _home(profile, function))}
    open_ones = [function for function in functions if function not in shares]
    for _ in range(ROUNDS):
        for function in open_ones:
            known = collections.Counter()
            for caller, cost in callers[function].items():
                for hop, share in shares.get(caller, {}).items():
                    known[hop] += cost * share
            whole = sum(known.values())
            if whole:
                shares[function] = {hop: cost / whole for hop, cost in known.items()}
    return shares
