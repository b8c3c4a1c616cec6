#!/usr/bin/env python3
"""Tests of the comparison itself: python3 perf-scripts/compare/tests.py"""

import random
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import workloads
from harness import answer, child, inputs, rounds, staircase, table
from harness.place import Missing, Place
from harness.summary import Row, ratio
from peers.peer import Peer


class Script(Peer):
    """A peer that is a line of shell."""

    programs = frozenset({"word_count"})

    def __init__(self, name: str, script: str) -> None:
        self.name = self.title = name
        self.script = script

    def command(self, place, workload, input, output):
        return ["/bin/sh", "-c", self.script, "sh", str(input), str(output)]


RIGHT = 'tr " " "\\n" <"$1" | sort | uniq -c | awk \'{ print $2 "\\t" $1 }\' >"$2/part-0"'


class Answers(unittest.TestCase):
    def test_the_order_of_lines_and_files_does_not_matter(self):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "part-0").write_bytes(b"b\t2\n")
            (Path(folder) / "part-1").write_bytes(b"a\t1\n")
            (Path(folder) / "_SUCCESS").write_bytes(b"")
            self.assertEqual(answer.of_folder(Path(folder)), answer.digest([b"a\t1", b"b\t2"]))
            self.assertNotEqual(answer.of_folder(Path(folder)), answer.digest([b"a\t1", b"b\t3"]))

    def test_all_inputs_are_the_same_twice(self):
        for workload in workloads.ALL:
            digests = []
            for _ in range(2):
                with tempfile.TemporaryDirectory() as folder:
                    path = Path(folder) / "input"
                    workload.generate(path, 100_000, random.Random(workload.name))
                    digests.append(answer.digest(workload.answer(path)))
            self.assertEqual(*digests, workload.name)


class Measuring(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.place = Place(Path(folder.name))

    def test_a_wrong_answer_and_a_failure_have_no_figures(self):
        workload = workloads.ALL[0]
        wrong = RIGHT.replace("sort |", "sort | tail -n +2 |")
        scripts = [Script("millstream", RIGHT), Script("wrong", wrong), Script("failing", "exit 3")]
        input = inputs.prepare(self.place, workload, 1)
        rows = rounds.measure(self.place, workload, input, scripts, 2, lambda text: None)
        self.assertEqual([row.verdict() for row in rows], ["not measured", "WRONG", "failed"])
        self.assertEqual([len(row.costs) for row in rows], [2, 0, 0])
        self.assertGreater(rows[0].work().median, 0)
        self.assertIsNone(rows[1].work())
        text = table.markdown([workload], scripts, rows)
        self.assertIn("WRONG", text)

    def test_what_is_not_there_is_missing(self):
        with self.assertRaises(Missing):
            self.place.need("no-such-program")
        with self.assertRaises(Missing):
            self.place.run(["/bin/sh", "-c", "exit 1"])

    def test_memory_is_that_of_the_child(self):
        mine = bytearray(300_000_000)
        cost = child.run(["/bin/true"], self.place.folder / "log", {}, 60)
        self.assertLess(cost.peak_mb, 100, len(mine))


class Figures(unittest.TestCase):
    def test_two_passes_are_a_cold_and_a_warm_one(self):
        passes = [[2.0, 1.0, 1.5, 3.0], [3.0, 0.5, 0.75, 4.0]]
        cost = child.cost({"wall_s": 3.2, "cpu_s": 4.1, "peak_mb": 9.0, "passes": passes})
        self.assertEqual(cost, child.Cost(2.0, 3.0, 0.5, 0.75, 9.0))
        self.assertEqual(child.cost({"wall_s": 3.2, "cpu_s": 4.1, "peak_mb": 9.0, "passes": []}).pass_s, 3.2)

    def test_ratios_are_of_medians(self):
        def row(*seconds: float) -> Row:
            return Row("w", "p", 1.0, tuple(child.Cost(s, s, s, s, 1.0) for s in seconds))

        self.assertEqual(ratio(row(8.0, 100.0, 10.0), row(1.0, 2.0, 3.0), Row.work), 5.0)
        self.assertIsNone(ratio(row(1.0), None, Row.work))

    def test_a_step_with_a_backlog_is_not_sustained(self):
        steps = [(10.0, "step 10 20000000 2 100 1".split()), (12.0, "step 20 40000000 2 300 2".split())]
        in_time = [(9.0, "batch 50 1 1".split()), (11.0, "batch 100 1 2".split())]
        for last, sustained in [(14.0, True), (15.0, False)]:
            batches = [*in_time, (last, "batch 300 2 4".split())]
            found = staircase._steps(steps, batches)
            self.assertEqual([step.sustained for step in found], [True, sustained])
        held_up = [(10.0, "step 10 18000000 2 100 1".split())]
        self.assertFalse(staircase._steps(held_up, in_time)[0].sustained)


if __name__ == "__main__":
    unittest.main()
