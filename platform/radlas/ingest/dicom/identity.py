"""Whose a series is: what its identifiers say against each other, and against other series. Pure.

One patient under two identifiers, or two under one, would be trained on and tested on as another.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from radlas.errors import DataError
from radlas.ingest.dicom.people import Person, births, contradiction, have_two_names
from radlas.ingest.dicom.series import ImageSeries
from radlas.reasons import data_error


def conflicts_of(series: Sequence[ImageSeries]) -> dict[tuple[str, str], DataError]:
    """Why series are not of one known patient, by their SeriesInstanceUID and subject.

    Args:
        series: All of the source; parts of a mixed one share their SeriesInstanceUID.
    """
    by_uid: dict[str, list[ImageSeries]] = defaultdict(list)
    for one in series:
        by_uid[one.first.series].append(one)
    people, owners = _people(series), _owners(series)
    found = {
        (uid, subject): _of_series(parts, owners) or contradiction(people[subject])
        for uid, parts in by_uid.items()
        for subject in {part.first.subject for part in parts}
    }
    return {key: conflict for key, conflict in found.items() if conflict}


def doubts_of(series: Sequence[ImageSeries]) -> dict[str, tuple[str, ...]]:
    """Flags of subjects that are one patient perhaps: what differs, and need not.

    ``birth_dates_differ``: series state several dates of birth, as after shifting dates by study;
    ``names_differ``: or names without a word in common, as after a marriage, or a mistake.
    """
    return {subject: _doubts(people) for subject, people in _people(series).items()}


def called_alike(series: Iterable[ImageSeries]) -> tuple[tuple[str, str], ...]:
    """Pairs of subjects of which one's headers give the other's identifier as theirs as well."""
    people = _people(series)
    pairs = {
        (min(subject, other), max(subject, other))
        for subject, told in people.items()
        for other in frozenset[str]().union(*(one.others for one in told))
        if other in people and other != subject
    }
    return tuple(sorted(pairs))


def _doubts(people: Collection[Person]) -> tuple[str, ...]:
    ages = ("birth_dates_differ",) if len(births(people)) > 1 else ()
    return (*ages, "names_differ") if have_two_names(people) else ages


def _people(series: Iterable[ImageSeries]) -> dict[str, set[Person]]:
    """What headers say of their patient under each identifier."""
    told: dict[str, set[Person]] = defaultdict(set)
    for one in series:
        told[one.first.subject] |= {file.person for file in one.files}
    return told


def _owners(series: Iterable[ImageSeries]) -> dict[str, set[str]]:
    """The identifiers under which each study has MR images."""
    found: dict[str, set[str]] = defaultdict(set)
    for file in (file for one in series for file in one.files):
        if file.study and file.modality == "MR":
            found[file.study].add(file.subject)
    return found


def _of_series(
    parts: Sequence[ImageSeries], owners: Mapping[str, Collection[str]]
) -> DataError | None:
    subjects = len({part.first.subject for part in parts})
    if subjects > 1:
        return data_error("identity_conflict", f"one series under {subjects} patient identifiers")
    files = [file for part in parts for file in part.files]
    studies = {file.study for file in files}
    if len(studies) > 1:
        return data_error("identity_conflict", f"one series in {len(studies)} studies")
    if (ages := len(births({file.person for file in files}))) > 1:
        return data_error("identity_conflict", f"one series of people with {ages} dates of birth")
    own = max(len(owners.get(study, ())) for study in studies)
    if own > 1:
        what = f"MR images of one study under {own} patient identifiers"
        return data_error("identity_conflict", what)
    return None
