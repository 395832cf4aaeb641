"""The store from Python: ``radlas.open("store").snapshot("demo").matrix()``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from radlas.errors import ConfigError
from radlas.store.layout import Store, open_store
from radlas.store.matrix import feature_matrix
from radlas.store.query import connect, run_sql
from radlas.store.snapshots import Snapshot, list_snapshots, load_snapshot, open_snapshot


class OpenStore:
    """A store to read from: the live one, or one of its snapshots.

    Args:
        store: The store.
        frozen: The snapshot to see; None for everything as it stands now.
    """

    def __init__(self, store: Store, frozen: Snapshot | None = None) -> None:
        self.store, self.frozen = store, frozen

    def snapshots(self) -> list[str]:
        """Labels of all snapshots, ``name@number``."""
        return [snapshot.label for snapshot in list_snapshots(self.store)]

    def snapshot(self, label: str) -> OpenStore:
        """The same store as a snapshot saw it.

        Raises:
            ConfigError: There is no such snapshot.
        """
        return OpenStore(self.store, load_snapshot(self.store, label))

    def query(self, sql: str, params: Sequence[Any] = ()) -> Any:
        """The answer to one SELECT over the views, as a pandas frame.

        Raises:
            ConfigError: The SQL is wrong, or wants more than to read the store.
        """
        with self._connect() as connection:
            return run_sql(connection, sql, params).to_arrow_table().to_pandas()

    def matrix(
        self,
        roi: str | None = None,
        image_type: str | None = None,
        *,
        feature_sets: Sequence[str] | None = None,
    ) -> Any:
        """Features as a frame: one row per case, columns ``roi__image_type__feature``.

        Args:
            roi: Only this ROI; ``whole`` for deep features.
            image_type: Only this image type, or layer.
            feature_sets: Only these; None for all of the snapshot.

        Raises:
            ConfigError: A live store holds no single answer to "all": name the feature sets.
        """
        if feature_sets is None and self.frozen is None:
            raise ConfigError(
                "a live store may hold several recipes",
                str(self.store.root),
                "open a snapshot, or name the feature_sets",
            )
        chosen = tuple(feature_sets if feature_sets is not None else self.frozen.feature_sets)  # type: ignore[union-attr]  # shown above
        with self._connect() as connection:
            return feature_matrix(connection, chosen, roi=roi, image_type=image_type)

    def _connect(self) -> Any:
        return open_snapshot(self.store, self.frozen) if self.frozen else connect(self.store)


def open_path(path: str | Path) -> OpenStore:
    """Open a store for reading.

    Raises:
        StoreError: There is none, or it is of another format version.
    """
    return OpenStore(open_store(Path(path)))
