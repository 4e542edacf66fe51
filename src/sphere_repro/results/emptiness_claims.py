"""The statements on images that are nothing, tested on the scores of a study's runs."""

from __future__ import annotations

from collections.abc import Sequence

from sphere_repro.results import trainings
from sphere_repro.results.compared import joined
from sphere_repro.results.distance_claims import chosen_kl
from sphere_repro.results.emptiness import MEASURES, Found, read_emptiness
from sphere_repro.results.nearest import NOISE
from sphere_repro.results.scores import RunScores
from sphere_repro.results.statements import FEWEST_UNITS, LEAST_FOUND, Claim, claim_of
from sphere_repro.results.trainings import Trained, across, error_of_mean, grouped, over
from sphere_repro.results.verdicts import UNDECIDED, Number, decide, difference, every, share

VAES = ("vae", "pretrained-vae")
Group = list[tuple[RunScores, Found]]  # the trainings of one run


def emptiness_claims(runs: Sequence[RunScores]) -> list[Claim]:
    """The claims on every VAE's prior, and on it beside the Sphere Encoder's; none of ablations.

    Raises:
        UserError: a scores file is missing or is not of today, or trainings were not scored in the same way.
    """
    groups = [
        [(run, found) for run in group if (found := read_emptiness(run.path))]
        for group in grouped(runs)
        if group[0].ablation is None
    ]
    groups = [group for group in groups if group]
    claims = []
    for group in groups:
        run = group[0][0]
        if run.kind == "sphere":
            wanted = ("vae", run.dataset, run.metric)
            vaes = (o for o in groups if (o[0][0].kind, o[0][0].dataset, o[0][0].metric) == wanted)
            if (vae := next(vaes, None)) is not None:
                claims.append(_emptier(group, vae))
        elif run.kind in VAES and group[0][1].path is not None:
            claims.append(_grows(*group[0]))
    return claims


def _emptier(sphere: Group, vae: Group) -> Claim:
    """The trainings of a VAE against those of a Sphere Encoder, by the deviation between trainings."""
    name, run = "vae-prior-is-emptier", sphere[0][0]
    measures, notes = _fit(sphere[0][1])
    if any(found.prior is None for _, found in (*sphere, *vae)):
        note = "it takes one-step samples of the run, and prior samples of a VAE on the same dataset"
        return claim_of(name, run.run, run.dataset, run.metric, UNDECIDED, {}, note)
    numbers: dict[str, Number] = {}
    leads: list[Number | None] = []
    sides: list[tuple[str, Trained]] = []
    for measure in MEASURES:
        own, other = _empty(sphere, measure), _empty(vae, measure)
        sides = [(run.run, own), (vae[0][0].run, other)]
        lead = across(other, own)
        numbers |= {
            f"{measure}, 1 step": own.number,
            f"{measure}, VAE's prior": other.number,
            f"{measure}, difference": lead or difference(other.number, own.number),
        }
        leads += [lead] if measure in measures else []
    known = [lead for lead in leads if lead is not None]
    tested = known if len(known) == len(leads) else []
    verdict = every(map(decide, tested)) if tested else UNDECIDED
    note = joined(*notes, trainings.words(*sides), chosen_kl(vae[0][0]))
    return claim_of(name, run.run, run.dataset, run.metric, verdict, numbers, note, tested)


def _empty(group: Group, measure: str) -> Trained:
    """The share of empty images among prior draws: its mean over trainings."""
    shares = []
    for run, found in group:
        assert found.prior is not None
        counted, score = found.sets[found.prior][measure], run.find(found.prior)
        doubt = f"{run.run} {score.set}: {score.doubt}" if score and score.doubt else ""
        shares.append(share(counted["empty"], counted["count"], doubt))
    value, deviation = over([each.value for each in shares])
    sampling = error_of_mean([each.se for each in shares])
    doubt = "; ".join(dict.fromkeys(each.doubt for each in shares if each.doubt))
    return Trained(value, sampling, shares[0].freedom, len(shares), deviation, doubt)


def _grows(run: RunScores, found: Found) -> Claim:
    """Both ends of the paths of one VAE, the first training.

    An end says nothing where the set that is drawn alike says nothing: reconstructions, or prior draws.
    """
    name = "emptiness-grows-to-the-prior"
    assert found.path is not None
    measures, notes = _fit(found)
    numbers: dict[str, Number] = {}
    tested = []
    for measure in MEASURES:
        along = found.path["measures"][measure]
        for end, place, alike in (("posterior", 0, "reconstruction"), ("prior", -1, "prior")):
            counted, beside = along["shares"][place], run.find(alike)
            doubt = f"{alike}: {beside.doubt}" if beside and beside.doubt else ""
            empty = round(counted["share"] * counted["count"])
            numbers[f"{measure}, {end}"] = share(empty, counted["count"], doubt)
        growth = along["growth"]
        number = Number(growth["value"], growth["se"], growth["paths"] - 1)
        numbers[f"{measure}, growth"] = number
        tested += [number] if measure in measures else []
    if found.path["paths"] < FEWEST_UNITS:
        notes.append(f"there are {found.path['paths']} paths: it takes {FEWEST_UNITS}")
        tested = []
    verdict = every(map(decide, tested)) if tested else UNDECIDED
    note = joined(*notes, f"{found.path['paths']} paths", chosen_kl(run))
    return claim_of(name, run.run, run.dataset, run.metric, verdict, numbers, note, tested)


def _fit(found: Found) -> tuple[list[str], list[str]]:
    """The measures that find noise, and what is to be said: of those that do not, and of the control."""
    notes = [f"control: {found.control}"]
    fit = []
    for measure, about in found.about["measures"].items():
        if about[NOISE]["share"] >= LEAST_FOUND:
            fit.append(measure)
            continue
        notes.append(
            f"'{measure}' finds {100 * about[NOISE]['share']:.0f} % of the images of noise, so that it would "
            "miss others: not judged by it"
        )
    return fit, notes
