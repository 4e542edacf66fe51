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
    resources:
        gpu=1,
        nodes=1,
    params:
        job=job(places.sample("{run}", "{set}")),
    shell:
        "python -m sphere_repro sample --log {log} --job {params.job:q} "
        "--model {input.model} --data {input.data} --out {output.images}"


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
    params:
        job=job(places.latents("{run}")),
    shell:
        "python -m sphere_repro encode --log {log} --job {params.job:q} "
        "--model {input.model} --data {input.data} --out {output.latents}"
