rule uniformity:
    input:
        unpack(reads(places.uniformity("{run}"))),
        code=modules(code.UNIFORMITY),
    output:
        result=places.uniformity("{run}"),
        points=places.uniformity("{run}").replace(".json", ".npz"),
    log:
        "logs/uniformity/{run}.log",
    conda:
        ENVIRONMENT
    params:
        job=job(places.uniformity("{run}")),
        baseline=lambda wildcards, input: (
            f"--baseline {input.baseline}" if input.get("baseline") else ""
        ),
    shell:
        "python -m sphere_repro uniformity --log {log} --job {params.job:q} "
        "--latents {input.latents} {params.baseline} --out {output.result}"
