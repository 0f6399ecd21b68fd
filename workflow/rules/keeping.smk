"""Finished work is kept: what a failed job leaves alone, and what is made again.

Snakemake deletes the files of a stage before its job starts. When the job fails, Snakemake writes
the new parameters into its notes. So a refused picture or a typo would cost a finished search.
The flag `update` of an output keeps the file, but not the notes: after a failure, Snakemake 9.27
takes the old file for one of the new parameters, and its copy has a new time. So two methods of
Snakemake's jobs are replaced here, for the rules of this workflow only. A stage writes its files
beside the old ones and replaces them when they are complete (`nasflow.storage.made.beside`).
"""

from snakemake.jobs import Job

from nasflow.config.kinds import FIXED
from nasflow.data.prepared import WHOLE
from nasflow.storage.made import KEEP, differs, made

MAIN = workflow.is_main_process
_remove_existing_output, _postprocess = Job.remove_existing_output, Job.postprocess


def _is_own(job):
    """Return True for a job of this workflow, and False for one of a workflow that includes it."""
    return os.path.dirname(os.path.abspath(str(job.rule.snakefile))) == f"{ROOT}/workflow/rules"


async def _keep_existing_output(self):
    """Delete the logs only, before a job runs."""
    if not _is_own(self):
        await _remove_existing_output(self)
        return
    for file in self.log:
        await file.remove(remove_non_empty_dir=False)


async def _after_job(self, *arguments, error=False, **options):
    """After a failed job, leave its files and Snakemake's notes about them as they were before."""
    if not error or not _is_own(self):
        await _postprocess(self, *arguments, error=error, **options)
        return
    notes = self.dag.workflow.persistence
    for file in self.output:
        notes._unmark_incomplete(notes._get_key(file))


Job.remove_existing_output, Job.postprocess = _keep_existing_output, _after_job

BEGUN = []  # not empty as soon as jobs may run
if MAIN:
    os.environ[WHOLE] = json.dumps(plain(EXPERIMENT))


def keep_what_is_there():
    """Let a stage end at once where Snakemake starts it although nothing has changed for it.

    The stages inherit the variable, which `nasflow.storage.made.kept` reads. Where the user forces
    stages to run (--force, --forcerun, --forceall), they compute.
    """
    if MAIN:
        BEGUN.append(True)
        chosen = workflow.dag_settings
        forced = chosen.forceall or chosen.forcetargets or chosen.forcerun
        os.environ[KEEP] = "" if forced else "1"


def again(name):
    """Make a rule run again where its files are not those that the configuration asks for.

    Args:
        name: the name of the rule.

    Returns:
        An input function that gives no file. Snakemake calls it when it builds the graph of jobs.
    """

    def function(wildcards):
        output = expand([f"{file}" for file in getattr(rules, name).output], **wildcards)
        why = _why(name, output, wildcards) if MAIN else ""
        if why and not workflow.dag.forcefiles.issuperset(output):
            print(
                f"nasflow: {os.path.dirname(output[0])}: {why}; {name} runs again", file=sys.stderr
            )
            workflow.dag.forcefiles.update(output)
        return []

    return function


def _why(name, output, wildcards):
    """Say why a stage must run again although Snakemake may not notice; "" where it need not."""
    missing = [file for file in output if not os.path.lexists(file)]
    if missing:
        found = not BEGUN and _was_there(name, output, wildcards)
        return f"{os.path.basename(missing[0])} is missing" if found else ""
    if name not in MADE_FROM or not _is_planned(name, wildcards):
        return ""
    config, inputs, record = MADE_FROM[name]
    inputs = [Path(file) for file in inputs(wildcards)]
    record = next(file for file in output if os.path.basename(file) == record)
    stage = "final_train" if name == "front_train" else name
    return differs(Path(record), made(stage, config(wildcards), inputs))


def _is_planned(name, wildcards):
    """Return False for a network of a front as long as no plan says what its training depends on."""
    needs_plan = name == "front_train" or (name == "final_train" and (SHARED or TEACHES))
    return not needs_plan or front_row(wildcards) is not None


