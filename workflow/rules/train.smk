rule train:
    input:
        unpack(reads(places.model("{run}"))),
    output:
        model=places.model("{run}"),
        record=record_of(places.model("{run}")),
        curves=places.curves("{run}"),
    log:
        "logs/train/{run}.log",
    wildcard_constraints:
        run=one_of(files.trained),
    # the long jobs first, the Sphere Encoders before the shorter VAEs
    priority: 100
    conda:
        ENVIRONMENT
    # no parameters, threads and resources: how a model is computed makes no result old
    threads: lambda wildcards: execution_of(wildcards).processes
    resources:
        execution=lambda wildcards: jobs.as_text(
            execution_of(wildcards), defaults=False
        ),
        runtime=minutes(places.model("{run}")),
        gpu=lambda wildcards: of_one_machine(wildcards),
        nodes=lambda wildcards: execution_of(wildcards).nodes,
        # several machines: the verb itself starts one task on each of them
        gres=lambda wildcards: of_machines(
            wildcards, f"gpu:{execution_of(wildcards).processes}"
        ),
        tasks=lambda wildcards: of_machines(wildcards, execution_of(wildcards).nodes),
        tasks_per_gpu=lambda wildcards: of_machines(wildcards, 0),
        mpi=lambda wildcards: of_machines(wildcards, "srun"),
    params:
        job=job(places.model("{run}")),
        # no output: Snakemake would delete the curves of a training that is only interrupted
        live=lambda wildcards: places.live(wildcards.run),
    shell:
        "python -m sphere_repro train --log {log} --job {params.job:q} --execution {resources.execution:q} "
        "--data {input.data} --out {output.model} --curves {output.curves} --live {params.live} --state .state"


# Files of a hub were fetched before; those of a folder are part of the job, as a released checkpoint is.
rule import_pretrained:
    input:
        unpack(reads(places.model("{run}"))),
    output:
        model=places.model("{run}"),
        record=record_of(places.model("{run}")),
    log:
        "logs/import_pretrained/{run}.log",
    wildcard_constraints:
        run=one_of(files.pretrained),
    priority: 100
    conda:
        ENVIRONMENT
    params:
        job=job(places.model("{run}")),
    shell:
        "python -m sphere_repro import --log {log} --job {params.job:q} --out {output.model}"


# The checkpoint is part of the job, so that a clone without it has nothing to do.
rule import_released:
    input:
        unpack(reads(places.model("{run}"))),
    output:
        model=places.model("{run}"),
        record=record_of(places.model("{run}")),
    log:
        "logs/import_released/{run}.log",
    wildcard_constraints:
        run=one_of(files.imported),
    priority: 100
    conda:
        ENVIRONMENT
    params:
        job=job(places.model("{run}")),
    shell:
        "python -m sphere_repro import --log {log} --job {params.job:q} --out {output.model}"
