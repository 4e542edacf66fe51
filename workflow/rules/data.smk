# Other studies wait for what they share with this one: it comes first (workflow/scripts/run.py).
FIRST = 1


# The record is the only output: Snakemake would delete half-made downloads, which the verb takes up again.
rule download:
    output:
        downloads_file("{dataset}"),
    log:
        "logs/download/{dataset}.log",
    wildcard_constraints:
        dataset="|".join(name for name, source in SOURCES.items() if source.files),
    priority: FIRST
    # on a cluster: where Snakemake runs, since machines that compute often have no network
    localrule: True
    conda:
        ENVIRONMENT
    shell:
        "python -m sphere_repro download {wildcards.dataset} --log {log}"


# As with datasets, the record is the only output.
rule fetch:
    output:
        f"{PRETRAINED}/{{model}}.json",
    log:
        "logs/fetch/{model}.log",
    wildcard_constraints:
        model=one_of(map(re.escape, files.fetched)),
    priority: FIRST
    # on a cluster: where Snakemake runs, since machines that compute often have no network
    localrule: True
    conda:
        ENVIRONMENT
    params:
        model=lambda wildcards: jobs.as_text(files.fetched[wildcards.model]),
    shell:
        "python -m sphere_repro fetch --model {params.model:q} --log {log}"


rule prepare:
    input:
        unpack(reads(archive_file("{archive}"))),
    output:
        archive=archive_file("{archive}"),
        record=record_of(archive_file("{archive}")),
    log:
        "logs/prepare/{archive}.log",
    priority: FIRST
    conda:
        ENVIRONMENT
    threads: preparing_threads
    resources:
        runtime=minutes(archive_file("{archive}"), preparing_threads),
    params:
        job=job(archive_file("{archive}")),
    shell:
        "python -m sphere_repro prepare --log {log} --job {params.job:q} --threads {threads} --out {output.archive}"
