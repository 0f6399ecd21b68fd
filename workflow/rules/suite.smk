# A suite runs the same methods on several data sets. One run of Snakemake has one section `data`, so
# each set has a Snakemake of its own, in its own folder and with its own lock: the rule `sitting`
# starts it and waits. The rule takes all cores, so that no other set runs in between.
SET_FILES = [
    f"{RESULTS}/{{set}}/{experiment_name('{set}', length)}.yaml"
    for length in EXPERIMENT.suite.lengths
]


wildcard_constraints:
    set="|".join(SETS) or "(?!)",


rule suite_files:
    output:
        SET_FILES,
    log:
        f"{RESULTS}/logs/{{set}}_files.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{set}}_files.tsv"
    conda:
        "../envs/nasflow.yaml"
    params:
        config=set_config,
        out=subpath(output[0], parent=True),
    message:
        "suite_files: write the configuration of the runs on {wildcards.set}"
    shell:
        'exec "$python" -m nasflow suite_files --config {params.config:q} --name {wildcards.set:q}'
        " --out {params.out:q} --log {log:q}"


# `nasflow resume` removes a lock that a killed Snakemake left in the folder of the set, and starts
# Snakemake there. Its target `final_model` finds runs that were deleted, which `compare` alone does
# not where its page exists. `--profile none`: the runs of a set stay on this machine, also where this Snakemake
# sends its jobs to a cluster. The versions are a parameter, because only the Snakemake of the set
# can tell which of its stages they concern.
rule sitting:
    input:
        files=rules.suite_files.output,
    output:
        sitting=f"{RESULTS}/{{set}}/sitting.json",
    log:
        f"{RESULTS}/logs/{{set}}_sitting.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{set}}_sitting.tsv"
    conda:
        "../envs/nasflow.yaml"
    threads: lambda wildcards: workflow.cores
    resources:
        snakefile=f"{ROOT}/Snakefile",
        gpu=GPU,
    params:
        config=set_config,
        versions=text(VERSIONS),
        folder=subpath(output.sitting, parent=True),
    message:
        "sitting: run all methods on {wildcards.set}, after one another"
    shell:
        'for file in {input.files:q}; do "$python" -m nasflow resume --directory {params.folder:q}'
        ' --snakefile {resources.snakefile:q} --profile none --configfile "$file"'
        " --cores {threads:q} -- final_model compare; done;"
        ' exec "$python" -m nasflow sitting --config {params.config:q} --name {wildcards.set:q}'
        " --out {output.sitting:q} --log {log:q}"


rule suite_page:
    input:
        sittings=sittings,
    output:
        [
            (
                report(f"{RESULTS}/{name}", "../report/suite.rst", "Suite")
                if name in ("suite.html", "errors.png")
                else f"{RESULTS}/{name}"
            )
            for name in SUITE
        ],
    log:
        f"{RESULTS}/logs/suite.log",
    benchmark:
        f"{RESULTS}/benchmarks/suite.tsv"
    conda:
        "../envs/nasflow.yaml"
    params:
        config=lambda wildcards: suite_config(SETS),
        version=VERSIONS["suite"],
        out=subpath(output[0], parent=True),
    message:
        "suite_page: write the tables and the page that compare all methods on all sets"
    shell:
        'exec "$python" -m nasflow suite --config {params.config:q}'
        " --sittings {input.sittings:q} --out {params.out:q} --log {log:q}"


# The records of the sets are inputs of the target too: Snakemake does not make a deleted file again
# where only a finished page needs it.
rule suite:
    input:
        rules.suite_page.output,
        sittings,
    message:
        "suite: the page of the suite is complete"
