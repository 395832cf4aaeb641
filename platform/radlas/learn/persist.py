"""A fitted model as a folder of plain files; nothing is ever unpickled."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd

from radlas.digests import canonical_json, file_digest
from radlas.errors import RadlasError, StoreError, remedy
from radlas.forms import TEXT
from radlas.learn.evaluate import internal
from radlas.learn.fitted import FittedModel
from radlas.learn.forms import FITTED
from radlas.learn.pipeline import signature_table
from radlas.places.documents import damaged, document, parsed
from radlas.places.folder import Folder

FORMAT = 2
PIPELINE, MODEL, MANIFEST = "pipeline.skops", "model.json", "files.json"
TABLES = {  # and the columns that are asked for, whatever else there is
    "signature": ("feature", "block", "median", "mean", "scale", "coefficient"),
    "harmonised": ("feature", "centre", "factor", "offset"),
    "oof": ("case", "subject", "centre", "label", "probability"),
    "folds": ("repeat", "fold", "auc", "features", "digest"),
    "frequency": ("feature", "selected"),
    "resamples": ("draw", "feature", "median", "mean", "scale", "coefficient"),
}
# Reviewed by hand: own steps that hold arrays and numbers and run no code when they are loaded, and
# the imputer's dtype, which skops reads from an empty array.
TRUSTED = (
    "numpy.dtype",
    "radlas.learn.harmonise.Harmoniser",
    "radlas.learn.lasso.L1Logistic",
    "radlas.learn.lasso.LinearLasso",
    "radlas.learn.selectors.CorrelationFilter",
    "radlas.learn.selectors.NearConstant",
    "radlas.learn.selectors.RankedElimination",
)
_LOADS_TORCH = "sklearn.externals.array_api_compat.torch"
_TEXT = ("feature", "block", "case", "subject", "centre", "digest")
_WHOLE = ("repeat", "fold", "label", "k", "features", "draw")


def save(model: FittedModel, folder: Path) -> Path:
    """Write a model to a new folder: all of it, or nothing.

    ``pipeline.skops``; ``model.json`` (threshold, hyper-parameters, out-of-fold figures, columns,
    left-out centres, stability, digest); ``signature.csv``, ``harmonised.csv``, ``oof.csv``,
    ``folds.csv``, ``frequency.csv``, ``resamples.csv``; ``files.json`` (SHA-256 of each). All but
    the first and the last are the same bytes for the same model.

    Raises:
        StoreError: The folder exists already.
    """
    if folder.exists():
        raise StoreError("the folder exists", str(folder), "models are never overwritten")
    folder.parent.mkdir(parents=True, exist_ok=True)
    stage = folder.with_name(f".{folder.name}-{uuid4().hex}")
    stage.mkdir()
    try:
        _write(model, stage)
        stage.rename(folder)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return folder


def load(folder: Path) -> FittedModel:
    """Read a model, after every byte has been checked.

    Raises:
        StoreError: A file is absent, changed, of another format, holds a type that was not
            reviewed, or the pipeline is not the one the digest names.
    """
    _check_files(folder)
    facts = document(Folder(folder), MODEL, FITTED)
    if facts["format"] != FORMAT:
        what = f"model format {facts['format']}, not {FORMAT}"
        raise StoreError(what, str(folder), "use the radlas that made it, or train again")
    try:
        model = _loaded(folder, facts)
        digest, wrong = model.digest(), _contradiction(model)
    except (RadlasError, MemoryError):
        raise
    except Exception as error:  # skops and sklearn raise what they like; the files are at fault
        raise damaged(str(folder), f"{type(error).__name__}: {error}", _RESTORE) from error
    if digest != facts["digest"]:
        what = "the pipeline is not the one the digest names"
        raise StoreError(what, str(folder), _RESTORE)
    if wrong:
        raise damaged(str(folder), wrong, _RESTORE)
    return model


def _loaded(folder: Path, facts: dict[str, Any]) -> FittedModel:
    return FittedModel(
        study=facts["study"],
        study_digest=facts["study_digest"],
        model=facts["model"],
        blocks=dict(facts["columns"]),
        pipeline=_load_pipeline(folder / PIPELINE),
        threshold=facts["threshold"],
        centres=facts["centres"],
        stability=facts["stability"],
        **{name: _read_table(folder / f"{name}.csv", TABLES[name]) for name in TABLES},
    )


def _contradiction(model: FittedModel) -> str:
    """What the digest says nothing of and pages show, where it is not of this model; in words."""
    made, told = signature_table(model.pipeline, model.blocks), model.signature
    numbers = list(made.columns[2:])
    if list(made["feature"]) != list(told["feature"]) or not np.allclose(
        made[numbers], told[numbers], rtol=1e-9, atol=0, equal_nan=True
    ):
        return "signature.csv is not of its pipeline"
    return "no fold is told" if model.oof.empty or model.folds.empty else ""


def _write(model: FittedModel, stage: Path) -> None:
    _skops().dump(model.pipeline, stage / PIPELINE)
    for name in TABLES:
        getattr(model, name).to_csv(stage / f"{name}.csv", index=False, lineterminator="\n")
    _write_json(stage / MODEL, _facts(model))
    names = sorted(path.name for path in stage.iterdir())
    _write_json(stage / MANIFEST, {name: file_digest(stage / name) for name in names})


def _facts(model: FittedModel) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "study": model.study,
        "study_digest": model.study_digest,
        "model": model.model,
        "digest": model.digest(),
        "threshold": model.threshold,
        "parameters": model.parameters,
        "columns": [list(pair) for pair in model.blocks.items()],
        "internal": internal(model),
        "centres": model.centres,
        "stability": model.stability,
    }


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(canonical_json(value) + "\n", encoding="utf-8")


def _check_files(folder: Path) -> None:
    known = {PIPELINE, MODEL, *(f"{name}.csv" for name in TABLES)}
    try:
        text = (folder / MANIFEST).read_bytes()
    except OSError as error:
        what = f"no readable {MANIFEST}: {error.strerror}"
        raise StoreError(what, str(folder), remedy(error) or _RESTORE) from error
    digests = parsed(Folder(folder), MANIFEST, text, {...: TEXT}, hint=_RESTORE)
    if set(digests) != known:
        what = f"{MANIFEST} does not name the files of a model"
        raise StoreError(what, str(folder), _RESTORE)
    if text != f"{canonical_json(digests)}\n".encode():
        raise StoreError(f"{MANIFEST} was changed", str(folder), _RESTORE)
    for name, digest in digests.items():
        if not (folder / name).is_file():
            raise StoreError(f"{name} is absent", str(folder), _RESTORE)
        if file_digest(folder / name) != digest:
            raise StoreError(f"{name} was changed", str(folder), _RESTORE)


def _skops() -> Any:
    """Loaded late, since it loads every module of sklearn to list its estimators.

    One of those, which has none, loads torch, and that takes as long as the others together.
    """
    spared = _LOADS_TORCH not in sys.modules
    sys.modules.setdefault(_LOADS_TORCH, ModuleType(_LOADS_TORCH))
    try:
        from skops import io  # noqa: PLC0415 - see above
    finally:
        if spared:
            del sys.modules[_LOADS_TORCH]
    return io


_RESTORE = "restore the folder from a copy, or train again"


def _load_pipeline(path: Path) -> Any:
    strange = sorted(set(_skops().get_untrusted_types(file=path)) - set(TRUSTED))
    if strange:
        what = f"the pipeline holds types that were not reviewed: {', '.join(strange)}"
        raise StoreError(what, str(path), _RESTORE)
    return _skops().load(path, trusted=list(TRUSTED))


def _read_table(path: Path, wanted: tuple[str, ...]) -> pd.DataFrame:
    text = dict.fromkeys(_TEXT, "str") | dict.fromkeys(_WHOLE, "int64")
    header = pd.read_csv(path, nrows=0).columns
    if lacking := [name for name in wanted if name not in header]:
        raise damaged(str(path), f"it lacks the column {lacking[0]}", _RESTORE)
    types = {name: text.get(name, "float64") for name in header}
    return pd.read_csv(path, dtype=types, keep_default_na=False)
