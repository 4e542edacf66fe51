"""Every claim on a study's own results, as JSON, CSV and Markdown.

Each gives its numbers with their uncertainty and a verdict.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from sphere_repro.machine.files import write_text
from sphere_repro.provenance.integrity import write_record
from sphere_repro.provenance.record import provenance_of
from sphere_repro.results.copies_claim import copies_claim
from sphere_repro.results.degenerate import unmoved
from sphere_repro.results.distance_claims import chosen_kl, score_claims
from sphere_repro.results.emptiness_claims import emptiness_claims
from sphere_repro.results.image_claims import image_claims
from sphere_repro.results.nearest import read_memorisation
from sphere_repro.results.noise_angle_claim import noise_angle_claim
from sphere_repro.results.prior_gap_claims import prior_gap_claims
from sphere_repro.results.scores import model_record, read_scores, read_uniformity
from sphere_repro.results.statements import TEXTS, Claim
from sphere_repro.results.together import number_tested, together
from sphere_repro.results.uniformity_claim import uniformity_claim
from sphere_repro.results.verdicts import LEVEL
from sphere_repro.study.replicates import is_replicate


def claims(
    score_files: Sequence[Path],
    uniformity_files: Sequence[Path],
    out: Path,
    further: Mapping[Path, Sequence[Claim]] | None = None,
    *,
    images: Sequence[Path] = (),
    baselines: Mapping[str, str] | None = None,
) -> None:
    """Test every claim on the results; write `out` (JSON) and the table beside it as .csv and .md.

    Args:
        score_files: scores of every run with the study's main extractor.
        uniformity_files: the latents' statistics.
        out: the JSON.
        further: claims that were judged elsewhere, by the file that they were judged on.
        images: records of the runs' image sets.
        baselines: the VAE that a run's image sets are held against, by the run's name.

    Raises:
        UserError: a results file is missing or broken.
    """
    scores = [read_scores(path) for path in score_files]
    still = {run.run: why for run in scores if (why := unmoved(run.moved))}
    found = [*score_claims(scores)]
    judged = [read_uniformity(path) for path in uniformity_files]
    found += [uniformity_claim(data, still) for data in judged]
    found += [claim for data in judged if (claim := noise_angle_claim(data)) is not None]
    weights = {run.run: chosen_kl(run) for run in scores if run.kind != "sphere"}
    found += [claim for data in judged for claim in prior_gap_claims(data, still, weights)]
    found += emptiness_claims(scores)
    looked = [(run, read_memorisation(run.path)) for run in scores if not is_replicate(run.run)]
    found += [
        copies_claim(memory, {record.set: record.doubt for record in run.records})
        for run, memory in looked
        if memory and run.ablation is None
    ]
    found += image_claims(images, baselines or {}, still)
    further = further or {}
    found += [claim for others in further.values() for claim in others]
    found = together(sorted(found, key=lambda claim: [*TEXTS].index(claim.claim)))
    models = [model_record(run.path) for run in scores if run.kl is not None]
    inputs = {str(path): path for path in [*score_files, *models, *uniformity_files, *images, *further]}
    origin = provenance_of({}, inputs=inputs, code=("results/",))
    beside = {out.with_suffix(".csv"): as_csv(found), out.with_suffix(".md"): markdown(found)}
    for path, text in beside.items():
        write_text(path, text)
    write_record(out, {"claims": [claim.record() for claim in found], "provenance": origin}, beside)


def markdown(found: Sequence[Claim]) -> str:
    """The claims as a Markdown table, followed by the rules."""
    lines = ["| claim | run | metric | verdict | numbers |", "|---|---|---|---|---|"]
    for claim in found:
        cells = [claim.text, claim.run, claim.metric, f"**{claim.verdict}**", _numbers(claim, "<br>")]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    used = dict.fromkeys(claim.claim for claim in found)
    lines += ["", f"± is one standard error. {_correction(found)} A claim holds when:", ""]
    lines += [f"* *{TEXTS[name][0]}*: {TEXTS[name][1]}." for name in used]
    return "\n".join(lines) + "\n"


def _correction(found: Sequence[Claim]) -> str:
    """What the verdicts allow for."""
    return (
        f"{number_tested(found)} statements are tested at once: chance alone decides any of them in fewer "
        f"than {100 * LEVEL:g} % of such studies (Student's t with as many degrees of freedom as jackknife "
        "groups less one, or Welch's between trainings; Holm's correction)."
    )


def as_csv(found: Sequence[Claim]) -> str:
    """The claims as CSV, one row each."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["claim", "run", "dataset", "metric", "verdict", "numbers", "text", "rule"])
    for claim in found:
        row = [claim.claim, claim.run, claim.dataset, claim.metric, claim.verdict]
        writer.writerow([*row, _numbers(claim, "; "), claim.text, claim.rule])
    return buffer.getvalue()


def _numbers(claim: Claim, separator: str) -> str:
    parts = [f"{name} {number}" for name, number in claim.numbers.items()]
    return separator.join([*parts, *([claim.note] if claim.note else [])])
