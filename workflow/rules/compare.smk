# A comparison at equal seconds is fair only where searches do not disturb each other: `threads`
# says how many cores a stage takes, and no mirror should run at the same time.
rule comparison:
    input:
        data=rules.prepare.output.data,
        metrics=[f"{search}/final/metrics.json" for search in COMPARED],
    output:
        [
            (
                report(f"{RESULTS}/comparison/{name}", "../report/comparison.rst", "Comparison")
                if name in ("comparison.html", "anytime.png", "errors.png")
                else f"{RESULTS}/comparison/{name}"
            )
            for name in COMPARISON
        ],
    log:
        f"{RESULTS}/logs/comparison.log",
    benchmark:
        f"{RESULTS}/benchmarks/comparison.tsv"
    conda:
        "../envs/nasflow.yaml"
    params:
        config=described(),
        version=VERSIONS["compare"],
        results=lambda wildcards, input: str(Path(input.data).parents[1]),
        methods=NAMES,
        out=subpath(output[0], parent=True),
    message:
        "comparison: write the tables and figures that compare all algorithms and ablations"
    shell:
        'exec "$python" -m nasflow compare --config {params.config:q} --results {params.results:q}'
        " --methods {params.methods:q} --out {params.out:q} --log {log:q}"


rule compare:
    input:
        rules.comparison.output,
        [f"{search}/tracking/final.json" for search in COMPARED if EXPERIMENT.tracking.enabled],
    message:
        "compare: the comparison is complete"
