# Which figures there are, and what each reads: src/sphere_repro/study/catalogue.py. The figure is the one that its
# notebook shows: one job imports and draws once.
rule figure:
    input:
        notebook=lambda wildcards: f"notebooks/{FIGURES[wildcards.figure].kind}.ipynb",
        results=lambda wildcards: list(FIGURES[wildcards.figure].inputs.values()),
        code=figure_code,
    output:
        image=report(
            "{place}/figures/{figure}.png",
            caption="../report/figure.rst",
            category="Figures",
        ),
        vectors="{place}/figures/{figure}.pdf",
        record="{place}/figures/{figure}.json",
        numbers="{place}/figures/{figure}.csv",
        notebook=report(
            "{place}/notebooks/{figure}.ipynb",
            caption="../report/notebook.rst",
            category="Notebooks",
        ),
    log:
        "logs/{place}/figures/{figure}.log",
    conda:
        ENVIRONMENT
    params:
        kind=lambda wildcards: FIGURES[wildcards.figure].kind,
        subject=lambda wildcards: subject(FIGURES[wildcards.figure]),
        inputs=lambda wildcards: pairs(FIGURES[wildcards.figure].inputs),
        caption=lambda wildcards: FIGURES[wildcards.figure].caption,
    shell:
        "env JUPYTER_PATH=workflow/jupyter python -m sphere_repro figure {params.kind} {params.inputs} "
        "{params.subject} --log {log} --notebook {input.notebook} --executed {output.notebook} --out {output.image}"


# Figures that turn: what the catalogue marks as having a page.
rule page:
    input:
        results=lambda wildcards: list(FIGURES[wildcards.figure].inputs.values()),
        code=figure_code,
    output:
        page=report(
            "{place}/pages/{figure}.html",
            caption="../report/figure.rst",
            category="Figures",
        ),
        record="{place}/pages/{figure}.json",
    log:
        "logs/{place}/pages/{figure}.log",
    conda:
        ENVIRONMENT
    params:
        kind=lambda wildcards: FIGURES[wildcards.figure].kind,
        subject=lambda wildcards: subject(FIGURES[wildcards.figure]),
        inputs=lambda wildcards: pairs(FIGURES[wildcards.figure].inputs),
        caption=lambda wildcards: FIGURES[wildcards.figure].caption,
    shell:
        "python -m sphere_repro page {params.kind} {params.inputs} {params.subject} --log {log} "
        "--out {output.page}"
