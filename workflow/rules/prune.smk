# The rounds behind the search, whose children are smaller than their parent. Nothing of the search
# depends on them; the front of networks does (final.front).
rule prune_round:
    input:
        again("prune_round"),
        train=rules.prepare.output.train,
        validation=rules.prepare.output.validation,
        data=rules.prepare.output.data,
        latencies=latencies,
        parent=prune_parent,
        status=ancient(prune_before),
    output:
        status=f"{SEARCH}/prune/round_{{round}}/status.json",
        winner=multiext(f"{SEARCH}/prune/round_{{round}}/winner", *CHECKPOINT),
        particles=f"{SEARCH}/prune/round_{{round}}/particles.parquet",
        architectures=f"{SEARCH}/prune/round_{{round}}/architectures.parquet",
    log:
        f"{SEARCH}/logs/prune_{{round}}.log",
    benchmark:
        f"{SEARCH}/benchmarks/prune_{{round}}.tsv"
    conda:
        "../envs/nasflow.yaml"
    threads: EXPERIMENT.threads
    resources:
        device=EXPERIMENT.device,
        gpu=GPU,
        launcher="",
        ranks=1,
    params:
        config=prune_sections,
        version=VERSIONS["prune_round"],
        data=subpath(input.data, parent=True),
        parent=lambda wildcards, input: stem(input.parent),
        out=subpath(output.status, parent=True),
    message:
        "prune_round: prune round {wildcards.round} of {wildcards.algorithm} with seed"
        " {wildcards.seed}: train the network and smaller children of it"
    shell:
        "launcher={resources.launcher:q}; "
        'exec $launcher "$python" -m nasflow prune_round --config {params.config:q}'
        " --algorithm {wildcards.algorithm:q} --data {params.data:q} --parent {params.parent:q}"
        " --seed {wildcards.seed:q} --round {wildcards.round:q} --out {params.out:q} --log {log:q}"
        " --device {resources.device:q} --threads {threads:q} --ranks {resources.ranks:q}"
