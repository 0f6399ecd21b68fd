"""Everything that the rules share: the configuration, the names of results, and functions.

Each rule has a `message`, which begins with its name, since Snakemake shows a message instead of
the name. Each rule that runs a program also has a `benchmark`, a table in which Snakemake writes the
seconds and the peak memory of a job (of the last attempt, where a job was repeated). Neither is
part of a result, and neither makes anything run again. Measuring takes 16 ms of a core per sample
of a stage with 0.9 GB, two samples per second during the first 15 s of a job, and one sample per
30 s after that.
"""

import itertools
import json
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# The folder of the clone: the package nasflow lies in it, whether it is installed or not.
ROOT = os.path.abspath(f"{workflow.current_basedir}/../..")
# Only the package is taken from there: ROOT leaves the path again, so that no other file in it, such
# as a `queue.py` of the user's, can take the place of a module of Python.
sys.path.insert(0, ROOT)
import nasflow

# Snakemake has put the folders of its Snakefiles there, too; that of the clone's is ROOT. Processes
# that Snakemake starts (`python -m snakemake` of a cluster job) get no current folder either.
sys.path[:] = [place for place in sys.path if place not in (ROOT, f"{ROOT}/workflow")]
os.environ.update(PYTHONSAFEPATH="1")

from nasflow.config import files as config_file
from nasflow.config.compare import FILES as COMPARISON
from nasflow.config.compare import algorithm_of
from nasflow.config.compare import names as ablations
from nasflow.config.data import of_images, of_losses
from nasflow.config.experiment import LENGTHS
from nasflow.config.files import CHECKPOINT
from nasflow.config.kinds import BASELINES
from nasflow.config.newer import told, told_of_training
from nasflow.config.reading import ConfigError
from nasflow.config.search import of_board
from nasflow.config.section import plain
from nasflow.config.suite import FILES as SUITE
from nasflow.config.suite import experiment_name
from nasflow.config.versions import VERSIONS
from nasflow.data.listing import listing
from nasflow.data.prepared import problems
from nasflow.printable import printable
from nasflow.records.closing import closing
from nasflow.records.page_file import STAND_IN, outcome
from nasflow.search.budget import finished, rounds_wanted
from nasflow.storage.lock import Held, take
from nasflow.storage.own_files import obstacle
from nasflow.tracking.advice import advice


def experiment(files):
    """Read and validate the configuration; on errors print one line for each and exit with 2.

    What the images that are prepared do not allow is an error, too.
    """
    files = [file for file in map(Path, files) if file.is_file()]
    try:
        found = config_file.experiment(files, config, workflow.config_settings.config)
        if lines := problems(found, Path(f"results/{found.experiment}/data")):
            raise ConfigError("\n".join(f"{', '.join(map(str, files))}: {line}" for line in lines))
        return found
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
LATENCIES = f"{RESULTS}/latency/table.json"
PLAN = f"{SEARCH}/search/plan.json"
ALL_PRUNED = expand(
    f"{SEARCH}/prune/round_{{round}}/status.json",
    algorithm=EXPERIMENT.algorithms,
    seed=EXPERIMENT.seeds,
    round=range(1, EXPERIMENT.prune.rounds + 1),
)
PAGE = f"{RESULTS}/report.html"
START = multiext(EXPERIMENT.base.network, *CHECKPOINT) if EXPERIMENT.base.network else []
SETS = EXPERIMENT.suite.sets
GPU = int(EXPERIMENT.device.startswith("cuda"))

if blocked := obstacle(map(Path, (f"{RESULTS}/data", *SEARCHES))):
    print(f"nasflow: {printable(blocked)}", file=sys.stderr)
    sys.exit(2)


wildcard_constraints:
    algorithm="|".join(NAMES),
    seed="0|[1-9][0-9]{0,18}",
    round="[1-9][0-9]{0,8}",
    number="[1-9][0-9]?",


# "$python" is the interpreter that runs Snakemake, even where its environment is not activated;
# PYTHONPATH lets it find the package in ROOT, through a folder that holds nothing but a link to it.
# PYTHONSAFEPATH (the option -P of Python) keeps `python -m` from importing what lies in the current
# folder; it is an environment variable, because a changed shell command would run old stages again.
# NASFLOW_KEY is a new random text for each job: the key of its ranks where they are on several nodes
# (nasflow.stages.machines). None of these is a parameter of a rule, because an environment that was
# moved changes no result. NASFLOW_DETERMINISTIC is the key `deterministic`: as an option in a shell
# command it would run old stages again. OMP_NUM_THREADS is 1 because every network computes on one thread;
# Snakemake would set it to 0 for the mirrors (`threads: 0`), which OpenMP refuses.
PYTHON = "python" if workflow.deployment_settings.deployment_method else sys.executable
PACKAGE = f"{ROOT}/workflow/package"
shell.prefix(
    "set -euo pipefail; export OMP_NUM_THREADS=1 PYTHONSAFEPATH=1"
    " PYTHONPATH=${{PYTHONPATH:+$PYTHONPATH:}}{PACKAGE:q}"
    f" NASFLOW_DETERMINISTIC={int(EXPERIMENT.deterministic)}"
    " NASFLOW_KEY=${{NASFLOW_KEY:-$(od -An -tx1 -N16 /dev/urandom | tr -d ' \\n')}};"
    " python={PYTHON:q}; "
)


def text(value):
    """A parameter as canonical JSON.

    It is returned as a function, because Snakemake would read the braces of a string as wildcards.
    """
    return lambda wildcards: json.dumps(value, sort_keys=True)


