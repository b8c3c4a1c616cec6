#!/usr/bin/env python3
"""Writes sales.csv: invented sales of a shop, the same bytes on every run.

    python3 data/make_sales.py > data/sales.csv

Lines are category,brand,amount. Every twentieth is something given back. Every fiftieth line is malformed, each in another way.
"""

import sys

LINES = 400
BRANDS = {"flour": ["Rye & Sons", "Wheatley", "Oatfield", "Speltz", "Barleymow"],
          "bread": ["Crust", "Crumb", "Batch", "Bâtard"],
          "tools": ["Sieve", "Stone"],
          "cake": ["Victoria", "Battenberg", "Dundee", "Madeira", "Parkin", "Simnel"]}
MALFORMED = ["", "category,brand,amount", "flour,Wheatley", "flour,Wheatley,1.00,x", ",Wheatley,1.00", "flour,Wheatley,1.005",
             "flour,Wheatley,one", "flour,Wheatley,1e3"]


def random_numbers(state):
    """Knuth's linear congruential generator: the upper bits of each state."""
    while True:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        yield state >> 33


def main():
    draw = random_numbers(1879)
    for number in range(1, LINES + 1):
        if number % 50 == 0:
            print(MALFORMED[number // 50 - 1])
            continue
        category = list(BRANDS)[next(draw) % len(BRANDS)]
        brands = BRANDS[category]
        brand = brands[min(next(draw), next(draw)) % len(brands)]
        cents = next(draw) % 2_000 + 50
        sign = "-" if number % 20 == 7 else ""
        amount = f"{cents // 100}" if number % 9 == 0 else f"{cents // 100}.{cents % 100:02}"
        print(f"{category},{brand},{sign}{amount}")


if __name__ == "__main__":
    sys.stdout.reconfigure(newline="\n")
    main()
