"""The tables of how far latents are from the prior, and of images that are nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sphere_repro.results.emptiness import HEADS, MEASURES, PRIOR_PATH_WORDS, read_emptiness
from sphere_repro.results.nearest import NOISE, WORDS
from sphere_repro.results.prior_gap_claims import ORDER
from sphere_repro.results.prior_gap_claims import WORDS as STATISTICS
from sphere_repro.results.scores import read_uniformity, set_label
from sphere_repro.results.table_formats import Line, Measured, Table

PRIORS = {"sphere": "uniform on the sphere", "normal": "standard normal"}
SAMPLES = {"gap": "latents", "same": "control: the prior again", "planted": "control: a planted gap"}


def of_posterior_gap(paths: Sequence[Path]) -> Table:
    """Every statistic of every model's latents against its prior, and of the two controls."""
    lines: list[Line] = []
    for path in paths:
        found = read_uniformity(path)
        runs = {"latents": found["run"], "baseline": found.get("baseline_run")}
        for key, run in runs.items():
            if not (gap := (found.get("prior_gap") or {}).get(key)):
                continue
            for sample, words in SAMPLES.items():
                lines += [_line(str(run), words, gap, sample, name) for name in ORDER]
    title = (
        "Latents of training images against as many draws of the prior. The effect is the AUC of a "
        "classifier (0.5: alike), of the kernel MMD² its share of the mean kernel within the samples (0: "
        "alike, at most about 0.4), of the sliced Wasserstein distance what it has beyond chance, in the "
        "prior's deviations; the null and p are of random exchanges."
    )
    return Table(title, lines)


def _line(run: str, words: str, gap: Mapping[str, Any], sample: str, name: str) -> Line:
    found = gap[sample][name]
    error = f"{found['se']:.6g}" if "se" in found else ""
    return {
        "run": run,
        "prior": PRIORS[gap["prior"]],
        "compared": words,
        "statistic": STATISTICS[name],
        "points": str(gap["count"]),
        "dimension": str(gap["dimension"]),
        "effect": Measured(f"{found['effect']:.6g}", error),
        "value": Measured(f"{found['value']:.6g}"),
        "of the null": Measured(f"{found['null_mean']:.6g}"),
        "its 95 % quantile": Measured(f"{found['null_q95']:.6g}"),
        "p": f"{found['p']:.3g}",
    }


def of_prior_emptiness(paths: Sequence[Path]) -> Table:
    """The share of images that are nothing, of sets, along the way to the prior, and of controls."""
    lines: list[Line] = []
    for path in paths:
        found = read_emptiness(path)
        for measure in MEASURES if found else ():
            assert found is not None
            about = found.about["measures"][measure]
            groups = {f"control: {found.control}": about["control"], f"control: {WORDS[NOISE]}": about[NOISE]}
            groups |= {set_label(name): shares[measure] for name, shares in found.sets.items()}
            if found.path:
                along = zip(found.path["points"], found.path["measures"][measure]["shares"], strict=True)
                groups |= {f"{PRIOR_PATH_WORDS}, t = {t:.3g}": counted for t, counted in along}
            lines += [
                {
                    "run": found.run,
                    "model": found.kind,
                    "measure": HEADS[measure],
                    "images": words,
                    "count": str(counted["count"]),
                    "share that is nothing": Measured(f"{counted['share']:.6g}"),
                    "95 % from": Measured(f"{counted['low']:.6g}"),
                    "95 % to": Measured(f"{counted['high']:.6g}"),
                    "beyond": Measured(f"{about['beyond']:.6g}"),
                }
                for words, counted in groups.items()
            ]
    title = (
        "Images farther from every training image, in features, than 95 % of real images are, with "
        "Clopper-Pearson intervals."
    )
    return Table(title, lines)
