# Which figures there are, and what each reads: src/sphere_repro/study/catalogue.py. The figure is the one that its
# notebook shows: one job imports and draws once.
rule figure:
    input:
        notebook=lambda wildcards: f"notebooks/{FIGURES[wildcards.figure].kind}.ipynb",
        results=lambda wildcards: list(FIGURES[wildcards.figure].inputs.values()),
        code=lambda wildcards: figure_code(FIGURES[wildcards.figure]),
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


# The figures of one subject, a run or the whole study, come from one job, which starts and imports once for all. A
# rule has a fixed list of outputs, so that subjects with other kinds have another rule, called draw_1, draw_2, …
for number, (names, runs) in enumerate(ALIKE.items(), 1):
    kinds = [name.removesuffix("-{run}") for name in names]

    workflow.ruleorder(f"draw_{number}", "figure")

    rule:
        name:
            f"draw_{number}"
        input:
            notebooks=[f"notebooks/{kind}.ipynb" for kind in kinds],
            results=lambda wildcards: list(
                dict.fromkeys(
                    path
                    for each in of_subject(wildcards)
                    for path in each.inputs.values()
                )
            ),
            code=lambda wildcards: figure_code(*of_subject(wildcards)),
        output:
            images=[
                report(
                    f"{{place}}/figures/{name}.png",
                    caption=figure_caption(kind),
                    category="Figures",
                )
                for name, kind in zip(names, kinds)
            ],
            vectors=[f"{{place}}/figures/{name}.pdf" for name in names],
            records=[f"{{place}}/figures/{name}.json" for name in names],
            numbers=[f"{{place}}/figures/{name}.csv" for name in names],
            notebooks=[
                report(
                    f"{{place}}/notebooks/{name}.ipynb",
                    caption="../report/notebook.rst",
                    category="Notebooks",
                )
                for name in names
            ],
        log:
            f"logs/{{place}}/figures{'-{run}' if '{run}' in names[0] else ''}.log",
        wildcard_constraints:
            run=one_of(runs),
        conda:
            ENVIRONMENT
        params:
            job=lambda wildcards: figures_job(of_subject(wildcards)).as_text(),
        shell:
            "env JUPYTER_PATH=workflow/jupyter python -m sphere_repro figures --job {params.job:q} "
            "--log {log} --folder {wildcards.place}"


# Figures that turn: what the catalogue marks as having a page.
rule page:
    input:
        results=lambda wildcards: list(FIGURES[wildcards.figure].inputs.values()),
        code=lambda wildcards: figure_code(FIGURES[wildcards.figure]),
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
