rule sample:
    input:
        unpack(reads(places.sample("{run}", "{set}"))),
    output:
        images=places.sample("{run}", "{set}"),
        record=record_of(places.sample("{run}", "{set}")),
    log:
        "logs/sample/{run}/{set}.log",
    wildcard_constraints:
        run=one_of(run for run in study.runs if run not in files.together),
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


# Small sets of a run come from one job, which starts, loads torch and reads the model once for all of them. A
# rule has a fixed list of outputs, so that runs with other sets have another rule, called samples_1, samples_2, …
# `update`: what stands is left where it is, and the verb draws what is missing or old.
for number, sets in enumerate(
    dict.fromkeys(study.runs[run].drawn for run in files.together), 1
):
    # profiles speak of `samples`, whatever its number
    settings = workflow.resource_settings._parsed_overwrite_resources
    settings |= (
        {f"samples_{number}": settings["samples"]} if "samples" in settings else {}
    )

    rule:
        name:
            f"samples_{number}"
        input:
            jobs=functools.partial(jobs_together, f"samples_{number}"),
            model=places.model("{run}"),
            data=lambda wildcards: files.archive_of(wildcards.run),
        output:
            images=[update(places.sample("{run}", name)) for name in sets],
            records=[update(record_of(places.sample("{run}", name))) for name in sets],
        log:
            "logs/samples/{run}.log",
        wildcard_constraints:
            run=one_of(run for run in files.together if study.runs[run].drawn == sets),
        conda:
            ENVIRONMENT
        resources:
            gpu=1,
            nodes=1,
            runtime=lambda wildcards: asked.minutes(*steps_together(wildcards)),
            disk_mb=lambda wildcards: asked.disk_mb(*steps_together(wildcards)),
        params:
            folder=places.samples("{run}"),
        shell:
            "python -m sphere_repro samples --log {log} --jobs {input.jobs:q} "
            "--model {input.model} --data {input.data} --folder {params.folder} --state .state"


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
