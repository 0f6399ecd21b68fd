"""The version of each stage's program.

Raise a stage's number when its program computes other results than before: Snakemake notices a
changed command line, but not a changed program. The results of that stage and of all stages after
it are then computed again. A new column of a table is no other result: old tables are translated
when they are read.
"""

from __future__ import annotations

VERSIONS = {
    "prepare": 2,
    "pretrain": 10,
    "plan": 1,
    "latency_table": 1,
    "search_round": 14,
    "select_winner": 3,
    "prune_round": 3,
    "select_front": 1,
    "final_train": 9,
    "evaluate": 7,
    "front_evaluate": 1,
    "measure_front": 1,
    "track": 3,
    "compare": 4,
    "report": 5,
    "sitting": 1,
    "suite": 2,
}
