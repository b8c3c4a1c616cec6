#!/usr/bin/env python3
"""Writes access.log: invented visits of a small site, the same bytes on every run.

    python3 data/make_access_log.py > data/access.log

All addresses are from the ranges that are set aside for documentation (192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24).
Every hundredth line is malformed, each in another way.
"""

import datetime
import sys

LINES = 1_200
PAGES = ["/", "/index.html", "/mill.css", "/mill.js", "/logo.svg", "/robots.txt", "/flour", "/flour/rye", "/flour/spelt",
         "/water", "/wheel?gate=2", "/login", "/search?q=mill+stone", "/feed.xml", "/favicon.ico"]
AGENTS = ["Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
          "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
          "examplebot/1.2 (+http://example.org/bot)", "curl/8.5.0", "-"]
STATUSES = [200] * 40 + [304] * 8 + [404] * 5 + [301] * 3 + [403, 206, 500, 503]
MALFORMED = [
    "",
    " - - [24/Feb/2026:06:00:00 +0000] \"GET / HTTP/1.1\" 200 17",
    "192.0.2.1",
    "198.51.100.77 - - [24/Feb/2026:06:00:00 +0000",
    "203.0.113.5 - - [24/Feb/2026:06:00:00 +0000] \"GET /flour",
    "203.0.113.5 - - [24/Feb/2026:06:00:00 +0000] \"GET / HTTP/1.1\" OK 17",
    "192.0.2.9 - - [24/Feb/2026:06:00:00 +0000] \"GET / HTTP/1.1\" 200",
    "192.0.2.9 - - [24/Feb/2026:06:00:00 +0000] \"GET / HTTP/1.1\" 200 many",
    "[error] worker 7 exited on signal 11",
    "192.0.2.9 - - 24/Feb/2026:06:00:00 \"GET / HTTP/1.1\" 200 17",
    "192.0.2.9 - - [24/Feb/2026:06:00:00 +0000] GET / 200 17",
]


def random_numbers(state):
    """Knuth's linear congruential generator: the upper bits of each state."""
    while True:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        yield state >> 33


def main():
    draw = random_numbers(1851)
    pick = lambda choices: choices[next(draw) % len(choices)]
    time = datetime.datetime(2026, 2, 24, 6, 0, 0)
    for number in range(1, LINES):
        time += datetime.timedelta(seconds=next(draw) % 5)
        if number % 100 == 0:
            print(MALFORMED[number // 100 - 1])
            continue
        net = pick(["192.0.2", "192.0.2", "198.51.100", "203.0.113"])
        host = min(next(draw) % 40, next(draw) % 40, next(draw) % 40) + 1
        user = "miller" if next(draw) % 50 == 0 else "-"
        method = "POST" if next(draw) % 20 == 0 else "GET"
        status = pick(STATUSES)
        size = "-" if status == 304 else next(draw) % 50_000 + 200
        referer = pick(["-", "-", "http://www.example.com/", "http://www.example.com/flour"])
        print(f'{net}.{host} - {user} [{time:%d/%b/%Y:%H:%M:%S} +0000] "{method} {pick(PAGES)} HTTP/1.1" '
              f'{status} {size} "{referer}" "{pick(AGENTS)}"')


if __name__ == "__main__":
    sys.stdout.reconfigure(newline="\n")
    main()
