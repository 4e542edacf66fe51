rule uniformity:
    input:
        job=f"{JOBS}/{UNIFORMITY}/{{run}}.json",
        latents=f"{HOME}/{{run}}/latents.npz",
        baseline=lambda wildcards: baseline_latents(wildcards.run),
        code=modules("metrics/uniformity"),
    output:
        result=f"{UNIFORMITY}/{{run}}.json",
        points=f"{UNIFORMITY}/{{run}}.npz",
    log:
        "logs/uniformity/{run}.log",
    conda:
        ENVIRONMENT
    params:
        job=lambda wildcards: jobs.as_text(jobs.uniformity_job(study, wildcards.run)),
        baseline=lambda wildcards, input: (
            f"--baseline {input.baseline}" if input.baseline else ""
        ),
    shell:
        "python -m sphere_repro uniformity --log {log} --job {params.job:q} "
        "--latents {input.latents} {params.baseline} --out {output.result}"
