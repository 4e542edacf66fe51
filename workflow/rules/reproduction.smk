# The results of this study held against those that git keeps of it, bits and all.
rule reproduction:
    input:
        kept=KEPT,
        tables=[
            *table_files("{place}"),
            *paper_table_files(files, "{place}"),
        ],
        figures=catalogue.figure_files(files, "{place}"),
        made_by=files.made_by(),
        code=modules(
            [
                f"results/{name}.py"
                for name in (
                    "comparison",
                    "deviations",
                    "reproduction",
                    "result_tree",
                )
            ]
        ),
    output:
        record="{place}/reproduction.json",
        numbers="{place}/reproduction.csv",
        text=report(
            "{place}/reproduction.md",
            caption="../report/reproduction.rst",
            category="Tables",
        ),
    log:
        "logs/{place}/reproduction.log",
    conda:
        ENVIRONMENT
    params:
        kept=lambda wildcards: places.kept,
    shell:
        "python -m sphere_repro compare {params.kept:q} {wildcards.place} --log {log} --out {output.record}"
