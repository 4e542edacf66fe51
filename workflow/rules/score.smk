rule reference:
    input:
        job=f"{JOBS}/{HOME}/reference/{{archive}}.{{extractor}}.json",
        data="data/prepared/{archive}.zip",
        code=METRICS,
    output:
        features=f"{HOME}/reference/{{archive}}.{{extractor}}.npz",
        record=f"{HOME}/reference/{{archive}}.{{extractor}}.json",
    log:
        "logs/reference/{archive}.{extractor}.log",
    conda:
        ENVIRONMENT
    resources:
        gpu=1,
        nodes=1,
    params:
        job=lambda wildcards: jobs.as_text(
            jobs.reference_job(study, run_with(wildcards.archive), wildcards.extractor)
        ),
    shell:
        "python -m sphere_repro reference --log {log} --job {params.job:q} "
        "--data {input.data} --out {output.features}"


rule score:
    input:
        job=f"{JOBS}/{HOME}/{{run}}/scores.{{extractor}}.json",
        data=lambda wildcards: archive_of(wildcards.run),
        reference=lambda wildcards: (
            f"{HOME}/reference/{study.runs[wildcards.run].dataset.archive}.{wildcards.extractor}.npz"
        ),
        about=lambda wildcards: (
            f"{HOME}/reference/{study.runs[wildcards.run].dataset.archive}.{wildcards.extractor}.json"
        ),
        sets=lambda wildcards: set_files(wildcards.run),
        code=METRICS,
    output:
        f"{HOME}/{{run}}/scores.{{extractor}}.json",
    log:
        "logs/score/{run}.{extractor}.log",
    priority: 10
    conda:
        ENVIRONMENT
    resources:
        gpu=1,
        nodes=1,
    params:
        job=lambda wildcards: jobs.as_text(
            jobs.score_job(study, wildcards.run, wildcards.extractor)
        ),
    shell:
        "python -m sphere_repro score --log {log} --job {params.job:q} "
        "--data {input.data} --reference {input.reference} --sets {input.sets} --out {output}"
