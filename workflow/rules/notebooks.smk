# Papermill in a shell line: its notebook is an ordinary output (the notebook: directive leaves only a log).
rule notebook:
    input:
        notebook=lambda wildcards: f"notebooks/{FIGURES[wildcards.figure].kind}.ipynb",
        results=lambda wildcards: list(FIGURES[wildcards.figure].inputs.values()),
        code=figure_code,
    output:
        report(
            "{place}/notebooks/{figure}.ipynb",
            caption="../report/notebook.rst",
            category="Notebooks",
        ),
    log:
        "logs/{place}/notebooks/{figure}.log",
    conda:
        ENVIRONMENT
    params:
        parameters=lambda wildcards: FIGURES[wildcards.figure].parameters,
    shell:
        "env JUPYTER_PATH=workflow/jupyter python -m sphere_repro tied python -m papermill --kernel python3 "
        "--no-progress-bar --log-level WARNING --parameters_yaml {params.parameters:q} {input.notebook} {output} > {log} 2>&1"
