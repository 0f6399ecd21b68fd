rule pretrain:
    input:
        train=rules.prepare.output.train,
        validation=rules.prepare.output.validation,
        data=rules.prepare.output.data,
        start=START,
    output:
        network=multiext(f"{SEARCH}/pretrain/network", *CHECKPOINT),
        history=f"{SEARCH}/pretrain/history.parquet",
        status=f"{SEARCH}/pretrain/status.json",
    log:
        f"{SEARCH}/logs/pretrain.log",
    conda:
        "../envs/nasflow.yaml"
    threads: EXPERIMENT.threads
    resources:
        device=EXPERIMENT.device,
        gpu=GPU,
        launcher="",
    params:
        config=sections("base", "pretrain", "augment"),
        version=VERSIONS["pretrain"],
        data=subpath(input.data, parent=True),
        out=lambda wildcards, output: stem(output.network),
    shell:
        "launcher={resources.launcher:q}; "
        'exec $launcher "$python" -m nasflow pretrain --config {params.config:q} --data {params.data:q}'
        " --seed {wildcards.seed:q} --out {params.out:q} --log {log:q}"
        " --device {resources.device:q} --threads {threads:q}"


rule plan:
    output:
        plan=PLAN,
    log:
        f"{SEARCH}/logs/plan.log",
    conda:
        "../envs/nasflow.yaml"
    params:
        config=section("budget"),
        version=VERSIONS["plan"],
    shell:
        'exec "$python" -m nasflow plan --config {params.config:q} --out {output.plan:q}'
        " --log {log:q}"


# The budget is a resource, which reruns nothing: another budget adds rounds and changes none. As
# ancient(plan.json) it did harm: with Snakemake 9.27 a change of budget and search together left
# the rounds as they were, since jobs behind a job that is about to run are not checked themselves.
checkpoint search_round:
    input:
        train=rules.prepare.output.train,
        validation=rules.prepare.output.validation,
        data=rules.prepare.output.data,
        parent=parent,
        status=ancient(parent_status),
    output:
        status=f"{SEARCH}/search/round_{{round}}/status.json",
        winner=multiext(f"{SEARCH}/search/round_{{round}}/winner", *CHECKPOINT),
        particles=f"{SEARCH}/search/round_{{round}}/particles.parquet",
        architectures=f"{SEARCH}/search/round_{{round}}/architectures.parquet",
    log:
        f"{SEARCH}/logs/round_{{round}}.log",
    conda:
        "../envs/nasflow.yaml"
    threads: EXPERIMENT.threads
    resources:
        device=EXPERIMENT.device,
        gpu=GPU,
        launcher="",
        ranks=1,
        budget=section("budget"),
    params:
        config=search_sections,
        version=VERSIONS["search_round"],
        data=subpath(input.data, parent=True),
        parent=lambda wildcards, input: stem(input.parent),
        out=subpath(output.status, parent=True),
    shell:
        "launcher={resources.launcher:q}; "
        'exec $launcher "$python" -m nasflow search_round --config {params.config:q}'
        " --algorithm {wildcards.algorithm:q} --data {params.data:q} --parent {params.parent:q}"
        " --budget {resources.budget:q} --seed {wildcards.seed:q} --round {wildcards.round:q}"
        " --out {params.out:q} --log {log:q} --device {resources.device:q} --threads {threads:q}"
        " --ranks {resources.ranks:q}"


# Only the last winner counts as changed input: a round made anew with the same bytes ends here.
rule select_winner:
    input:
        rounds=ancient(rounds),
        winner=last_winner,
        pretrain=ancient(f"{SEARCH}/pretrain/status.json"),
        plan=PLAN,
    output:
        winner=multiext(f"{SEARCH}/search/winner", *CHECKPOINT),
        summary=f"{SEARCH}/search/summary.json",
    log:
        f"{SEARCH}/logs/select_winner.log",
    conda:
        "../envs/nasflow.yaml"
    params:
        version=VERSIONS["select_winner"],
        rounds=lambda wildcards, input: [str(Path(file).parent) for file in input.rounds],
        out=lambda wildcards, output: stem(output.winner),
    shell:
        'exec "$python" -m nasflow select_winner --algorithm {wildcards.algorithm:q}'
        " --pretrain {input.pretrain:q} --rounds {params.rounds:q} --plan {input.plan:q}"
        " --out {params.out:q} --log {log:q}"
