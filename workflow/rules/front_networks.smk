"""Which networks a front has, and what the rules that train them are given.

`final.front` networks of the search's path and of the pruning are trained to the end, the found one
among them. plan.json, which a checkpoint writes after the search, names them. The functions read
it from the disk, as `rounds` reads the rounds. So a plan of an earlier search may be read here
until it is written again; then Snakemake calls the functions again.
"""

FRONT = EXPERIMENT.final.front > 1
SHARED = FRONT and (EXPERIMENT.final.total_epochs or EXPERIMENT.final.total_seconds) is not None
TEACHES = FRONT and EXPERIMENT.final.distillation > 0
FRONT_PLAN = f"{SEARCH}/front/plan.json"
FRONTS = [f"{search}/front/front.json" for search in SEARCHES]
NETWORK = f"{SEARCH}/front/network_{{number}}"


def finished_front(wildcards):
    """The front of a search, for its mirror; nothing where only the found network is trained."""
    return expand(f"{SEARCH}/front/front.json", **wildcards) if FRONT else []


def front_rows(wildcards):
    """The rows of the plan; none as long as there is no plan."""
    (file,) = expand(FRONT_PLAN, **wildcards)
    if not os.path.exists(file):
        return []
    try:
        return json.loads(Path(file).read_text())["networks"]
    except (ValueError, LookupError) as error:
        raise WorkflowError(f"{file} is damaged; delete it to write it again") from error


def front_row(wildcards):
    """The row of the network that a job is about; None where the plan has no such network."""
    rows = front_rows(wildcards)
    if "number" not in wildcards.keys():
        return next((row for row in rows if row["found"]), None)
    number = int(wildcards.number)
    return next((row for row in rows if row["index"] == number and not row["found"]), None)


def front_stem(wildcards, row):
    """The stem of the trained network of a row."""
    name = "final" if row["found"] else f"front/network_{row['index']}"
    return expand(f"{SEARCH}/{name}/network", **wildcards)[0]


def front_parent(wildcards):
    """The network of the path that another network of the front begins with."""
    row = front_row(wildcards)
    source = [f"{SEARCH}/{row['source']}{end}" for end in CHECKPOINT] if row else []
    return expand(source, **wildcards)


def front_teacher(wildcards):
    """The trained network that teaches a network of the front; nothing where none does."""
    rows = front_rows(wildcards) if TEACHES else []
    row = next((row for row in rows if row["teacher"]), None)
    if row is None or row == front_row(wildcards):
        return []
    return [front_stem(wildcards, row) + end for end in CHECKPOINT]


def front_others(name):
    """A file of each network of the front but the found one, as an input function."""

    def function(wildcards):
        rows = [row for row in front_rows(wildcards) if not row["found"]]
        return expand(f"{NETWORK}/{name}", **wildcards, number=[row["index"] for row in rows])

    return function


def front_plan(wildcards):
    """The plan of the front, as an input of the found network where its training depends on it."""
    return expand(FRONT_PLAN, **wildcards) if SHARED or TEACHES else []


def final_sections(wildcards):
    """The sections that decide a final training, and its share of a total that a front divides."""
    final = told_of_training(EXPERIMENT.final, taught=bool(front_teacher(wildcards)))
    found = {"final": final, "augment": told(EXPERIMENT.augment)}
    row = front_row(wildcards) if SHARED else None
    share = {"front": {"share": row["share"]}} if row else {}
    return json.dumps(found | share | of_losses(EXPERIMENT.data), sort_keys=True)


def front_sections(wildcards):
    """What decides which networks are on the front."""
    own = EXPERIMENT.variant(wildcards.algorithm)
    final = {"front": own.final.front, "distillation": own.final.distillation}
    final |= {name: getattr(own.final, name) for name in LENGTHS}
    found = {"final": final, "constraints": told(own.search.constraints)}
    return json.dumps(found, sort_keys=True)


def path_winners(wildcards):
    """The manifests of all networks that may be on the front, in the order of time."""
    folders = [os.path.dirname(file) for file in rounds(wildcards) + prune_rounds(wildcards)]
    first = expand(f"{SEARCH}/pretrain/network{CHECKPOINT[-1]}", **wildcards)
    return first + [f"{folder}/winner{CHECKPOINT[-1]}" for folder in folders]


# The shell commands of a final training differ only where it needs more: a changed command would
# train networks of older results again.
TRAIN = (
    "launcher={resources.launcher:q}; "
    'exec $launcher "$python" -m nasflow final_train --config {params.config:q} --data {params.data:q}'
    " --parent {params.parent:q} --seed {wildcards.seed:q} --out {params.out:q} --log {log:q}"
    " --device {resources.device:q} --threads {threads:q}"
)
if SHARED:
    TRAIN = f"{TRAIN} --front {{input.plan:q}}"
if TEACHES:
    TRAIN = f"{TRAIN} {{params.teacher:q}}"


def of_teacher(wildcards, input):
    """The option that names the teacher; nothing where there is none."""
    return ["--teacher", stem(input.teacher)] if input.teacher else []
