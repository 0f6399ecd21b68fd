"""What the prune rounds of a search start from, and what they are told."""


def prune_rounds(wildcards):
    """The status.json of each prune round of a search, from the first to the last.

    There are always `prune.rounds` of them: a round whose parent cannot shrink hands it on.
    """
    numbers = range(1, EXPERIMENT.prune.rounds + 1)
    files = [f"{SEARCH}/prune/round_{number}/status.json" for number in numbers]
    return expand(files, **wildcards)


def prune_parent(wildcards):
    """The network that a prune round starts from: that of the round before, or of the search."""
    before = int(wildcards.round) - 1
    name = f"prune/round_{before}/winner" if before else "search/winner"
    return expand(f"{SEARCH}/{name}{{end}}", **wildcards, end=CHECKPOINT)


def prune_before(wildcards):
    """The record of the prune round before, which counts the seconds and steps so far."""
    before = int(wildcards.round) - 1
    return expand(f"{SEARCH}/prune/round_{before}/status.json", **wildcards) if before else []


def prune_sections(wildcards):
    """The sections that decide a prune round; an ablation replaces some of their keys.

    The number of rounds is left out: more of them change none of those that exist.
    """
    own = EXPERIMENT.variant(wildcards.algorithm)
    found = {name: told(getattr(own, name)) for name in ("search", "prune", "augment")}
    found["prune"].pop("rounds", None)
    found["prune"] |= {"seconds": own.prune_seconds} if own.prune_seconds else {}
    return json.dumps(found | of_losses(EXPERIMENT.data), sort_keys=True)


def tracked_pruned(wildcards):
    """The mirrors of the prune rounds."""
    numbers = range(1, EXPERIMENT.prune.rounds + 1)
    return expand([f"{SEARCH}/tracking/prune_{number}.json" for number in numbers], **wildcards)


def tracked_before_pruned(wildcards):
    """The mirrors that must be finished before the mirror of a prune round may start."""
    before = int(wildcards.round) - 1
    if not before:
        return tracked(wildcards)
    return expand(f"{SEARCH}/tracking/prune_{before}.json", **wildcards)
