rule prepare:
    output:
        train=f"{RESULTS}/data/train.safetensors",
        validation=f"{RESULTS}/data/validation.safetensors",
        test=f"{RESULTS}/data/test.safetensors",
        data=f"{RESULTS}/data/data.json",
    log:
        f"{RESULTS}/logs/prepare.log",
    conda:
        "../envs/nasflow.yaml"
    params:
        config=section("data"),
        version=VERSIONS["prepare"],
        out=subpath(output.data, parent=True),
    shell:
        'exec "$python" -m nasflow prepare --config {params.config:q} --out {params.out:q}'
        " --log {log:q}"
