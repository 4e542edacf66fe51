rule sample:
    input:
        job=f"{JOBS}/{HOME}/{{run}}/samples/{{set}}.json",
        model=f"{HOME}/{{run}}/model.safetensors",
        data=lambda wildcards: archive_of(wildcards.run),
    output:
        images=f"{HOME}/{{run}}/samples/{{set}}.zip",
        record=f"{HOME}/{{run}}/samples/{{set}}.json",
    log:
        "logs/sample/{run}/{set}.log",
    conda:
        ENVIRONMENT
    resources:
        gpu=1,
        nodes=1,
    params:
        job=lambda wildcards: jobs.as_text(
            jobs.sample_job(study, wildcards.run, wildcards.set)
        ),
    shell:
        "python -m sphere_repro sample --log {log} --job {params.job:q} "
        "--model {input.model} --data {input.data} --out {output.images}"


rule encode:
    input:
        job=f"{JOBS}/{HOME}/{{run}}/latents.json",
        model=f"{HOME}/{{run}}/model.safetensors",
        data=lambda wildcards: archive_of(wildcards.run),
    output:
        latents=f"{HOME}/{{run}}/latents.npz",
        record=f"{HOME}/{{run}}/latents.json",
    log:
        "logs/encode/{run}.log",
    conda:
        ENVIRONMENT
    resources:
        gpu=1,
        nodes=1,
    params:
        job=lambda wildcards: jobs.as_text(jobs.encode_job(study, wildcards.run)),
    shell:
        "python -m sphere_repro encode --log {log} --job {params.job:q} "
        "--model {input.model} --data {input.data} --out {output.latents}"
