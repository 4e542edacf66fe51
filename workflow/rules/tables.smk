# Made anew when the code that trained or drew has changed: each row says whether it has.
TABLE_CODE = modules(
    [*code.TABLE, "provenance/", *code.SAMPLE]
    + (list(code.MODEL) if files.trained else [])
    + (list(code.IMPORT) if files.imported else [])
)


rule fid_table:
    input:
        scores=[
            path
            for each in study.score.extractors
            for path in files.scores(each).values()
        ],
        expected="params/expected.yaml",
        made_by=files.made_by(),
        code=TABLE_CODE,
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
        ENVIRONMENT
    shell:
        "python -m sphere_repro table --log {log} {input.scores} --expected {input.expected} "
        "--out {output.table} --metrics {output.metrics}"


rule fid_table_by_extractor:
    input:
        scores=lambda wildcards: list(files.scores(wildcards.extractor).values()),
        expected="params/expected.yaml",
        made_by=files.made_by(),
        code=TABLE_CODE,
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
        ENVIRONMENT
    shell:
        "python -m sphere_repro table --log {log} {input.scores} --expected {input.expected} "
        "--out {output.table}"


rule claims:
    input:
        scores=list(files.scores().values()),
        uniformity=[places.uniformity(run) for run in files.judged],
        images=[places.images_record(run) for run in files.judged_images],
        table="{place}/fid_table.csv",
        code=modules(["results/"]),
    output:
        record="{place}/claims.json",
        text="{place}/claims.md",
        table=report(
            "{place}/claims.csv", caption="../report/claims.rst", category="Tables"
        ),
    log:
        "logs/{place}/claims.log",
    conda:
        ENVIRONMENT
    params:
        baselines=" ".join(f"{run}={vae}" for run, vae in files.compared.items()),
    shell:
        "python -m sphere_repro claims --log {log} --scores {input.scores} "
        "--uniformity {input.uniformity} --images {input.images} --baselines {params.baselines} "
        "--table {input.table} --out {output.record}"


rule paper_tables:
    input:
        table="{place}/fid_table.csv",
        uniformity=[places.uniformity(run) for run in files.judged],
        images=[places.images_record(run) for run in files.judged_images],
        scores=list(files.scores().values()),
        models=[record_of(places.model(run)) for run in files.first],
        rivals=catalogue.RIVALS,
        code=modules(
            [
                f"results/{name}.py"
                for name in (
                    "ablation_table",
                    "cost",
                    "emptiness",
                    "image_numbers",
                    "image_sets",
                    "memorisation_table",
                    "nearest",
                    "pace",
                    "paper_tables",
                    "passes",
                    "prior_gap_claims",
                    "prior_gap_tables",
                    "structure",
                    "table_formats",
                    "trainings",
                )
            ]
        ),
    output:
        tables=report(
            [path for path in paper_table_files(files, "{place}")],
            caption="../report/paper-tables.rst",
            category="Tables",
        ),
        record="{place}/tables/tables.json",
    log:
        "logs/{place}/tables.log",
    conda:
        ENVIRONMENT
    params:
        names=" ".join(table_names(files)),
    shell:
        "python -m sphere_repro paper-tables --log {log} {params.names} --table {input.table} "
        "--uniformity {input.uniformity} --images {input.images} --scores {input.scores} "
        "--rivals {input.rivals} --out {output.record}"
