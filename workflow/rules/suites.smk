"""What the data sets of a suite are told, and what they leave."""


def suite_config(sets):
    """The whole configuration with these sets, without the keys that change no result of a suite."""
    whole = told(EXPERIMENT)
    whole["suite"]["sets"] = {name: SETS[name] for name in sets}
    skipped = ("threads", "rounds_per_job", "tracking")
    kept = {name: value for name, value in whole.items() if name not in skipped}
    return json.dumps(kept, sort_keys=True)


def set_config(wildcards):
    """The configuration with one set only: what changes another set does not concern it."""
    return suite_config([wildcards.set])


def sittings(wildcards):
    """The record of each set, in the order of the configuration."""
    if not SETS:
        raise WorkflowError("suite.sets: {}; name at least one data set, as in config/suite.yaml")
    return [f"{RESULTS}/{name}/sitting.json" for name in SETS]
