"""Which exam of the hospital a pseudonym is: from sources and site key, stored nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from radlas.digests import pseudonym
from radlas.errors import ConfigError
from radlas.flows.ingest import IngestConfig
from radlas.flows.noted import noted_ingests
from radlas.ingest import IMPORTERS
from radlas.ingest.base import Scan
from radlas.store.layout import Store

_LEAST_DIGITS = 4


@dataclass(frozen=True)
class Identity:
    """A pseudonym's owner, at the hospital.

    Attributes:
        pseudonym: Of the case.
        centre: Whose it is.
        subject: The patient's identifier in the source; empty if the file does not say.
        series: What names the image there: SeriesInstanceUID, or file name.
        place: A folder or file of it.
    """

    pseudonym: str
    centre: str
    subject: str
    series: str
    place: str


def who_is(store: Store, digits: str) -> tuple[Identity, ...]:
    """All exams, also refused ones, whose case or subject begins with these digits.

    Raises:
        ConfigError: Less than four digits, no source was noted, none can be reached, or nothing
            matches.
        StoreError: The site key is missing.
    """
    if len(digits) < _LEAST_DIGITS:
        hint = "give more of them, as messages and tables show them"
        raise ConfigError(f"{digits!r} is shorter than {_LEAST_DIGITS} digits", hint=hint)
    key, noted = store.key(), noted_ingests(store)
    reachable = [config for config in noted if config.source.exists()]
    if not reachable:
        hint = "run `radlas ingest` again where the sources are; it notes where they lie"
        raise ConfigError(f"none of {len(noted)} sources can be reached", str(store.place), hint)
    found = [
        one
        for config in reachable
        for one, subject in _identities(config, key)
        if one.pseudonym.startswith(digits) or subject.startswith(digits)
    ]
    if not found:
        hint = "name the first digits of a case or subject, as messages and tables show them"
        raise ConfigError(f"no exam of {len(reachable)} reachable sources is {digits!r}", hint=hint)
    return tuple(found)


def _identities(config: IngestConfig, key: bytes) -> Iterator[tuple[Identity, str]]:
    try:
        scan: Scan = IMPORTERS[config.importer]().find(config.source, config.rules())
    except ConfigError:  # emptied since: the exam may lie in another source
        return
    exams = [(one.subject, one.series, str(one.images[0].path)) for one in scan.exams]
    refused = [(one.subject, one.series, str(config.source)) for one in scan.refusals]
    for subject, series, place in (*exams, *refused):
        case = pseudonym(key, "case", config.centre, subject, series)
        person = pseudonym(key, "subject", config.centre, subject)
        yield Identity(case, config.centre, subject, series, place), person
