rule final_train:
    input:
        again("final_train"),
        train=rules.prepare.output.train,
        validation=rules.prepare.output.validation,
        data=rules.prepare.output.data,
        parent=rules.select_winner.output.winner,
        summary=ancient(rules.select_winner.output.summary),
        plan=ancient(front_plan),
        teacher=front_teacher,
    output:
        network=multiext(f"{SEARCH}/final/network", *CHECKPOINT),
        history=f"{SEARCH}/final/history.parquet",
        status=f"{SEARCH}/final/status.json",
    log:
        f"{SEARCH}/logs/final_train.log",
    benchmark:
        f"{SEARCH}/benchmarks/final_train.tsv"
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
        "final_train: train the network that {wildcards.algorithm} found with seed {wildcards.seed}"
        " to convergence"
    shell:
        TRAIN


rule evaluate:
    input:
        again("evaluate"),
        test=rules.prepare.output.test,
        data=rules.prepare.output.data,
        network=rules.final_train.output.network,
        status=rules.final_train.output.status,
        search=rules.select_winner.output.summary,
        pretrain=ancient(f"{SEARCH}/pretrain/status.json"),
    output:
        metrics=f"{SEARCH}/final/metrics.json",
        summary=report(
            f"{SEARCH}/final/summary.txt",
            caption="../report/summary.rst",
            category="Result",
            labels={"algorithm": "{algorithm}", "seed": "{seed}"},
        ),
        images=f"{SEARCH}/final/images.json",
        predictions=f"{SEARCH}/final/predictions.parquet",
    log:
        f"{SEARCH}/logs/evaluate.log",
    benchmark:
        f"{SEARCH}/benchmarks/evaluate.tsv"
    conda:
        "../envs/nasflow.yaml"
    threads: EXPERIMENT.threads
    resources:
        device=EXPERIMENT.device,
        gpu=GPU,
    params:
        config=tested_sections,
        version=VERSIONS["evaluate"],
        data=subpath(input.data, parent=True),
        network=lambda wildcards, input: stem(input.network),
    message:
        "evaluate: measure the final network"
        " of {wildcards.algorithm} with seed {wildcards.seed} on the test images, once"
    shell:
        'exec "$python" -m nasflow evaluate --config {params.config:q} --data {params.data:q}'
        " --network {params.network:q} --search {input.search:q} --pretrain {input.pretrain:q}"
        " --out {output.metrics:q} --log {log:q} --device {resources.device:q} --threads {threads:q}"
