# The images are represented by a parameter, the digest of their names and sizes. As input files,
# 50,000 of them would be checked by Snakemake one by one.
rule prepare:
    input:
        again("prepare"),
        split=EXPERIMENT.data.split or [],
    output:
        train=f"{RESULTS}/data/train.safetensors",
        validation=f"{RESULTS}/data/validation.safetensors",
        test=f"{RESULTS}/data/test.safetensors",
        data=f"{RESULTS}/data/data.json",
        split=f"{RESULTS}/data/split.csv",
    log:
        f"{RESULTS}/logs/prepare.log",
    benchmark:
        f"{RESULTS}/benchmarks/prepare.tsv"
    conda:
        "../envs/nasflow.yaml"
    params:
        config=images_section(),
        version=VERSIONS["prepare"],
        pictures=pictures,
        out=subpath(output.data, parent=True),
    message:
        "prepare: read the images, check them, and split them into training, validation and test"
    shell:
        'exec "$python" -m nasflow prepare --config {params.config:q} --out {params.out:q}'
        " --log {log:q}"
