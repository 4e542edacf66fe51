rule prepare:
    input:
        job=f"{JOBS}/data/prepared/{{archive}}.json",
    output:
        archive="data/prepared/{archive}.zip",
        record="data/prepared/{archive}.json",
    log:
        "logs/prepare/{archive}.log",
    conda:
        "../../environment.yml"
    params:
        job=lambda wildcards: jobs.as_text(
            jobs.prepare_job(run_with(wildcards.archive))
        ),
    shell:
        "python -m sphere_repro prepare --log {log} --job {params.job:q} --out {output.archive}"
