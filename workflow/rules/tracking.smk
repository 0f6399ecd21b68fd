# The mirror in MLflow is made from the results, and no result depends on it. Each job waits for the
# job before it, so that two jobs never write about the same search at the same time. `nice` lets a
# stage that trains go first: a mirror takes up to 18 s of a core, which would slow down a training
# whose length is given in seconds.
rule track_pretrain:
    input:
        status=rules.pretrain.output.status,
        history=rules.pretrain.output.history,
        network=rules.pretrain.output.network,
    output:
        mirror=f"{SEARCH}/tracking/pretrain.json",
    log:
        f"{SEARCH}/logs/track_pretrain.log",
    benchmark:
        f"{SEARCH}/benchmarks/track_pretrain.tsv"
    conda:
        "../envs/nasflow.yaml"
    threads: 0
    params:
        uri=tracking_uri,
        version=VERSIONS["track"],
        source=subpath(input.status, parent=True),
        experiment=EXPERIMENT.experiment,
    message:
        "track_pretrain: copy the pretraining"
        " of {wildcards.algorithm} with seed {wildcards.seed} to MLflow"
    shell:
        'exec nice -n 19 "$python" -m nasflow track --kind pretrain --source {params.source:q}'
        " --experiment {params.experiment:q} --algorithm {wildcards.algorithm:q}"
        " --seed {wildcards.seed:q} --uri {params.uri:q} --out {output.mirror:q} --log {log:q}"


rule track_round:
    input:
        status=rules.search_round.output.status,
        winner=rules.search_round.output.winner,
        particles=rules.search_round.output.particles,
        architectures=rules.search_round.output.architectures,
        before=tracked_before,
    output:
        mirror=f"{SEARCH}/tracking/round_{{round}}.json",
    log:
        f"{SEARCH}/logs/track_round_{{round}}.log",
    benchmark:
        f"{SEARCH}/benchmarks/track_round_{{round}}.tsv"
    conda:
        "../envs/nasflow.yaml"
    threads: 0
    params:
        uri=tracking_uri,
        version=VERSIONS["track"],
        source=subpath(input.status, parent=True),
        experiment=EXPERIMENT.experiment,
    message:
        "track_round: copy round {wildcards.round}"
        " of {wildcards.algorithm} with seed {wildcards.seed} to MLflow"
    shell:
        'exec nice -n 19 "$python" -m nasflow track --kind round --source {params.source:q}'
        " --experiment {params.experiment:q} --algorithm {wildcards.algorithm:q}"
        " --seed {wildcards.seed:q} --round {wildcards.round:q} --uri {params.uri:q}"
        " --out {output.mirror:q} --log {log:q}"


rule track_prune:
    input:
        status=rules.prune_round.output.status,
        winner=rules.prune_round.output.winner,
        particles=rules.prune_round.output.particles,
        architectures=rules.prune_round.output.architectures,
        before=tracked_before_pruned,
    output:
        mirror=f"{SEARCH}/tracking/prune_{{round}}.json",
    log:
        f"{SEARCH}/logs/track_prune_{{round}}.log",
    benchmark:
        f"{SEARCH}/benchmarks/track_prune_{{round}}.tsv"
    conda:
        "../envs/nasflow.yaml"
    threads: 0
    params:
        uri=tracking_uri,
        version=VERSIONS["track"],
        source=subpath(input.status, parent=True),
        experiment=EXPERIMENT.experiment,
    message:
        "track_prune: copy prune round {wildcards.round}"
        " of {wildcards.algorithm} with seed {wildcards.seed} to MLflow"
    shell:
        'exec nice -n 19 "$python" -m nasflow track --kind round --source {params.source:q}'
        " --experiment {params.experiment:q} --algorithm {wildcards.algorithm:q}"
        " --seed {wildcards.seed:q} --round {wildcards.round:q} --uri {params.uri:q}"
        " --out {output.mirror:q} --log {log:q}"


rule track_final:
    input:
        metrics=rules.evaluate.output.metrics,
        summary=rules.evaluate.output.summary,
        network=rules.final_train.output.network,
        history=rules.final_train.output.history,
        status=rules.final_train.output.status,
        rounds=tracked,
        pruned=tracked_pruned,
        front=finished_front,
        page=finished_page,
    output:
        mirror=f"{SEARCH}/tracking/final.json",
    log:
        f"{SEARCH}/logs/track_final.log",
    benchmark:
        f"{SEARCH}/benchmarks/track_final.tsv"
    conda:
        "../envs/nasflow.yaml"
    threads: 0
    params:
        uri=tracking_uri,
        version=VERSIONS["track"],
        source=subpath(input.metrics, parent=True),
        experiment=EXPERIMENT.experiment,
    message:
        "track_final: copy the final training"
        " of {wildcards.algorithm} with seed {wildcards.seed} to MLflow"
    shell:
        'exec nice -n 19 "$python" -m nasflow track --kind final --source {params.source:q}'
        " --experiment {params.experiment:q} --algorithm {wildcards.algorithm:q}"
        " --seed {wildcards.seed:q} --uri {params.uri:q} --out {output.mirror:q} --log {log:q}"
