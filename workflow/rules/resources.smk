# Threads and resources of the jobs: what a cluster is asked for.
from sphere_repro.planning.times import Asked, read_limits

try:
    asked = Asked(study, read_limits(PACKAGE.parents[1] / "profiles/slurm/limits.yaml"))
except UserError as error:
    stop(error)


def preparing_threads(wildcards):
    """Files are decoded by several processes; what lies in memory by one."""
    source = files.archives[wildcards.archive].dataset.source
    return 1 if source.loader == "embedded" else 8


def minutes(path, processors=lambda wildcards: 1):
    """The time limit of the job whose result is `path`, a pattern (profiles/slurm/limits.yaml)."""

    def found(wildcards):
        step = STEPS.get(record_of(path.format(**wildcards)))
        return asked.minutes(step, processors=processors(wildcards)) if step else None

    return found


def steps_together(wildcards):
    """The sample sets of a run that one job draws."""
    return [STEPS[record_of(path)] for path in files.drawn(wildcards.run).values()]


def sampling_of(wildcards):
    return study.runs[wildcards.run].sampling


def execution_of(wildcards):
    return study.runs[wildcards.run].execution


def of_one_machine(wildcards):
    """GPUs of a training on one machine. Not of one on several: the plugin wants them all on the first."""
    execution = execution_of(wildcards)
    return execution.processes if execution.nodes == 1 else None


def of_machines(wildcards, value):
    """What only a training on several machines asks of the cluster (Snakemake leaves out None)."""
    return value if execution_of(wildcards).nodes > 1 else None
