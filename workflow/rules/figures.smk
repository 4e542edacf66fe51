rule figure_samples:
    input:
        results=lambda wildcards: list(samples_inputs(wildcards.run).values()),
        code=modules(
            "figures/samples",
            "figures/style",
            "results/degenerate",
            "results/scores",
            "results/variety",
        ),
    output:
        image=report(
            "{place}/figures/samples-{run}.png",
            caption="../report/samples.rst",
            category="Figures",
        ),
        record="{place}/figures/samples-{run}.json",
    log:
        "logs/{place}/figures/samples-{run}.log",
    conda:
        "../../environment.yml"
    params:
        inputs=lambda wildcards: pairs(samples_inputs(wildcards.run)),
    shell:
        "python -m sphere_repro figure samples {params.inputs} --subject {wildcards.run} --log {log} "
        "--out {output.image}"


rule figure_posterior_hole:
    input:
        results=lambda wildcards: list(posterior_hole_inputs(wildcards.run).values()),
        code=modules(
            "figures/posterior_hole",
            "figures/style",
            "results/degenerate",
            "results/scores",
        ),
    output:
        image=report(
            "{place}/figures/posterior-hole-{run}.png",
            caption="../report/posterior-hole.rst",
            category="Figures",
        ),
        record="{place}/figures/posterior-hole-{run}.json",
    log:
        "logs/{place}/figures/posterior-hole-{run}.log",
    conda:
        "../../environment.yml"
    params:
        inputs=lambda wildcards: pairs(posterior_hole_inputs(wildcards.run)),
    shell:
        "python -m sphere_repro figure posterior-hole {params.inputs} --subject {wildcards.run} --log {log} "
        "--out {output.image}"


rule figure_uniformity:
    input:
        result=f"{UNIFORMITY}/{{run}}.json",
        points=f"{UNIFORMITY}/{{run}}.npz",
        code=modules("figures/uniformity", "figures/style", "results/scores"),
    output:
        image=report(
            "{place}/figures/uniformity-{run}.png",
            caption="../report/uniformity.rst",
            category="Figures",
        ),
        record="{place}/figures/uniformity-{run}.json",
    log:
        "logs/{place}/figures/uniformity-{run}.log",
    conda:
        "../../environment.yml"
    shell:
        "python -m sphere_repro figure uniformity result={input.result} --subject {wildcards.run} --log {log} "
        "--out {output.image}"


rule figure_distance_by_steps:
    input:
        results=list(all_scores_inputs().values()),
        code=modules(
            "figures/distance_by_steps",
            "figures/style",
            "results/degenerate",
            "results/scores",
        ),
    output:
        image=report(
            "{place}/figures/distance-by-steps.png",
            caption="../report/distance-by-steps.rst",
            category="Figures",
        ),
        record="{place}/figures/distance-by-steps.json",
    log:
        "logs/{place}/figures/distance-by-steps.log",
    conda:
        "../../environment.yml"
    params:
        inputs=pairs(all_scores_inputs()),
    shell:
        "python -m sphere_repro figure distance-by-steps {params.inputs} --log {log} --out {output.image}"


rule figure_training_curves:
    input:
        results=list(all_curves_inputs().values()),
        code=modules("figures/training_curves", "figures/style", "results/degenerate"),
    output:
        image=report(
            "{place}/figures/training-curves.png",
            caption="../report/training-curves.rst",
            category="Figures",
        ),
        record="{place}/figures/training-curves.json",
    log:
        "logs/{place}/figures/training-curves.log",
    conda:
        "../../environment.yml"
    params:
        inputs=pairs(all_curves_inputs()),
    shell:
        "python -m sphere_repro figure training-curves {params.inputs} --log {log} --out {output.image}"


rule figure_ablations:
    input:
        results=list(all_scores_inputs().values()),
        code=modules(
            "figures/ablations",
            "figures/style",
            "results/degenerate",
            "results/scores",
        ),
    output:
        image=report(
            "{place}/figures/ablations.png",
            caption="../report/ablations.rst",
            category="Figures",
        ),
        record="{place}/figures/ablations.json",
    log:
        "logs/{place}/figures/ablations.log",
    conda:
        "../../environment.yml"
    params:
        inputs=pairs(all_scores_inputs()),
    shell:
        "python -m sphere_repro figure ablations {params.inputs} --log {log} --out {output.image}"
