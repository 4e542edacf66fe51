# Threads and resources of the jobs: what a cluster is asked for.
def preparing_threads(wildcards):
    """Files are decoded by several processes; what lies in memory by one."""
    source = files.archives[wildcards.archive].dataset.source
    return 1 if source.loader == "embedded" else 8


def execution_of(wildcards):
    return study.runs[wildcards.run].execution


def of_one_machine(wildcards):
    """GPUs of a training on one machine. Not of one on several: the plugin wants them all on the first."""
    execution = execution_of(wildcards)
    return execution.processes if execution.nodes == 1 else None


def of_machines(wildcards, value):
    """What only a training on several machines asks of the cluster (Snakemake leaves out None)."""
    return value if execution_of(wildcards).nodes > 1 else None
