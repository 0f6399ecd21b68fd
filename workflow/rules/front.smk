# Only the networks count as changed inputs, not the seconds in the records of the rounds. `ancient`
# is given paths, because it would mark an output of `rules` as ancient for every rule that reads it.
checkpoint select_front:
    input:
        again("select_front"),
        rounds=ancient(rounds),
        prune=ancient(prune_rounds),
        winners=path_winners,
        pretrain=ancient(f"{SEARCH}/pretrain/status.json"),
        search=ancient(f"{SEARCH}/search/summary.json"),
    output:
        plan=FRONT_PLAN,
    log:
        f"{SEARCH}/logs/select_front.log",
    benchmark:
        f"{SEARCH}/benchmarks/select_front.tsv"
    conda:
        "../envs/nasflow.yaml"
    params:
        config=front_sections,
        version=VERSIONS["select_front"],
        rounds=lambda wildcards, input: [os.path.dirname(file) for file in input.rounds],
        prune=lambda wildcards, input: [os.path.dirname(file) for file in input.prune],
    message:
        "select_front: choose the networks of the front"
        " of {wildcards.algorithm} with seed {wildcards.seed}"
    shell:
        'exec "$python" -m nasflow select_front --config {params.config:q}'
        " --pretrain {input.pretrain:q} --search {input.search:q} --rounds {params.rounds:q}"
        " --prune {params.prune:q} --out {output.plan:q} --log {log:q}"


rule front_train:
    input:
        again("front_train"),
        train=rules.prepare.output.train,
        validation=rules.prepare.output.validation,
        data=rules.prepare.output.data,
        plan=ancient(FRONT_PLAN),
        parent=front_parent,
        teacher=front_teacher,
    output:
        network=multiext(f"{NETWORK}/network", *CHECKPOINT),
        history=f"{NETWORK}/history.parquet",
        status=f"{NETWORK}/status.json",
    log:
        f"{SEARCH}/logs/front_train_{{number}}.log",
    benchmark:
        f"{SEARCH}/benchmarks/front_train_{{number}}.tsv"
    conda:
        "../envs/nasflow.yaml"
    threads: EXPERIMENT.threads
    resources:
        device=EXPERIMENT.device,
        gpu=GPU,
        launcher="",
    params:
        config=final_sections,
        version=VERSIONS["final_train"],
        data=subpath(input.data, parent=True),
        parent=lambda wildcards, input: stem(input.parent),
        out=lambda wildcards, output: stem(output.network),
        teacher=of_teacher,
    message:
        "front_train: train network {wildcards.number} of the front"
        " of {wildcards.algorithm} with seed {wildcards.seed} to convergence"
    shell:
        TRAIN


rule front_evaluate:
    input:
        again("front_evaluate"),
        test=rules.prepare.output.test,
        data=rules.prepare.output.data,
        network=rules.front_train.output.network,
        status=rules.front_train.output.status,
    output:
        metrics=f"{NETWORK}/metrics.json",
        predictions=f"{NETWORK}/predictions.parquet",
    log:
        f"{SEARCH}/logs/front_evaluate_{{number}}.log",
    benchmark:
        f"{SEARCH}/benchmarks/front_evaluate_{{number}}.tsv"
    conda:
        "../envs/nasflow.yaml"
    threads: EXPERIMENT.threads
    resources:
        device=EXPERIMENT.device,
        gpu=GPU,
    params:
        config=sections("augment"),
        version=VERSIONS["front_evaluate"],
        data=subpath(input.data, parent=True),
        network=lambda wildcards, input: stem(input.network),
    message:
        "front_evaluate: measure network {wildcards.number} of the front"
        " of {wildcards.algorithm} with seed {wildcards.seed} on the test images, once"
    shell:
        'exec "$python" -m nasflow front_evaluate --config {params.config:q} --data {params.data:q}'
        " --network {params.network:q} --out {output.metrics:q} --log {log:q}"
        " --device {resources.device:q} --threads {threads:q}"


rule measure_front:
    input:
        again("measure_front"),
        train=rules.prepare.output.train,
        test=rules.prepare.output.test,
        data=rules.prepare.output.data,
        plan=rules.select_front.output.plan,
        found=f"{SEARCH}/final/metrics.json",
        metrics=front_others("metrics.json"),
    output:
        front=f"{SEARCH}/front/front.json",
        table=f"{SEARCH}/front/front.csv",
    log:
        f"{SEARCH}/logs/measure_front.log",
    benchmark:
        f"{SEARCH}/benchmarks/measure_front.tsv"
    conda:
        "../envs/nasflow.yaml"
    threads: EXPERIMENT.threads  # one would do, but a job beside it would change the latencies
    params:
        version=VERSIONS["measure_front"],
        data=subpath(input.data, parent=True),
    message:
        "measure_front: compare the networks of the front"
        " of {wildcards.algorithm} with seed {wildcards.seed}"
    shell:
        'exec "$python" -m nasflow measure_front --data {params.data:q} --plan {input.plan:q}'
        " --out {output.front:q} --log {log:q}"
