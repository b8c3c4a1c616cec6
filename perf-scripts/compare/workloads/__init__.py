"""The workloads: one file each, with how its input is made and what the right answer is."""

from . import access_log, key_count, sliding_max, stateful_count, windowed_count, word_count, ysb

ALL = [
    word_count.WORKLOAD,
    access_log.WORKLOAD,
    key_count.FEW,
    key_count.MANY,
    windowed_count.WORKLOAD,
    sliding_max.WORKLOAD,
    stateful_count.WORKLOAD,
    ysb.WORKLOAD,
]
