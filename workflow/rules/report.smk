# The page is not part of final_model: it takes 4 s of a core, and a finished search should not
# count as failed because its page failed. `nasflow report results/{experiment}` also writes the
# page of a search that is still running.
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
    benchmark:
        f"{RESULTS}/benchmarks/report.tsv"
    conda:
        "../envs/nasflow.yaml"
    params:
        config=described(),
        version=VERSIONS["report"],
        results=subpath(output.page, parent=True),
    message:
        "report: write the page about all searches of the experiment"
    shell:
        'exec "$python" -m nasflow report {params.results:q} --config {params.config:q}'
        " --out {output.page:q} --log {log:q}"
