"""A training frame by Feast, in an environment of its own: ``feast_frame.py FOLDER STORE``.

FOLDER holds ``cases.parquet`` and one Parquet file per feature view, each with ``case_id``,
``event_timestamp`` and its features; STORE is ``duckdb`` or ``dask``, Feast's offline stores.
Prints seconds and peak memory [MiB] of the retrieval, and writes the frame.
"""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig
from feast.data_format import ParquetFormat
from feast.types import Float64
from feast.value_type import ValueType


def views(folder: Path) -> list[FeatureView]:
    entity = Entity(name="case", join_keys=["case_id"], value_type=ValueType.STRING)
    found = [entity]
    for path in sorted(folder.glob("view_*.parquet")):
        features = [
            n for n in pq.read_schema(path).names if n not in {"case_id", "event_timestamp"}
        ]
        found.append(
            FeatureView(
                name=path.stem,
                entities=[entity],
                ttl=timedelta(days=36500),
                schema=[Field(name=name, dtype=Float64) for name in features],
                source=FileSource(
                    path=str(path), timestamp_field="event_timestamp", file_format=ParquetFormat()
                ),
            )
        )
    return found


def peak_mib() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def main(place: str, kind: str) -> None:
    folder = Path(place)
    config = RepoConfig(
        project="bench",
        provider="local",
        registry=str(folder / f"{kind}.registry.db"),
        offline_store={"type": kind},
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config)
    made = views(folder)
    store.apply(made)
    wanted = [f"{view.name}:{field.name}" for view in made[1:] for field in view.schema]
    wanted = [name for name in wanted if not name.endswith(":case_id")]
    cases = pd.read_parquet(folder / "cases.parquet")
    start = time.perf_counter()
    job = store.get_historical_features(entity_df=cases, features=wanted, full_feature_names=True)
    frame = job.to_df()
    print(time.perf_counter() - start, peak_mib())
    frame.to_parquet(folder / f"{kind}.frame.parquet")


if __name__ == "__main__":
    main(*sys.argv[1:])