def section(name):
    """One section of the configuration, as a parameter."""
    return text(told(getattr(EXPERIMENT, name)))


def pictures(wildcards):
    """The digest of the names and sizes of the image files on disk.

    Where the files were deleted after `prepare` had run, it is the digest that `prepare` recorded,
    so that the prepared data are kept. Where `prepare` would refuse the files, such as a link that
    leads nowhere, Snakemake ends here with the same line, before it deletes any result.
    """
    try:
        found = listing(EXPERIMENT.data)
    except ValueError as error:
        print(f"nasflow: {printable(str(error))}", file=sys.stderr)
        sys.exit(2)
    if found is None and Path(f"{RESULTS}/data/data.json").exists():
        return json.loads(Path(f"{RESULTS}/data/data.json").read_text()).get("listing")
    return found


def images_section():
    """The section `data` without the keys that change no prepared image, as a parameter."""
    return text(of_images(EXPERIMENT.data))


def sections(*names):
    """Several sections of the configuration, and class weights where there are any."""
    found = {name: told(getattr(EXPERIMENT, name)) for name in names}
    return text(found | of_losses(EXPERIMENT.data))


def described():
    """The configuration that a page about the experiment shows.

    The keys that say where and how it runs are left out, because they change no result.
    """
    skipped = ("device", "deterministic", "threads", "rounds_per_job", "suite", "tracking")
    whole = told(EXPERIMENT)
    return text({name: value for name, value in whole.items() if name not in skipped})


def search_sections(wildcards):
    """The sections that decide a round; an ablation replaces some of their keys."""
    own = EXPERIMENT.variant(wildcards.algorithm)
    names = ["search", "augment", "base"]
    if algorithm_of(wildcards.algorithm) in BASELINES:
        names.append("baselines")
    found = {name: told(getattr(own, name)) for name in names}
    return json.dumps(found | of_losses(EXPERIMENT.data), sort_keys=True)


def tested_sections(wildcards):
    """The sections of the evaluation, with the bounds of a board where there are any."""
    own = EXPERIMENT.variant(wildcards.algorithm)
    found = {"augment": plain(own.augment)} | of_losses(EXPERIMENT.data)
    return json.dumps(found | of_board(own.search.constraints), sort_keys=True)


def stem(files):
    """The name that a checkpoint's files have in common; the program takes this name."""
    return files[0].removesuffix(CHECKPOINT[0])


def tracking_uri(wildcards):
    """The address of MLflow; a function, because an address may contain braces."""
    return EXPERIMENT.tracking.uri


def parent(wildcards):
    """The network that round r starts from: the winner of round r - 1, or the pretrained one."""
    before = int(wildcards.round) - 1
    name = f"search/round_{before}/winner" if before else "pretrain/network"
    return expand(f"{SEARCH}/{name}{{end}}", **wildcards, end=CHECKPOINT)


def parent_status(wildcards):
    """The status.json of the stage that `parent` names."""
    return str(Path(parent(wildcards)[0]).with_name("status.json"))


def given_table(wildcards):
    """The option for a table of another machine; a function, because its name may hold braces."""
    file = EXPERIMENT.search.constraints.latency_table
    return ["--table", file] if file else []


def latencies(wildcards):
    """The table of latencies, where the rounds of a search need one."""
    return [LATENCIES] if EXPERIMENT.variant(wildcards.algorithm).search.timed else []


def rounds(wildcards):
    """The status.json of each round, up to the last round of the search or the next one to run.

    The files are read from the disk, and not found by `checkpoints.search_round.get`. With that
    call Snakemake skips its checks while a round is missing (it says "Nothing to be done" where a
    search was stopped and its budget raised), and it builds the graph again for each round (9 s for
    one call at 100 rounds). When a round has finished, Snakemake calls this function again, because
    the rule is a checkpoint. So a file of an earlier search may be listed here until its round is
    computed again.
    """
    files = []
    if not rounds_wanted(wildcards.algorithm, EXPERIMENT.budget):
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
        if finished(EXPERIMENT.budget, totals):
            return files


def last_winner(wildcards):
    """The winner of the last round, or the pretrained network where no round is wanted."""
    files = rounds(wildcards)
    if not files:
        return expand(f"{SEARCH}/pretrain/network{{end}}", **wildcards, end=CHECKPOINT)
    folder = Path(files[-1]).parent
    return [str(folder / f"winner{end}") for end in CHECKPOINT]


def tracked(wildcards):
    """The mirrors of the finished rounds, and the rounds themselves.

    The rounds are listed so that Snakemake calls this function again after each of them.
    """
    files = rounds(wildcards)
    done = sum(Path(file).exists() for file in files)
    mirrors = [f"{SEARCH}/tracking/round_{number}.json" for number in range(1, done + 1)]
    if not files:
        mirrors = [f"{SEARCH}/tracking/pretrain.json"]
    return expand(mirrors, **wildcards) + files


def tracked_before(wildcards):
    """The mirror that must be finished before the mirror of a round may start."""
    before = int(wildcards.round) - 1
    name = f"round_{before}" if before else "pretrain"
    return expand(f"{SEARCH}/tracking/{name}.json", **wildcards)


def finished_page(wildcards):
    """The page of the experiment, for the mirror of the last search in the configuration.

    The page shows all searches, so it is finished after all of them. One mirror waits for it and
    copies it to the runs of all searches; the mirrors of the others do not wait.
    """
    last = expand(SEARCH, **wildcards) == SEARCHES[-1:]
    return PAGE if last else []