def _was_there(name, output, wildcards):
    """Return True where a stage was finished once, as its other files or later stages show."""
    if name == "prepare" and pictures(wildcards) is None:
        return False  # what is missing cannot be made again
    if any(map(os.path.lexists, output)):
        return True
    if name == "latency_table":
        return False  # a finished search may have got its first bound since
    searches = SEARCHES if name == "prepare" else expand(SEARCH, **wildcards)
    if name == "search_round":
        return int(wildcards.round) <= max(map(_rounds_made, searches))
    if name == "prune_round":
        return int(wildcards.round) < max(map(_prunes_made, searches))
    if name in OF_A_FRONT:
        return any(wildcards.number in _networks_made(one) for one in searches)
    return any(os.path.exists(f"{one}/{file}") for one in searches for file in LATER[name])


def _rounds_made(search):
    """Return how many rounds a finished search had; 0 where it was never finished."""
    try:
        return json.loads(Path(f"{search}/search/summary.json").read_text())["rounds"]
    except (OSError, ValueError, LookupError):
        return 0


def _prunes_made(search):
    """Return the number of the last prune round that a search has a record of; 0 for none."""
    found = Path(search).glob("prune/round_*/status.json")
    names = (path.parent.name.removeprefix("round_") for path in found)
    return max((int(name) for name in names if name.isdecimal()), default=0)


OF_A_FRONT = ("front_train", "front_evaluate")


def _networks_made(search):
    """Return the numbers of the networks that a finished front has beside the found one."""
    try:
        rows = json.loads(Path(f"{search}/front/front.json").read_text())["networks"]
        return [str(row["index"]) for row in rows if not row["found"]]
    except (OSError, ValueError, LookupError, TypeError):
        return []


# What a later stage has written, which shows that a stage was finished once.
LATER = {
    "prepare": ("pretrain/status.json", "search/summary.json", "final/status.json"),
    "pretrain": ("search/round_1/status.json", "search/summary.json", "final/status.json"),
    "plan": ("search/summary.json", "final/status.json"),
    "select_winner": ("final/status.json",),
    "final_train": ("final/metrics.json",),
    "evaluate": (),
    "select_front": ("front/front.json",),
    "measure_front": (),
}


def _pretrain_inputs(wildcards):
    """The records of what a pretraining reads: the images, and the network at base.network."""
    chosen = EXPERIMENT.base.network and algorithm_of(wildcards.algorithm) not in FIXED
    return [f"{RESULTS}/data/data.json", *(START[-1:] if chosen else [])]


def _round_inputs(wildcards):
    """The records of what a round reads: the images, its parent, and a table of latencies."""
    return [f"{RESULTS}/data/data.json", parent(wildcards)[-1], *latencies(wildcards)]


def _table_inputs(wildcards):
    """The table of another machine, where the configuration names one."""
    return [*filter(None, [EXPERIMENT.search.constraints.latency_table])]


def _prune_inputs(wildcards):
    """The records of what a prune round reads: the images, its parent, and a table of latencies."""
    return [f"{RESULTS}/data/data.json", prune_parent(wildcards)[-1], *latencies(wildcards)]


def _final_inputs(wildcards):
    """The records of what a final training reads: the images, its network, and its teacher."""
    parent = expand(f"{SEARCH}/search/winner.json", **wildcards)
    if "number" in wildcards.keys():
        parent = front_parent(wildcards)[-1:]
    return [f"{RESULTS}/data/data.json", *parent, *front_teacher(wildcards)[-1:]]


# For each stage that says what it was made from: its part of the configuration, the records that
# hold the sha256 of its inputs, and its own record.
MADE_FROM = {
    "prepare": (images_section(), lambda wildcards: [], "data.json"),
    "pretrain": (sections("base", "pretrain", "augment"), _pretrain_inputs, "status.json"),
    "latency_table": (
        text({"precision": EXPERIMENT.search.constraints.precision.value}),
        _table_inputs,
        "table.json",
    ),
    "search_round": (search_sections, _round_inputs, "status.json"),
    "prune_round": (prune_sections, _prune_inputs, "status.json"),
    "final_train": (final_sections, _final_inputs, "status.json"),
    "front_train": (final_sections, _final_inputs, "status.json"),
    "select_front": (front_sections, path_winners, "plan.json"),
}
