# The mirror in MLflow hangs on the results and nothing hangs on it. Each job waits for the one
# before, so a search never has two writers.
rule track_pretrain:
    input:
        status=rules.pretrain.output.status,
        history=rules.pretrain.output.history,
        network=rules.pretrain.output.network,
    output:
        mirror=f"{SEARCH}/tracking/pretrain.json",
    log:
        f"{SEARCH}/logs/track_pretrain.log",
    conda:
        "../envs/nasflow.yaml"
    threads: 0
    params:
        uri=tracking_uri,
        version=VERSIONS["track"],
        source=subpath(input.status, parent=True),
        experiment=EXPERIMENT.experiment,
    shell:
        'exec "$python" -m nasflow track --kind pretrain --source {params.source:q}'
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
    conda:
        "../envs/nasflow.yaml"
    threads: 0
    params:
        uri=tracking_uri,
        version=VERSIONS["track"],
        source=subpath(input.status, parent=True),
        experiment=EXPERIMENT.experiment,
    shell:
        'exec "$python" -m nasflow track --kind round --source {params.source:q}'
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
    output:
        mirror=f"{SEARCH}/tracking/final.json",
    log:
        f"{SEARCH}/logs/track_final.log",
    conda:
        "../envs/nasflow.yaml"
    threads: 0
    params:
        uri=tracking_uri,
        version=VERSIONS["track"],
        source=subpath(input.metrics, parent=True),
        experiment=EXPERIMENT.experiment,
    shell:
        'exec "$python" -m nasflow track --kind final --source {params.source:q}'
        " --experiment {params.experiment:q} --algorithm {wildcards.algorithm:q}"
        " --seed {wildcards.seed:q} --uri {params.uri:q} --out {output.mirror:q} --log {log:q}"
