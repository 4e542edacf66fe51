rule fid_table:
    input:
        scores=score_files(study.score.extractor),
        models=[f"{HOME}/{run}/model.json" for run in study.runs],
        code=modules("tables"),
    output:
        table=report(
            "results/fid_table.csv",
            caption="../report/fid-table.rst",
            category="Tables",
        ),
        record="results/fid_table.json",
        metrics="results/metrics.json",
    log:
        "logs/fid_table.log",
    conda:
        "../../environment.yml"
    shell:
        "python -m sphere_repro table --log {log} {input.scores} --out {output.table} "
        "--metrics {output.metrics}"


rule fid_table_by_extractor:
    input:
        scores=lambda wildcards: score_files(wildcards.extractor),
        models=[f"{HOME}/{run}/model.json" for run in study.runs],
        code=modules("tables"),
    output:
        table=report(
            "results/fid_table.{extractor}.csv",
            caption="../report/fid-table.rst",
            category="Tables",
        ),
        record="results/fid_table.{extractor}.json",
    log:
        "logs/fid_table.{extractor}.log",
    conda:
        "../../environment.yml"
    shell:
        "python -m sphere_repro table --log {log} {input.scores} --out {output.table}"


rule claims:
    input:
        scores=score_files(study.score.extractor),
        uniformity=uniformity_files(),
        code=modules("claims", "figures/results"),
    output:
        record="results/claims.json",
        text="results/claims.md",
        table=report(
            "results/claims.csv", caption="../report/claims.rst", category="Tables"
        ),
    log:
        "logs/claims.log",
    conda:
        "../../environment.yml"
    shell:
        "python -m sphere_repro claims --log {log} --scores {input.scores} "
        "--uniformity {input.uniformity} --out {output.record}"
