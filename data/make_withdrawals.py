#!/usr/bin/env python3
"""Writes withdrawals.csv: invented withdrawals from cash machines, the same bytes on every run.

    python3 data/make_withdrawals.py > data/withdrawals.csv

Lines are card,atm,amount,time. The 25 lines of a block are in no order, the blocks are. Every third time is in seconds since
1970, the others are in UTC. Every fiftieth line is malformed, each in another way.
"""

import datetime
import sys

LINES = 500
BLOCK = 25
BEGIN = datetime.datetime(2026, 3, 2, 8, 0, 0, tzinfo=datetime.timezone.utc)
AMOUNTS = ["20", "50", "100.00", "200", "60.5"]
MALFORMED = ["", "card,atm,amount,time", "c-01,m-1,20", "c-01,m-1,20,2026-03-02T08:00:00,x", "c-01,,20,2026-03-02T09:00:00",
             "c-01,m-1,twenty,2026-03-02T09:00:00", "c-01,m-1,20,2026-02-29T09:00:00", "c-01,m-1,20,2026-03-02 09:00:00",
             "c-01,m-1,20.505,2026-03-02T09:00:00", "c-01,m-1,20,-5"]


def random_numbers(state):
    """Knuth's linear congruential generator: the upper bits of each state."""
    while True:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        yield state >> 33


def main():
    draw = random_numbers(1967)
    pick = lambda choices: choices[next(draw) % len(choices)]
    time, lines = BEGIN, []
    for number in range(1, LINES + 1):
        time += datetime.timedelta(seconds=next(draw) % 40)
        if number % 50 == 0:
            lines.append(MALFORMED[number // 50 - 1])
            continue
        # A few cards are used far more often than the others, each at a machine of its own.
        card = min(next(draw) % 60, next(draw) % 60) + 1
        atm = card % 5 + 1 if card <= 3 else next(draw) % 5 + 1
        stamp = str(int(time.timestamp())) if number % 3 == 0 else f"{time:%Y-%m-%dT%H:%M:%S}"
        lines.append(f"c-{card:02},m-{atm},{pick(AMOUNTS)},{stamp}")
    for begin in range(0, LINES, BLOCK):
        block = lines[begin:begin + BLOCK]
        while block:
            print(block.pop(next(draw) % len(block)))


if __name__ == "__main__":
    sys.stdout.reconfigure(newline="\n")
    main()
