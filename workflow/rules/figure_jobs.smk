# Which figures a job draws: one, or all those of one subject together.
from sphere_repro.machine.files import write_text
from sphere_repro.study.figures_job import drawn_together, figures_job

WANTED = catalogue.wanted(files)


def figure_files(place, name):
    """What is made of a figure."""
    forms = [f"{place}/figures/{name}.{form}" for form in ("png", "pdf", "json", "csv")]
    return [*forms, f"{place}/notebooks/{name}.ipynb"]


def asked_alone():
    """Figures that the command line names, not with all of their subject, before all are there.

    They need nothing that only the others read.
    """
    # Snakemake tells of its targets only when it knows the rules.
    named = {os.path.normpath(word) for word in sys.argv[1:]}
    found = set()
    for place in PLACES:
        for figures in drawn_together(WANTED.values()).values():
            made = {each.name: figure_files(place, each.name) for each in figures}
            asked = {name for name, paths in made.items() if named & {*paths}}
            if asked != made.keys() and not all(
                map(os.path.isfile, sum(made.values(), []))
            ):
                found |= asked
    return found


ALONE = asked_alone()
TOGETHER = drawn_together(
    figure for name, figure in WANTED.items() if name not in ALONE
)


# Subjects with the same kinds of figures: names of these, with a wildcard for the run → the runs.
ALIKE = {}
for run, figures in TOGETHER.items():
    names = tuple(f"{each.kind}-{{run}}" if run else each.kind for each in figures)
    ALIKE.setdefault(names, []).append(run)


def of_subject(wildcards):
    """The figures that one job draws."""
    return TOGETHER[wildcards.get("run", "")]


def figure_caption(kind):
    """A file with what the report says of a kind of figure: it has no word for which of many outputs it shows."""
    path = Path(".state/captions", f"{kind}.rst").absolute()
    if workflow.is_main_process:
        write_text(path, catalogue.KINDS[kind].caption)
    return path
