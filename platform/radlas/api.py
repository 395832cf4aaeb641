"""The store from Python: ``radlas.open("store").snapshot("demo").matrix()``."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from radlas.errors import ConfigError
from radlas.model import Volume
from radlas.store.answer import as_pandas, as_table
from radlas.store.frozen import Snapshot, load_snapshot, snapshot_labels
from radlas.store.layout import Store, open_store
from radlas.store.matrix import check_asked, feature_matrix
from radlas.store.query import connect, run_sql
from radlas.store.snapshots import open_snapshot
from radlas.volumes.zarr import read_rois, read_volume, roi_key

if TYPE_CHECKING:
    from radlas.flows.study.dataset import Dataset

TableType = Literal["pandas", "polars", "arrow"]


class OpenStore:
    """A store to read from: the live one, or one of its snapshots.

    It holds no file open between calls, so there is nothing to close. Threads may share it, and it
    may be pickled to another process.

    Args:
        store: The store.
        pinned: The snapshot to see; None for everything as it stands now.
    """

    def __init__(self, store: Store, pinned: Snapshot | None = None) -> None:
        self.store, self.pinned = store, pinned

    def __repr__(self) -> str:
        if self.pinned is None:
            return f"<radlas store {self.store.place}, live>"
        return f"<radlas store {self.store.place}, {self.pinned.label}>"

    def snapshots(self) -> list[str]:
        """Labels of all snapshots, ``name@number``."""
        return snapshot_labels(self.store)

    def snapshot(self, label: str) -> OpenStore:
        """The same store as a snapshot saw it.

        Raises:
            ConfigError: There is no such snapshot.
        """
        _check_text(label, "label of a snapshot", "as 'first' or 'first@2'")
        return OpenStore(self.store, load_snapshot(self.store, label))

    def query(
        self,
        sql: str,
        params: Sequence[Any] | Mapping[str, Any] = (),
        *,
        to: TableType = "pandas",
        memory: str = "",
    ) -> Any:
        """The answer to one SELECT over the views.

        Args:
            sql: In DuckDB's SQL.
            params: Values for its question marks; by name for ``$name``.
            to: ``pandas``, ``polars`` or ``arrow``. Whole numbers beside NULL are floats to pandas,
                and ``Int64`` where these would lose digits.
            memory: Most memory that it may take, as ``2GB``; beyond, it goes to disk.

        Raises:
            ConfigError: The SQL is wrong, or wants more than to read the store; or polars is not
                installed.
        """
        _check_form(to, get_args(TableType))
        _check_text(sql, "query", "one SELECT in DuckDB's SQL")
        if isinstance(params, str):  # a text is a sequence, of its letters
            params = (params,)
        with self._connect(memory, sql) as connection:
            relation = run_sql(connection, sql, _of_python(params))
            return as_pandas(relation) if to == "pandas" else _given(as_table(relation), to)

    def matrix(
        self,
        roi: str | None = None,
        image_type: str | None = None,
        *,
        deep: bool | None = None,
        feature_sets: str | Sequence[str] | None = None,
        perturbation: str = "",
        to: TableType | Literal["numpy"] = "pandas",
    ) -> Any:
        """Features: one row per case, columns ``roi__image_type__feature``.

        Args:
            roi: Only this ROI; ``whole`` for deep features.
            image_type: Only this image type, or layer.
            deep: True for all deep features besides, False for none; None for those that ``roi``
                and ``image_type`` let through.
            feature_sets: Only these; None for all of the snapshot.
            perturbation: The rows of copies that were changed so, as ``rot+4_grow-2``; empty for
                the cases as they are. Embeddings have no such rows.
            to: ``pandas`` for a frame with index ``case_id``, ``polars`` or ``arrow`` for tables
                with a column ``case_id``, ``numpy`` for ``values, cases, columns``: an array of
                float64, shape ``(case, column)``, and two lists.

        Returns:
            Every case of the snapshot, sorted by ``case_id``, and columns sorted by name. NaN, or
            NULL in polars and Arrow, where a value is undefined or a row is not there; ``missing``
            says why. Columns without a single value are left out.

        Raises:
            ConfigError: A live store holds no single answer to "all": name the feature sets. Or no
                row is of the ROI, image type, feature set and perturbation that were asked for.
        """
        _check_form(to, (*get_args(TableType), "numpy"))
        if feature_sets is None and self.pinned is None:
            raise ConfigError(
                "a live store may hold several recipes",
                str(self.store.place),
                "open a snapshot, or name the feature_sets",
            )
        asked = (feature_sets,) if isinstance(feature_sets, str) else feature_sets
        chosen = tuple(asked if asked is not None else self.pinned.feature_sets)  # type: ignore[union-attr]  # shown above
        with self._connect() as connection:
            which: Any = {"deep": False if perturbation else deep, "perturbation": perturbation}
            check_asked(connection, chosen, roi, image_type, **which)
            X = feature_matrix(connection, chosen, roi=roi, image_type=image_type, **which)
        if to == "pandas":
            return X
        if to == "numpy":
            values = X.to_numpy()
            values.flags.writeable = True  # pandas lends it for reading; the frame ends here
            return values, X.index.to_list(), X.columns.to_list()
        return _given(pa.Table.from_pandas(X.reset_index(), preserve_index=False), to)

    def training(self, study: str | Path | Mapping[str, Any]) -> Dataset:
        """What a study trains on: for a model of your own, compared on the same rows.

        No row of the external centre is among them, so nothing that is tried here is a look at it.

        Args:
            study: YAML protocol, or its keys and values, as a model's ``version.json`` has them.

        Returns:
            ``X``, all its candidate columns, raw, NaN where missing; ``y``, 1 for positive and 0
            for negative; and ``people`` with ``subject_id``, by which to split, ``centre`` and the
            clinical columns. One row per case each, by ``case_id``, sorted.

        Raises:
            ConfigError: The store is live, or the protocol cannot be read.
            StudyError: The snapshot does not support the study.
        """
        from radlas.flows.study.dataset import load_dataset  # noqa: PLC0415 - of pandas and sklearn
        from radlas.learn.study import StudyConfig  # noqa: PLC0415 - the same

        if self.pinned is None:
            where, hint = str(self.store.place), "open a snapshot"
            raise ConfigError("a live store changes under a study", where, hint)
        if isinstance(study, Mapping):
            protocol = StudyConfig.parse(study)
        else:
            protocol = StudyConfig.read(Path(study))
        return load_dataset(self.store, self.pinned, protocol, protocol.training_centres)

    def missing(self, *, to: TableType = "pandas") -> Any:
        """Rows that cases lack and others have, or with undefined values, each with its reason."""
        sql = "select * from missing order by feature_set, roi, image_type, case_id"
        return self.query(sql, to=to)

    def volume(self, case_id: str) -> Volume:
        """The image of a case on its own grid, checked against its digest.

        Raises:
            ConfigError: That is no case id.
            StoreError: There is no such case, or it is damaged.
        """
        _check_case(case_id)
        return read_volume(self.store.place, case_id)

    def masks(self, case_id: str) -> dict[str, NDArray[np.bool_]]:
        """The drawn masks of a case, shape ``(z, y, x)``, by ROI, or ``roi@reader``.

        Raises:
            ConfigError, StoreError: As for ``volume``.
        """
        _check_case(case_id)
        return {roi_key(roi): roi.mask for roi in read_rois(self.store.place, case_id)}

    def as_described(
        self, case_id: str, feature_set: str
    ) -> tuple[Volume, dict[str, NDArray[np.bool_]]]:
        """The image and the ROIs that a feature set's rows of ``original`` were computed from.

        They are made again from the stored case and the recipe, and checked against the digests of
        the masks that were described. To look at them, or to compute from them what is not here.

        Args:
            case_id: The case.
            feature_set: As ``radlas features list`` prints it; of ``radiomics`` or ``ibsi``.

        Returns:
            The image on the recipe's scale and pixels, and the masks by ROI, shape ``(z, y, x)``.
            What a profile resamples by itself (``spacing`` of ``ibsi``, ``resampledPixelSpacing``
            of PyRadiomics) comes after that.

        Raises:
            ConfigError: That is no case id, there is no such feature set, it shows no arrays, or
                this radlas makes other masks than those that were described.
            StoreError: As for ``volume``.
        """
        _check_case(case_id)
        _check_text(feature_set, "feature set", "as radlas features list prints them")
        from radlas.flows.cases.described import as_described  # noqa: PLC0415 - of ITK, a second

        return as_described(self.store, case_id, feature_set)

    def _connect(self, memory: str = "", asked: str | None = None) -> Any:
        if self.pinned:
            return open_snapshot(self.store, self.pinned, memory=memory, asked=asked)
        return connect(self.store, memory=memory, asked=asked)


def _check_form(to: str, forms: Sequence[str]) -> None:
    """Before the work, which may take minutes."""
    if to not in forms:
        raise ConfigError(f"no form {to!r}", hint=", ".join(forms))


def _check_text(given: Any, what: str, hint: str) -> None:
    """Before it is taken apart, which would end in an error of Python's own."""
    if not isinstance(given, str):
        raise ConfigError(f"no {what}: {given!r}", hint=hint)


