rule reference:
    input:
        unpack(reads(places.reference("{archive}", "{extractor}"))),
        code=modules(code.SCORE),
    output:
        features=places.reference("{archive}", "{extractor}"),
        record=record_of(places.reference("{archive}", "{extractor}")),
    log:
        "logs/reference/{archive}.{extractor}.log",
    conda:
        ENVIRONMENT
    resources:
        gpu=1,
        nodes=1,
        runtime=minutes(places.reference("{archive}", "{extractor}")),
    params:
        job=job(places.reference("{archive}", "{extractor}")),
    shell:
        "python -m sphere_repro reference --log {log} --job {params.job:q} "
        "--data {input.data} --out {output.features} --state .state"


rule score:
    input:
        unpack(reads(places.scores("{run}", "{extractor}"))),
        code=modules(code.SCORE),
    output:
        scores=places.scores("{run}", "{extractor}"),
        neighbours=places.neighbours("{run}", "{extractor}"),
    log:
        "logs/score/{run}.{extractor}.log",
    priority: 10
    conda:
        ENVIRONMENT
    resources:
        gpu=1,
        nodes=1,
        runtime=minutes(places.scores("{run}", "{extractor}")),
    params:
        job=job(places.scores("{run}", "{extractor}")),
    shell:
        "python -m sphere_repro score --log {log} --job {params.job:q} "
        "--data {input.data} --reference {input.reference} --sets {input.sets} --out {output.scores} "
        "--state .state"
