"""Who is in the cohort: centre, grade, person, site, and the three planted signals.

A subject is drawn from its own random stream, by seed, centre and number: it is the same person
in a cohort of 6 and of 203, on one worker or on ten.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from radlas.phantom.scanners import SCANNERS, Scanner

# Distance between the grades' means, in standard deviations within a grade.
STRENGTHS: Mapping[str, float] = {"intratumoral": 1.3, "ring": 1.2, "deep": 1.6}
SIZE_STRENGTH, AGE_STRENGTH = 0.3, 0.25
SHARED = 0.12  # correlation of the signals within a grade: partly independent, as in patients
REGIONS: Mapping[str, float] = {"thigh": 0.55, "calf": 0.12, "arm": 0.15, "parascapular": 0.18}
HISTOLOGY = (
    "pleomorphic sarcoma",
    "myxofibrosarcoma",
    "leiomyosarcoma",
    "synovial sarcoma",
    "liposarcoma",
)
_BLOCK = 20


@dataclass(frozen=True)
class Subject:
    """One synthetic patient.

    Attributes:
        name: Identifier at the centre, as ``STS_001``.
        centre: Centre's folder name.
        number: 1, 2, ... within the centre.
        seed: Seed of the cohort.
        grade: ``high`` or ``low``.
        age: Age at imaging [a].
        sex: ``F`` or ``M``.
        region: A key of ``REGIONS``.
        side: ``left`` or ``right``.
        histology: Histological type.
        intratumoral: Heterogeneity and necrosis of the mass, in standard deviations.
        ring: Infiltration of the 10 mm around the mass, in standard deviations.
        deep: Streaks in muscle far from the mass, in standard deviations.
        size: Relative size of the mass, in standard deviations.
    """

    name: str
    centre: str
    number: int
    seed: int
    grade: str
    age: int
    sex: str
    region: str
    side: str
    histology: str
    intratumoral: float
    ring: float
    deep: float
    size: float

    @property
    def site(self) -> str:
        """Side and region, as ``left thigh``."""
        return f"{self.side} {self.region}"

    def stream(self, purpose: int) -> np.random.Generator:
        """An independent random stream of this subject; one per purpose."""
        return np.random.default_rng([self.seed, ord(self.centre[-1]), self.number, purpose])


def plan_subjects(total: int, *, seed: int) -> tuple[Subject, ...]:
    """The cohort's subjects, by centre and number.

    Args:
        total: At least 6; split 51:78:74 over the centres, at least 2 each.
        seed: Seed of the cohort.
    """
    return tuple(
        make_subject(scanner, number, seed=seed)
        for scanner, count in zip(SCANNERS, split_over_centres(total), strict=True)
        for number in range(1, count + 1)
    )


def split_over_centres(total: int) -> tuple[int, ...]:
    """Subjects per centre: in proportion, by largest remainder, at least 2 each."""
    shares = [scanner.share for scanner in SCANNERS]
    exact = [2 + (total - 2 * len(shares)) * share / sum(shares) for share in shares]
    if total == sum(shares):
        return tuple(shares)
    counts = [math.floor(value) for value in exact]
    order = sorted(range(len(shares)), key=lambda at: counts[at] - exact[at])
    for at in order[: total - sum(counts)]:
        counts[at] += 1
    return tuple(counts)


def make_subject(scanner: Scanner, number: int, *, seed: int) -> Subject:
    """Subject ``number`` of a centre; no other subject, and no total, has a say in it."""
    rng = np.random.default_rng([seed, ord(scanner.letter.lower()), number, 0])
    grade = _grade(scanner, number, seed)
    side = rng.choice(["left", "right"])
    sign = 0.5 if grade == "high" else -0.5
    common = math.sqrt(SHARED) * rng.standard_normal()
    signals = {
        name: sign * strength + common + math.sqrt(1 - SHARED) * rng.standard_normal()
        for name, strength in STRENGTHS.items()
    }
    age = 56 + 15 * (sign * AGE_STRENGTH + rng.standard_normal())
    return Subject(
        name=subject_name(scanner, number),
        centre=scanner.centre,
        number=number,
        seed=seed,
        grade=grade,
        age=round(min(88.0, max(18.0, age))),
        sex=str(rng.choice(["F", "M"])),
        region=str(rng.choice(list(REGIONS), p=list(REGIONS.values()))),
        side=str(side),
        histology=str(rng.choice(HISTOLOGY)),
        size=sign * SIZE_STRENGTH + rng.standard_normal(),
        **signals,
    )


def subject_name(scanner: Scanner, number: int) -> str:
    """``STS_001`` at the first centre, ``B-0001`` and ``C0001`` at the others."""
    return {"A": f"STS_{number:03d}", "B": f"B-{number:04d}"}.get(
        scanner.letter, f"{scanner.letter}{number:04d}"
    )


def expected_auc(*signals: str) -> float:
    """AUC of the best linear score of these signals, were they measured without error.

    Source:
        Su and Liu 1993: two normal classes with common covariance.
    """
    means = np.array([STRENGTHS[name] for name in signals])
    covariance = np.full((len(means), len(means)), SHARED) + (1 - SHARED) * np.eye(len(means))
    distance = math.sqrt(float(means @ np.linalg.solve(covariance, means)))
    return statistics.NormalDist().cdf(distance / math.sqrt(2))


def _grade(scanner: Scanner, number: int, seed: int) -> str:
    """High in the centre's share of every block of 20; the first two are one of each."""
    block, place = divmod(number - 1, _BLOCK)
    rng = np.random.default_rng([seed, ord(scanner.letter.lower()), 0, block])
    high = rng.permutation(_BLOCK) < round(scanner.prevalence * _BLOCK)
    if block == 0 and high[0] == high[1]:
        other = int(np.flatnonzero(high != high[0])[0])
        high[[1, other]] = high[[other, 1]]
    return "high" if high[place] else "low"