def _check_case(case_id: Any) -> None:
    """An id names a folder: a mistyped one would be told as a fault of the store."""
    if not isinstance(case_id, str) or not re.fullmatch("[0-9a-f]{32}", case_id):
        hint = "all 32 digits of one, as `query('select case_id from cases')` lists them"
        raise ConfigError(f"no case id: {case_id!r}", hint=hint)


def _of_python(params: Sequence[Any] | Mapping[str, Any]) -> Any:
    """Values as Python has them: of numpy's, DuckDB knows floats and no whole numbers."""
    if isinstance(params, Mapping):
        return dict(zip(params, _of_python(list(params.values())), strict=True))
    return [one.item() if isinstance(one, np.generic) else one for one in params]


def _given(table: Any, to: str) -> Any:
    """An Arrow table in the form that was asked for: itself, or of polars."""
    if to == "arrow":
        return table
    try:
        import polars  # noqa: PLC0415 - not everybody has it
    except ImportError:
        raise ConfigError("polars is not installed", hint="pip install polars") from None
    return polars.from_arrow(table)


def open_path(path: str | Path) -> OpenStore:
    """Open a store for reading.

    Args:
        path: Its folder, where ``~`` is the home, or ``s3://bucket/prefix``.

    Raises:
        StoreError: There is none, or it is of another format version.
    """
    home = os.path.expanduser(path)  # noqa: PTH111 - a Path takes one / from the name of a bucket
    return OpenStore(open_store(home))
