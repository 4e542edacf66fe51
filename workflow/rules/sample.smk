rule sample:
    input:
        unpack(reads(places.sample("{run}", "{set}"))),
    output:
        images=places.sample("{run}", "{set}"),
        record=record_of(places.sample("{run}", "{set}")),
    log:
        "logs/sample/{run}/{set}.log",
    conda:
        ENVIRONMENT
    # no parameters: how many processes share a set makes no result old
    threads: lambda wildcards: sampling_of(wildcards).processes
    resources:
        processes=lambda wildcards: sampling_of(wildcards).processes,
        gpu=lambda wildcards: sampling_of(wildcards).processes,
        nodes=1,
        runtime=minutes(places.sample("{run}", "{set}")),
        disk_mb=lambda wildcards: asked.disk_mb(
            STEPS[record_of(places.sample(wildcards.run, wildcards.set))]
        ),
    params:
        job=job(places.sample("{run}", "{set}")),
    shell:
        "python -m sphere_repro sample --log {log} --job {params.job:q} --processes {resources.processes} "
        "--model {input.model} --data {input.data} --out {output.images} --state .state"


rule encode:
    input:
        unpack(reads(places.latents("{run}"))),
    output:
        latents=places.latents("{run}"),
        record=record_of(places.latents("{run}")),
    log:
        "logs/encode/{run}.log",
    conda:
        ENVIRONMENT
    resources:
        gpu=1,
        nodes=1,
        runtime=minutes(places.latents("{run}")),
    params:
        job=job(places.latents("{run}")),
    shell:
        "python -m sphere_repro encode --log {log} --job {params.job:q} "
        "--model {input.model} --data {input.data} --out {output.latents} --state .state"
