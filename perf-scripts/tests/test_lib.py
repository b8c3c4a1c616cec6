"""Tests of what the measuring scripts share: (cd perf-scripts && python3 -m unittest tests.test_lib)."""

import collections
import json
import pathlib
import tempfile
import unittest

from lib import attribution, callgrind, flame_graph, hops, numbers, rate_search, scale, stability, stats_file, svg, table
from lib.errors import Failure
from lib.jobs import Job, Settings
from lib.programs import Program


def batch(lag, processing=1, failed=0):
    return stats_file.Batch(0, 10, 100, 0, processing, lag, lag, failed)


class Stability(unittest.TestCase):
    def judge(self, lags, interval=10, sent=True, behind=()):
        return stability.judge([batch(lag) for lag in lags], interval, sent, list(behind))

    def test_a_steady_lag_is_stable(self):
        verdict = self.judge([3, 4, 2, 5] * 10)
        self.assertTrue(verdict.stable, verdict)
        self.assertEqual((verdict.lag_p50, verdict.lag_max), (3.5, 5))

    def test_every_sign_of_trouble_is_seen(self):
        self.assertIn("grows", self.judge([0] * 20 + [18] * 20).reason)
        self.assertIn("lags by more", self.judge([30] * 40).reason)
        self.assertIn("does not read", self.judge([1] * 40, behind=[0, 0, 900, 900]).reason)
        slow = stability.judge([batch(1)] * 40, 10, True, [900] * 4, blocked=False)
        self.assertIn("load generator itself", slow.reason)
        self.assertIn("not counted", self.judge([1] * 40, sent=False).reason)
        self.assertIn("no batch", self.judge([]).reason)
        failed = stability.judge([batch(1, failed=1)], 10, True, [])
        self.assertIn("failed", failed.reason)

    def test_one_late_batch_is_no_trouble(self):
        self.assertTrue(self.judge([1] * 30 + [500] + [1] * 30).stable)


class RateSearch(unittest.TestCase):
    def test_the_limit_is_found(self):
        for limit in (90, 1_000, 123_456, 3e6):
            found = rate_search.highest_stable(lambda rate, limit=limit: rate <= limit, 20_000)
            self.assertLessEqual(found, limit)
            self.assertGreater(found, limit / 1.1)

    def test_a_single_failure_is_tried_again(self):
        tries = collections.Counter()

        def flaky(rate):
            tries[rate] += 1
            return rate <= 50_000 and (rate != 20_000 or tries[rate] > 1)

        self.assertGreater(rate_search.highest_stable(flaky, 20_000), 45_000)

    def test_nothing_is_sustainable(self):
        self.assertEqual(rate_search.highest_stable(lambda rate: False, 1_000), 0)
        self.assertEqual(rate_search.confirmed(lambda rate: False, 1_000), 0)
        self.assertAlmostEqual(rate_search.confirmed(lambda rate: rate < 850, 1_000), 810)


