"""Who is who, either way round: from sources and site key, stored nowhere."""

from __future__ import annotations

from dataclasses import dataclass

from radlas.digests import pseudonym
from radlas.errors import ConfigError
from radlas.flows.cases.noted import noted_ingests
from radlas.flows.ingest import IngestConfig
from radlas.ingest import IMPORTERS
from radlas.ingest.base import Scan
from radlas.ingest.namesakes import one_spelling
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
    key, noted, asked = store.key(), noted_ingests(store), one_spelling(asked)
    reachable = [config for config in noted if config.source.exists()]
    if not reachable:
        hint = "run `radlas ingest` again where the sources are; it notes where they lie"
        raise ConfigError(f"none of {len(noted)} sources can be reached", str(store.place), hint)
    found: list[Identity] = []
    unread: list[ConfigError] = []
    for config in reachable:
        try:
            told = _identities(config, key)
        except ConfigError as error:  # emptied since: the exam may lie in another source
            unread.append(error)
            continue
        found += [
            one
            for one in told
            if asked and (asked == one.subject or _begins(asked, one.pseudonym, one.subject_id))
        ]
    if not found and unread:
        read = counted(len(reachable) - len(unread), "source")
        what = f"no exam of {read} is {asked!r}, and {len(unread)} more cannot be read"
        what += f": {'; '.join(dict.fromkeys(one.what for one in unread))}"
        hint = "put back what is lost, or run `radlas ingest` again: it notes how a source is read"
        raise ConfigError(what, ", ".join(one.where for one in unread if one.where), hint)
    if not found:
        hint = (
            f"name at least {_LEAST_DIGITS} digits of a case or subject, as messages and tables"
            " show them, or a patient exactly as the source does"
        )
        sources = counted(len(reachable), "reachable source")
        raise ConfigError(f"no exam of {sources} is {asked!r}", hint=hint)
    return tuple(dict.fromkeys(found))  # of a source that was read in two ways


def _begins(digits: str, *pseudonyms: str) -> bool:
    return len(digits) >= _LEAST_DIGITS and any(one.startswith(digits) for one in pseudonyms)


def _identities(config: IngestConfig, key: bytes) -> list[Identity]:
    scan: Scan = IMPORTERS[config.importer]().find(config.source, config.rules())
    exams = [(one.subject, one.series, str(one.images[0].path)) for one in scan.exams]
    source = str(config.source)
    refused = [(one.subject, one.series, one.place or source) for one in scan.refusals]
    return [
        Identity(
            pseudonym(key, "case", config.centre, subject, series),
            pseudonym(key, "subject", config.centre, subject),
            config.centre,
            subject,
            series,
            place,
        )
        for subject, series, place in (*exams, *refused)
    ]
