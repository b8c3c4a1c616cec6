"""The workloads: one file each, with how its input is made and what the right answer is."""

from . import access_log, key_count, word_count

ALL = [word_count.WORKLOAD, access_log.WORKLOAD, key_count.FEW, key_count.MANY]
