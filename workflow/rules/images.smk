# All image sets of a run in one job: they are small, and each job would load the model.
rule images:
    input:
        unpack(reads(places.images("{run}"))),
    output:
        record=places.images_record("{run}"),
        sets=directory(places.images("{run}")),
    log:
        "logs/images/{run}.log",
    wildcard_constraints:
        run=one_of(files.shown),
    conda:
        ENVIRONMENT
    resources:
        gpu=1,
        nodes=1,
    params:
        job=job(places.images("{run}")),
    shell:
        "python -m sphere_repro images --log {log} --job {params.job:q} "
        "--model {input.model} --data {input.data} --out {output.record}"