class StatsFile(unittest.TestCase):
    def test_a_growing_file_is_read_line_by_line(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "batches.jsonl"
            stats = stats_file.StatsFile(path)
            self.assertEqual(stats.read(), [])
            line = json.dumps(vars(batch(3)))
            path.write_text('{"settings":{"batch_interval":"1s"}}\n' + line + "\n" + line[:20])
            self.assertEqual(len(stats.read()), 1)
            with open(path, "a", encoding="utf-8") as file:
                file.write(line[20:] + "\n")
            self.assertEqual(len(stats.read()), 2)
            self.assertEqual((stats.settings["batch_interval"], stats.records()), ("1s", 20))

    def test_values_are_compared_by_what_they_mean(self):
        self.assertEqual([stats_file.value(text) for text in ("10ms", "2s", "256KiB", "local[2]")],
                         [10, 2_000, 256 << 10, "local[2]"])


class Jobs(unittest.TestCase):
    def test_placeholders_are_filled(self):
        command = Job("prog listen://{listen} -i {interval} -n {threads}").command(Settings(50, 3), "127.0.0.1:99")
        self.assertEqual(command, ["prog", "listen://127.0.0.1:99", "-i", "50ms", "-n", "3"])
        command = Job(["prog", "{connect_host}", "{connect_port}"]).command(Settings(50, 3), "127.0.0.1:99")
        self.assertEqual(command, ["prog", "127.0.0.1", "99"])
        for wrong in ("prog", "prog {listen} {connect}"):
            self.assertRaises(Failure, Job, wrong)

    def test_a_block_is_no_longer_than_its_batch(self):
        self.assertEqual(Settings(50, 2, block_ms=200).variables("f")["MILLSTREAM_RECEIVER_BLOCK_INTERVAL"], "50ms")

    def test_settings_that_the_program_ignores_are_told(self):
        in_force = {"batch_interval": "1s", "master": "local[2]"}
        Settings(1_000, 2).check(in_force)
        with self.assertRaisesRegex(Failure, "batch_interval = 1s"):
            Settings(10, 2).check(in_force)


class Programs(unittest.TestCase):
    def test_what_a_program_says_is_kept_and_its_end_is_told(self):
        script = "echo noise; echo '{\"listening\": 7}'; exit 3"
        with Program("the program", ["sh", "-c", script]) as program:
            self.assertEqual(program.await_object("listening", 10)["listening"], 7)
            with self.assertRaisesRegex(Failure, "(?s)code 3.*noise"):
                program.await_object("more", 10)

    def test_a_program_that_is_not_there_is_told(self):
        self.assertRaises(Failure, Program, "the program", ["/nowhere/program"])


CALLGRIND = """\
events: Ir
fl=(1) engine/src/shuffle/wide.rs
fn=(1) millstream_engine::shuffle::wide::collect_partition
1 100
fi=(2) /rustc/abc/library/core/src/slice.rs
+3 50
fe=(1)
cfi=(3) ./string/memcpy.S
cfn=(3) memcpy
calls=4 1
* 30
fl=(4) engine/src/state/part.rs
fn=(4) millstream_engine::state::part::Part::put
1 10
cfn=(3)
calls=1 1
2 10
fl=(3)
fn=(3)
5 40
fl=(5) operators/src/map.rs
fn=(5) millstream_operators::map::Map::compute
7 5
cfn=(1)
calls=1 1
8 180
"""


class Callgrind(unittest.TestCase):
    def profile(self):
        with tempfile.NamedTemporaryFile("w", suffix=".out") as file:
            file.write(CALLGRIND)
            file.flush()
            return callgrind.read(file.name)

    def test_costs_are_read_with_their_files_and_callers(self):
        profile = self.profile()
        own = profile.own["millstream_engine::shuffle::wide::collect_partition"]
        self.assertEqual(own, {"engine/src/shuffle/wide.rs": 100, "/rustc/abc/library/core/src/slice.rs": 50})
        self.assertEqual(profile.calls["millstream_engine::state::part::Part::put"], {"memcpy": 10})
        self.assertEqual(profile.total(), 205)

    def test_shared_and_foreign_code_belongs_to_its_callers(self):
        totals, _ = attribution.by_hop(self.profile())
        # The copying is divided 30 to 10, and the shuffle is called by an operator.
        self.assertAlmostEqual(totals["map side"], 100 + 50 + 5 + 30)
        self.assertAlmostEqual(totals["state"], 10 + 10)
        self.assertAlmostEqual(sum(totals.values()), 205)


class Hops(unittest.TestCase):
    def test_code_has_its_hop(self):
        of = lambda name: hops.of_stack([name])
        self.assertEqual(of("millstream_io::socket::server::SocketServer::poll"), "receive")
        self.assertEqual(of("<millstream_engine::context::scheduler::Scheduler>::run_jobs"), "batches")
        self.assertEqual(of("<millstream_engine::shuffle::combine::Combine<K> as S>::merge_share"), "merge")
        stack = ["core::str::from_utf8", "<R as millstream_engine::rdd::boxed::DynRdd>::compute_in_runs",
                 "millstream_engine::shuffle::wide::collect_partition", "millstream_engine::context::scheduler::run"]
        self.assertEqual(hops.of_stack(stack), "map side")
        self.assertEqual(of("memcpy"), "other")
        self.assertEqual(hops.of_stack(["memcpy", "millstream_engine::window::live::Live::enter"]), "window")
        self.assertEqual(hops.own_path("/src/engine/src/text/text.rs"), "engine/src/text/text.rs")
        self.assertIsNone(hops.own_path("/rustc/x/library/core/src/ptr/mod.rs"))

    def test_every_hop_has_a_colour_and_a_meaning(self):
        self.assertEqual(set(hops.HOPS), set(hops.COLOURS))
        self.assertEqual(set(hops.HOPS), set(hops.MEANING))


class Drawing(unittest.TestCase):
    def test_axes_hold_their_values(self):
        axis = scale.Linear([0, 7.3])
        self.assertGreaterEqual(axis.high, 7.3)
        self.assertEqual(axis.place(0), 0)
        log = scale.Log([0.4, 250])
        self.assertTrue(0 <= log.place(0.4) < log.place(250) <= 1)
        self.assertEqual([scale.number(value) for value in (0.5, 1_500, 2e6)], ["0.5", "1.5k", "2M"])
        self.assertEqual(scale.Linear([5, 5, 5]).low, 0)

    def test_words_cannot_break_a_drawing(self):
        self.assertIn("a &lt;b&gt;", svg.text(0, 0, "a <b>"))

    def test_a_stack_is_as_wide_as_its_cost(self):
        root = flame_graph.Node()
        root.add(["a", "b"], 3)
        root.add(["a"], 1)
        self.assertEqual((root.cost, root.children["a"].cost, root.children["a"].children["b"].cost), (4, 4, 3))
        self.assertEqual(flame_graph.short("<a::B<c::D> as e::F>::g"), "a::B as e::F::g")

    def test_times_are_written_as_people_read_them(self):
        self.assertEqual([table.time_us(us) for us in (7, 1_234, 250_000, 3e6)], ["7 µs", "1.23 ms", "250 ms", "3.00 s"])


class Numbers(unittest.TestCase):
    def test_quantiles(self):
        self.assertEqual(numbers.quantile(range(100), 0.99), 99)
        self.assertEqual((numbers.median([3, 1, 2]), numbers.median([1, 2]), numbers.median([])), (2, 1.5, None))
        self.assertAlmostEqual(numbers.spread([9, 10, 11]), 0.1)


if __name__ == "__main__":
    unittest.main()
