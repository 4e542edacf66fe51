# The record is the only output: Snakemake would delete half-made downloads, which the verb takes up again.
rule download:
    output:
        "data/raw/{dataset}.json",
    log:
        "logs/download/{dataset}.log",
    wildcard_constraints:
        dataset="|".join(name for name, source in SOURCES.items() if source.files),
    # on a cluster: where Snakemake runs, since machines that compute often have no network
    localrule: True
    conda:
        ENVIRONMENT
    shell:
        "python -m sphere_repro download {wildcards.dataset} --log {log}"


rule prepare:
    input:
        job=f"{JOBS}/data/prepared/{{archive}}.json",
        raw=lambda wildcards: raw_record(run_with(wildcards.archive)),
    output:
        archive="data/prepared/{archive}.zip",
        record="data/prepared/{archive}.json",
    log:
        "logs/prepare/{archive}.log",
    conda:
        ENVIRONMENT
    threads: lambda wildcards: preparing_threads(run_with(wildcards.archive))
    params:
        job=lambda wildcards: jobs.as_text(planned(run_with(wildcards.archive))),
    shell:
        "python -m sphere_repro prepare --log {log} --job {params.job:q} --threads {threads} --out {output.archive}"
