"""Ingests that were noted beside the store: where each centre's exams were read from, and how."""

from __future__ import annotations

from radlas.errors import ConfigError
from radlas.flows.ingest import IngestConfig
from radlas.store.layout import Store
from radlas.store.sources import read_sources


def noted_ingests(store: Store) -> list[IngestConfig]:
    """All noted ingests of exams that this version can do again, oldest first, reachable or not.

    A table of patients holds no exam.

    Raises:
        StoreError: The book is damaged.
    """
    configs = []
    for one in read_sources(store):
        try:
            configs.append(IngestConfig.parse({**one, "store": str(store.place)}, "sources"))
        except ConfigError:  # of an older version: must not stand in the way of the others
            continue
    return [one for one in configs if one.importer != "table"]
