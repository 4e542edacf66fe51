# Papermill in a shell line: its notebook is an ordinary output (the notebook: directive leaves only a log).
rule notebook_of_run:
    input:
        notebook="notebooks/{figure}.ipynb",
        results=lambda wildcards: paths_in(
            notebook_inputs(wildcards.figure, wildcards.run)
        ),
        code=lambda wildcards: modules(
            f"figures/{wildcards.figure.replace('-', '_')}",
            "figures/style",
            "results/scores",
        ),
    output:
        report(
            "{place}/notebooks/{figure}-{run}.ipynb",
            caption="../report/notebook.rst",
            category="Notebooks",
        ),
    log:
        "logs/{place}/notebooks/{figure}-{run}.log",
    wildcard_constraints:
        figure="samples|posterior-hole|uniformity",
    conda:
        ENVIRONMENT
    params:
        inputs=lambda wildcards: notebook_text(wildcards.figure, wildcards.run),
    shell:
        "env JUPYTER_PATH=workflow/jupyter python -m sphere_repro tied python -m papermill --kernel python3 --no-progress-bar --log-level WARNING "
        "--parameters_yaml {params.inputs:q} {input.notebook} {output} > {log} 2>&1"


rule notebook_of_study:
    input:
        notebook="notebooks/{figure}.ipynb",
        results=lambda wildcards: paths_in(notebook_inputs(wildcards.figure, None)),
        code=lambda wildcards: modules(
            f"figures/{wildcards.figure.replace('-', '_')}",
            "figures/style",
            "results/scores",
        ),
    output:
        report(
            "{place}/notebooks/{figure}.ipynb",
            caption="../report/notebook.rst",
            category="Notebooks",
        ),
    log:
        "logs/{place}/notebooks/{figure}.log",
    wildcard_constraints:
        figure="distance-by-steps|training-curves|ablations",
    conda:
        ENVIRONMENT
    params:
        inputs=lambda wildcards: notebook_text(wildcards.figure, None),
    shell:
        "env JUPYTER_PATH=workflow/jupyter python -m sphere_repro tied python -m papermill --kernel python3 --no-progress-bar --log-level WARNING "
        "--parameters_yaml {params.inputs:q} {input.notebook} {output} > {log} 2>&1"
