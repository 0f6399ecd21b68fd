rule pretrain:
    input:
        again("pretrain"),
        train=rules.prepare.output.train,
        validation=rules.prepare.output.validation,
        data=rules.prepare.output.data,
        latencies=ancient(latencies),  # measured before anything is trained
        start=START,
    output:
        network=multiext(f"{SEARCH}/pretrain/network", *CHECKPOINT),
        history=f"{SEARCH}/pretrain/history.parquet",
        status=f"{SEARCH}/pretrain/status.json",
    log:
        f"{SEARCH}/logs/pretrain.log",
    benchmark:
        f"{SEARCH}/benchmarks/pretrain.tsv"
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
    message:
        "pretrain: train the base network of {wildcards.algorithm} with seed {wildcards.seed},"
        " before the search begins"
    shell:
        "launcher={resources.launcher:q}; "
        'exec $launcher "$python" -m nasflow pretrain --config {params.config:q}'
        " --algorithm {wildcards.algorithm:q} --data {params.data:q}"
        " --seed {wildcards.seed:q} --out {params.out:q} --log {log:q}"
        " --device {resources.device:q} --threads {threads:q}"


rule plan:
    input:
        again("plan"),
    output:
        plan=PLAN,
    log:
        f"{SEARCH}/logs/plan.log",
    benchmark:
        f"{SEARCH}/benchmarks/plan.tsv"
    conda:
        "../envs/nasflow.yaml"
    params:
        config=section("budget"),
        version=VERSIONS["plan"],
    message:
        "plan: write down the budget of {wildcards.algorithm} with seed {wildcards.seed}"
    shell:
        'exec "$python" -m nasflow plan --config {params.config:q} --out {output.plan:q}'
        " --log {log:q}"


# The times of operations decide which children are drawn, so they are measured once, while nothing
# else of the experiment runs (hence all cores), and every round reads the same file. The stage takes
# nothing from the images but their shape and the number of classes: where other images have the same,
# it keeps the table.
rule latency_table:
    input:
        again("latency_table"),
        data=rules.prepare.output.data,
        table=EXPERIMENT.search.constraints.latency_table or [],
    output:
        table=LATENCIES,
    log:
        f"{RESULTS}/logs/latency_table.log",
    benchmark:
        f"{RESULTS}/benchmarks/latency_table.tsv"
    conda:
        "../envs/nasflow.yaml"
    threads: workflow.resource_settings.cores or EXPERIMENT.threads
    params:
        precision=EXPERIMENT.search.constraints.precision.value,
        version=VERSIONS["latency_table"],
        data=subpath(input.data, parent=True),
        table=given_table,
    message:
        "latency_table: measure how long the operations of networks take on this machine"
    shell:
        'exec "$python" -m nasflow latency --precision {params.precision:q} --data {params.data:q}'
        " {params.table:q} --out {output.table:q} --log {log:q}"


# The budget is a resource, because a changed resource makes nothing run again: a larger budget adds
# rounds and changes none of those that exist. It was an input once, ancient(plan.json), and that did
# harm: where the budget and the search section changed together, Snakemake 9.27 left the old rounds as
# they were, since it does not check the jobs that depend on a job which is about to run.
checkpoint search_round:
    input:
        again("search_round"),
        train=rules.prepare.output.train,
        validation=rules.prepare.output.validation,
        data=rules.prepare.output.data,
        latencies=latencies,
        parent=parent,
        status=ancient(parent_status),
    output:
        status=f"{SEARCH}/search/round_{{round}}/status.json",
        winner=multiext(f"{SEARCH}/search/round_{{round}}/winner", *CHECKPOINT),
        particles=f"{SEARCH}/search/round_{{round}}/particles.parquet",
        architectures=f"{SEARCH}/search/round_{{round}}/architectures.parquet",
    log:
        f"{SEARCH}/logs/round_{{round}}.log",
    benchmark:
        f"{SEARCH}/benchmarks/round_{{round}}.tsv"
    conda:
        "../envs/nasflow.yaml"
    threads: EXPERIMENT.threads
    resources:
        device=EXPERIMENT.device,
        gpu=GPU,
        launcher="",
        ranks=1,
        rounds_per_job=EXPERIMENT.rounds_per_job,
        budget=section("budget"),
    params:
        config=search_sections,
        version=VERSIONS["search_round"],
        data=subpath(input.data, parent=True),
        parent=lambda wildcards, input: stem(input.parent),
        out=subpath(output.status, parent=True),
    message:
        "search_round: round {wildcards.round} of {wildcards.algorithm} with seed {wildcards.seed}:"
        " train the network and its children, and see whether a child replaces it"
    shell:
        "launcher={resources.launcher:q}; "
        'exec $launcher "$python" -m nasflow search_round --config {params.config:q}'
        " --algorithm {wildcards.algorithm:q} --data {params.data:q} --parent {params.parent:q}"
        " --budget {resources.budget:q} --seed {wildcards.seed:q} --round {wildcards.round:q}"
        " --out {params.out:q} --log {log:q} --device {resources.device:q} --threads {threads:q}"
        " --ranks {resources.ranks:q} --rounds_per_job {resources.rounds_per_job:q}"


# Only the winner of the last round counts as a changed input: where a round was computed again and
# its files are bit for bit identical, nothing after it runs again.
rule select_winner:
    input:
        again("select_winner"),
        rounds=ancient(rounds),
        winner=last_winner,
        pretrain=ancient(f"{SEARCH}/pretrain/status.json"),
        plan=PLAN,
    output:
        winner=multiext(f"{SEARCH}/search/winner", *CHECKPOINT),
        summary=f"{SEARCH}/search/summary.json",
    log:
        f"{SEARCH}/logs/select_winner.log",
    benchmark:
        f"{SEARCH}/benchmarks/select_winner.tsv"
    conda:
        "../envs/nasflow.yaml"
    params:
        version=VERSIONS["select_winner"],
        rounds=lambda wildcards, input: [str(Path(file).parent) for file in input.rounds],
        out=lambda wildcards, output: stem(output.winner),
    message:
        "select_winner: take the network of the last round"
        " of {wildcards.algorithm} with seed {wildcards.seed}"
    shell:
        'exec "$python" -m nasflow select_winner --algorithm {wildcards.algorithm:q}'
        " --pretrain {input.pretrain:q} --rounds {params.rounds:q} --plan {input.plan:q}"
        " --out {params.out:q} --log {log:q}"
