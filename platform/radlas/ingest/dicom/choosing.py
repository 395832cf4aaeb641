"""Which of a subject's series become exams, with a reason for each that does and does not. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from radlas.ingest.dicom.series import ImageSeries
from radlas.ingest.sequences import STIR, T2FS


@dataclass(frozen=True)
class Verdict:
    """What is done with one series: ``wanted``, and why or why not."""

    series: ImageSeries
    wanted: bool
    why: str


def choose(series: Sequence[ImageSeries], sequence: str | None) -> tuple[Verdict, ...]:
    """A verdict on every series of one subject.

    Without ``sequence``, each native series is wanted, and derived copies only where the subject
    has no native series of their class. With it, one series per study of the best kind the
    subject has: native before derived, and for T2FS, STIR as second choice.
    """
    if sequence is None:
        return tuple(_judge_all(one, series) for one in series)
    best = next((kind for kind in _kinds(sequence) if any(map(kind.holds, series))), None)
    if best is None:
        return tuple(Verdict(one, wanted=False, why=_not_asked(one, sequence)) for one in series)
    fit = [one for one in series if best.holds(one)]
    winners = _one_per_study(fit)
    return tuple(
        Verdict(one, wanted=True, why=best.rule(one))
        if one in winners
        else Verdict(one, wanted=False, why=_why_not(one, fit, sequence, best))
        for one in series
    )


@dataclass(frozen=True)
class _Kind:
    sequence: str
    derived: bool
    asked: str

    def holds(self, series: ImageSeries) -> bool:
        return (series.sequence, series.derived) == (self.sequence, self.derived)

    def rule(self, series: ImageSeries) -> str:
        first = f"{self.sequence} by {series.told_by}"
        second = f", second choice: no native {self.asked} of this subject can be taken"
        copy = ", derived copy: no native series of this subject can be taken"
        return first + second * (self.sequence != self.asked) + copy * self.derived


def _kinds(asked: str) -> list[_Kind]:
    classes = [T2FS, STIR] if asked == T2FS else [asked]
    return [_Kind(name, derived, asked) for derived in (False, True) for name in classes]


def _judge_all(one: ImageSeries, series: Sequence[ImageSeries]) -> Verdict:
    told = f"{one.sequence} by {one.told_by}"
    if not one.derived:
        return Verdict(one, wanted=True, why=f"{told}, native")
    if any(other.sequence == one.sequence and not other.derived for other in series):
        return Verdict(one, wanted=False, why=f"derived copy of a native {one.sequence} series")
    why = f"{told}, derived: no native one of this subject can be taken"
    return Verdict(one, wanted=True, why=why)


def _one_per_study(series: Iterable[ImageSeries]) -> list[ImageSeries]:
    studies: dict[str, list[ImageSeries]] = defaultdict(list)
    for one in series:
        studies[one.first.study].append(one)
    return [min(group, key=_rank) for _, group in sorted(studies.items())]


def _rank(series: ImageSeries) -> tuple[int, int, str]:
    return -series.slices, series.first.number, series.key


def _why_not(one: ImageSeries, fit: Sequence[ImageSeries], sequence: str, best: _Kind) -> str:
    if one in fit:
        return f"another {one.sequence} series of the same study was chosen: more slices, or first"
    if one.derived and one.sequence in {sequence, best.sequence}:
        return f"derived copy; a native {best.sequence} series was chosen"
    if (one.sequence, sequence) == (STIR, T2FS):
        return "STIR is the second choice, and the subject has a T2FS series"
    return _not_asked(one, sequence)


def _not_asked(one: ImageSeries, sequence: str) -> str:
    return f"{one.sequence} by {one.told_by}, and {sequence} was asked for"
