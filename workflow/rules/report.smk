# The page is part of final_model, which must not count as failed because of its page. So where the
# program fails, a stand-in takes the place of the page (nasflow.records.page_file), and the last
# line of the run says which command makes the page. Two failures stay failures: those of a program
# that a signal ended (exit codes from 128 on), and those where `report` was asked for by name. This
# is a resource, because a changed resource makes nothing run again. The page takes 4 s of a core.
# `nasflow report results/{experiment}` also writes the page of a search that is still running.
rule report:
    input:
        data=rules.prepare.output.data,
        metrics=[f"{search}/final/metrics.json" for search in SEARCHES],
        predictions=[f"{search}/final/predictions.parquet" for search in SEARCHES],
        pruned=ALL_PRUNED,
        fronts=FRONTS if FRONT else [],
    output:
        page=report(
            PAGE,
            caption="../report/report.rst",
            category="Searches",
        ),
    log:
        f"{RESULTS}/logs/report.log",
    benchmark:
        f"{RESULTS}/benchmarks/report.tsv"
    conda:
        "../envs/nasflow.yaml"
    resources:
        asked=lambda wildcards: int("report" in workflow.dag_settings.targets),
    params:
        config=described(),
        version=VERSIONS["report"],
        results=subpath(output.page, parent=True),
        stand_in=STAND_IN,
    message:
        "report: write the page about all searches of the experiment"
    shell:
        '"$python" -m nasflow report {params.results:q} --config {params.config:q}'
        " --out {output.page:q} --log {log:q} || {{ code=$?;"
        ' [ "$code" -lt 128 -a {resources.asked:q} -eq 0 ] || exit "$code";'
        " printf '%s\\n' {params.stand_in:q} > {output.page:q}; }}"
