rule fid_table:
    input:
        scores=score_files(*study.score.extractors),
        expected="params/expected.yaml",
        made_by=made_by_files(),
        code=modules(
            *("results/tables", "results/expected", "results/degenerate"),
            "provenance/record",
        )
        + MODEL_MODULES,
    output:
        table=report(
            "{place}/fid_table.csv",
            caption="../report/fid-table.rst",
            category="Tables",
        ),
        record="{place}/fid_table.json",
        metrics="{place}/metrics.json",
    log:
        "logs/{place}/fid_table.log",
    conda:
        "../../environment.yml"
    shell:
        "python -m sphere_repro table --log {log} {input.scores} --expected {input.expected} "
        "--out {output.table} --metrics {output.metrics}"


rule fid_table_by_extractor:
    input:
        scores=lambda wildcards: score_files(wildcards.extractor),
        expected="params/expected.yaml",
        made_by=made_by_files(),
        code=modules(
            *("results/tables", "results/expected", "results/degenerate"),
            "provenance/record",
        )
        + MODEL_MODULES,
    output:
        table=report(
            "{place}/fid_table.{extractor}.csv",
            caption="../report/fid-table.rst",
            category="Tables",
        ),
        record="{place}/fid_table.{extractor}.json",
    log:
        "logs/{place}/fid_table.{extractor}.log",
    conda:
        "../../environment.yml"
    shell:
        "python -m sphere_repro table --log {log} {input.scores} --expected {input.expected} "
        "--out {output.table}"


rule claims:
    input:
        scores=score_files(study.score.extractor),
        uniformity=uniformity_files(),
        table="{place}/fid_table.csv",
        code=modules(
            *("results/claims", "results/degenerate", "results/distance_claims"),
            "results/published",
            *("results/scores", "results/statements", "results/tables"),
            *("results/uniformity_claim", "results/verdicts"),
        ),
    output:
        record="{place}/claims.json",
        text="{place}/claims.md",
        table=report(
            "{place}/claims.csv", caption="../report/claims.rst", category="Tables"
        ),
    log:
        "logs/{place}/claims.log",
    conda:
        "../../environment.yml"
    shell:
        "python -m sphere_repro claims --log {log} --scores {input.scores} "
        "--uniformity {input.uniformity} --table {input.table} --out {output.record}"
