# Not part of final_model: it takes 4 s of a core, and a search that has ended should not fail by its
# page. `nasflow report results/{experiment}` writes it of a search that still runs.
rule report:
    input:
        data=rules.prepare.output.data,
        metrics=[f"{search}/final/metrics.json" for search in SEARCHES],
        predictions=[f"{search}/final/predictions.parquet" for search in SEARCHES],
    output:
        page=report(
            f"{RESULTS}/report.html",
            caption="../report/report.rst",
            category="Searches",
        ),
    log:
        f"{RESULTS}/logs/report.log",
    conda:
        "../envs/nasflow.yaml"
    params:
        config=described(),
        version=VERSIONS["report"],
        results=subpath(output.page, parent=True),
    shell:
        'exec "$python" -m nasflow report {params.results:q} --config {params.config:q}'
        " --out {output.page:q} --log {log:q}"
