"""Who is who, either way round: from sources and site key, stored nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from radlas.digests import pseudonym
from radlas.errors import ConfigError
from radlas.flows.cases.noted import noted_ingests
from radlas.flows.ingest import IngestConfig
from radlas.ingest import IMPORTERS
from radlas.ingest.base import Scan
from radlas.store.layout import Store
from radlas.words import counted

_LEAST_DIGITS = 4


@dataclass(frozen=True)
class Identity:
    """A pseudonym's owner, at the hospital.

    Attributes:
        pseudonym: Of the case.
        subject_id: Pseudonym of the patient.
        centre: Whose it is.
        subject: The patient's identifier in the source; empty if the file does not say.
        series: What names the image there: SeriesInstanceUID, or file name.
        place: A folder or file of it.
    """

    pseudonym: str
    subject_id: str
    centre: str
    subject: str
    series: str
    place: str


def who_is(store: Store, asked: str) -> tuple[Identity, ...]:
    """All exams, also refused ones, of a patient or a pseudonym.

    Args:
        store: The store.
        asked: First digits of a case or subject; or a patient's whole identifier in the source.

    Raises:
        ConfigError: No source was noted, none can be reached, or nothing matches.
        StoreError: The site key is missing.
    """
    key, noted = store.key(), noted_ingests(store)
    reachable = [config for config in noted if config.source.exists()]
    if not reachable:
        hint = "run `radlas ingest` again where the sources are; it notes where they lie"
        raise ConfigError(f"none of {len(noted)} sources can be reached", str(store.place), hint)
    found = [
        one
        for config in reachable
        for one in _identities(config, key)
        if asked and (asked == one.subject or _begins(asked, one.pseudonym, one.subject_id))
    ]
    if not found:
        hint = (
            f"name at least {_LEAST_DIGITS} digits of a case or subject, as messages and tables"
            " show them, or a patient exactly as the source does"
        )
        told = counted(len(reachable), "reachable source")
        raise ConfigError(f"no exam of {told} is {asked!r}", hint=hint)
    return tuple(found)


def _begins(digits: str, *pseudonyms: str) -> bool:
    return len(digits) >= _LEAST_DIGITS and any(one.startswith(digits) for one in pseudonyms)


def _identities(config: IngestConfig, key: bytes) -> Iterator[Identity]:
    try:
        scan: Scan = IMPORTERS[config.importer]().find(config.source, config.rules())
    except ConfigError:  # emptied since: the exam may lie in another source
        return
    exams = [(one.subject, one.series, str(one.images[0].path)) for one in scan.exams]
    refused = [(one.subject, one.series, str(config.source)) for one in scan.refusals]
    for subject, series, place in (*exams, *refused):
        case = pseudonym(key, "case", config.centre, subject, series)
        person = pseudonym(key, "subject", config.centre, subject)
        yield Identity(case, person, config.centre, subject, series, place)
