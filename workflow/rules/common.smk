"""The configuration, the names of the results, and the functions that the rules share."""

import contextlib
import itertools
import json
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# The package beside the workflow, installed or not.
ROOT = os.path.abspath(f"{workflow.current_basedir}/../..")
sys.path.insert(0, ROOT)

from nasflow.config.compare import algorithm_of
from nasflow.config import files as config_file
from nasflow.search import budget as policy
from nasflow.config.compare import FILES as COMPARISON
from nasflow.config.compare import names as ablations
from nasflow.config.files import CHECKPOINT
from nasflow.config.kinds import BASELINES
from nasflow.config.reading import ConfigError
from nasflow.config.section import plain
from nasflow.data.listing import listing
from nasflow.printable import printable
from nasflow.storage.lock import Held, take

# A stage's number goes up when its program gives other results than before: shell rules do not
# see a changed program. Results of that stage and of all after it are then made anew.
VERSIONS = {
    "prepare": 2,
    "pretrain": 5,
    "plan": 1,
    "search_round": 8,
    "select_winner": 3,
    "final_train": 6,
    "evaluate": 5,
    "track": 2,
    "compare": 3,
    "report": 2,
}


def experiment(files):
    """The validated configuration; one line a problem and exit code 2 otherwise."""
    try:
        return config_file.experiment([file for file in map(Path, files) if file.is_file()], config)
    except ConfigError as error:
        lines = (f"nasflow: {printable(line)}" for line in str(error).split("\n"))
        print(*lines, sep="\n", file=sys.stderr)
        sys.exit(2)


EXPERIMENT = experiment(workflow.configfiles)
RESULTS = f"results/{EXPERIMENT.experiment}"
SEARCH = f"{RESULTS}/{{algorithm}}/seed_{{seed}}"
SEARCHES = expand(SEARCH, algorithm=EXPERIMENT.algorithms, seed=EXPERIMENT.seeds)
NAMES = [*EXPERIMENT.algorithms, *ablations(EXPERIMENT.compare)]
COMPARED = expand(SEARCH, algorithm=NAMES, seed=EXPERIMENT.seeds)
PLAN = f"{SEARCH}/search/plan.json"
START = multiext(EXPERIMENT.base.network, *CHECKPOINT) if EXPERIMENT.base.network else []
GPU = int(EXPERIMENT.device.startswith("cuda"))


wildcard_constraints:
    algorithm="|".join(NAMES),
    seed="0|[1-9][0-9]{0,18}",
    round="[1-9][0-9]{0,8}",


# "$python" is the interpreter that runs Snakemake, also where its environment is not activated, and
# it finds the package above. Both stay out of params: a moved environment changes no result.
# OMP_NUM_THREADS: networks compute on one thread each, and Snakemake's 0 for mirrors is refused.
PYTHON = "python" if workflow.deployment_settings.deployment_method else sys.executable
shell.prefix(
    "set -euo pipefail; export OMP_NUM_THREADS=1 PYTHONPATH=${{PYTHONPATH:+$PYTHONPATH:}}{ROOT:q}; python={PYTHON:q}; "
)


def text(value):
    """A parameter as canonical JSON; a function, since Snakemake reads braces as wildcards."""
    return lambda wildcards: json.dumps(value, sort_keys=True)


def section(name):
    return text(plain(getattr(EXPERIMENT, name)))


def pictures(wildcards):
    """What stands on disk to be prepared; once it is gone, what was prepared is kept."""
    found = listing(EXPERIMENT.data)
    if found is None and Path(f"{RESULTS}/data/data.json").exists():
        return json.loads(Path(f"{RESULTS}/data/data.json").read_text()).get("listing")
    return found


def sections(*names):
    return text({name: plain(getattr(EXPERIMENT, name)) for name in names})


def described():
    """All that a page about the experiment tells: not where it runs, which changes no result."""
    skipped = ("device", "threads", "tracking")
    whole = plain(EXPERIMENT)
    return text({name: value for name, value in whole.items() if name not in skipped})


def search_sections(wildcards):
    """What a round is a function of; an ablation replaces some of it."""
    own = EXPERIMENT.variant(wildcards.algorithm)
    names = ["search", "augment"]
    if algorithm_of(wildcards.algorithm) in BASELINES:
        names.append("baselines")
    return json.dumps({name: plain(getattr(own, name)) for name in names}, sort_keys=True)


def stem(files):
    """The common name of a checkpoint's files, as the program takes it."""
    return files[0].removesuffix(CHECKPOINT[0])


def tracking_uri(wildcards):
    return EXPERIMENT.tracking.uri


def parent(wildcards):
    """What round r starts from: the winner of round r - 1, or the pretrained network."""
    before = int(wildcards.round) - 1
    name = f"search/round_{before}/winner" if before else "pretrain/network"
    return expand(f"{SEARCH}/{name}{{end}}", **wildcards, end=CHECKPOINT)


def parent_status(wildcards):
    return str(Path(parent(wildcards)[0]).with_name("status.json"))


def rounds(wildcards):
    """status.json of the rounds up to the one that ends the search, or up to the next one to run.

    Read from the disk, not by `checkpoints.search_round.get`: Snakemake then skips its checks while
    a round is missing ("Nothing to be done" after a stop under a raised budget), and builds the
    graph once a round (a call at 100 rounds: 9 s). A round that has finished makes Snakemake call
    this again, so files of an earlier search may stand here until their round is made anew.
    """
    files = []
    if not policy.rounds_wanted(wildcards.algorithm, EXPERIMENT.budget):
        return files
    for number in itertools.count(1):
        files += expand(f"{SEARCH}/search/round_{number}/status.json", **wildcards)
        last = Path(files[-1])
        if not last.exists():
            return files
        try:
            totals = json.loads(last.read_text())["totals"]
        except (ValueError, LookupError) as error:
            raise WorkflowError(f"{last} is damaged; delete it to run this round again") from error
        if policy.finished(EXPERIMENT.budget, totals):
            return files


def last_winner(wildcards):
    """The winner of the last round, or the pretrained network where no round is wanted."""
    files = rounds(wildcards)
    if not files:
        return expand(f"{SEARCH}/pretrain/network{{end}}", **wildcards, end=CHECKPOINT)
    folder = Path(files[-1]).parent
    return [str(folder / f"winner{end}") for end in CHECKPOINT]


def tracked(wildcards):
    """The mirrors of the rounds that are done, and the rounds, which bring the next call of this."""
    files = rounds(wildcards)
    done = sum(Path(file).exists() for file in files)
    mirrors = [f"{SEARCH}/tracking/round_{number}.json" for number in range(1, done + 1)]
    if not files:
        mirrors = [f"{SEARCH}/tracking/pretrain.json"]
    return expand(mirrors, **wildcards) + files


def tracked_before(wildcards):
    before = int(wildcards.round) - 1
    name = f"round_{before}" if before else "pretrain"
    return expand(f"{SEARCH}/tracking/{name}.json", **wildcards)


def wake_when_jobs_end():
    """No limit on starts a second, unless a lower one than Snakemake's default is asked for.

    Under a limit the scheduler of 9.27 also wakes a second after each time it woke while jobs wait,
    once more for every job that ended: 15 % of a core after 140 jobs, taken from searches that
    compete by the clock."""
    limit = getattr(workflow.scheduling_settings, "max_jobs_per_timespan", None)
    if limit and limit.max_jobs >= 100 * limit.timespan:
        workflow.scheduler.job_rate_limiter = None
