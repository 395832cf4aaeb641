"""The arrays that a feature set's rows are of, made again from a stored case and its recipe."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from radlas.digests import mask_digest
from radlas.errors import ConfigError
from radlas.features import EXTRACTORS
from radlas.features.base import make_extractor
from radlas.features.case import CaseExtractor
from radlas.flows.cases.drawn import drawn_rois
from radlas.model import Volume
from radlas.store import delta
from radlas.store.layout import Store
from radlas.store.recipes import load_recipe
from radlas.volumes.zarr import read_rois, read_volume

Masks = dict[str, NDArray[np.bool_]]


def as_described(store: Store, case_id: str, feature_set: str) -> tuple[Volume, Masks]:
    """Image and ROIs of a case as a feature set described them.

    Args:
        store: The store.
        case_id: The case.
        feature_set: One whose extractor prepares cases: ``radiomics`` or ``ibsi``.

    Returns:
        See ``CaseExtractor.as_described``.

    Raises:
        ConfigError: There is no such feature set, its extractor shows no arrays, or this radlas
            makes other masks than those that were described, or none were.
        DataError: The case cannot be described.
        StoreError: There is no such case, or it is damaged.
    """
    recipe = load_recipe(store, feature_set)
    extractor: Any = make_extractor(EXTRACTORS, recipe["extractor"], recipe["settings"])
    if not isinstance(extractor, CaseExtractor):
        what = f"the extractor {recipe['extractor']!r} does not show what it describes"
        raise ConfigError(what, f"feature set {feature_set}", "ask for one of radiomics or ibsi")
    rois = drawn_rois(read_rois(store.place, case_id), extractor)
    volume, masks = extractor.as_described(read_volume(store.place, case_id), rois)
    _hold_to_rows(store, case_id, feature_set, masks)
    return volume, masks


def _hold_to_rows(store: Store, case_id: str, feature_set: str, masks: Masks) -> None:
    """Refuse masks that are not those whose digests the table ``rois`` holds."""
    rows = delta.read(store, "rois", ["case_id", "feature_set", "roi", "mask_digest"])
    for name, value in (("case_id", case_id), ("feature_set", feature_set)):
        rows = rows.filter(pc.equal(rows.column(name), value))
    told = {row["roi"]: row["mask_digest"] for row in rows.to_pylist()}
    if not told:
        hint = f"radlas query \"select reason, message from latest where case_id = '{case_id}'\""
        raise ConfigError("not described", f"case {case_id[:8]}, feature set {feature_set}", hint)
    made = {name: mask_digest(mask) for name, mask in masks.items()}
    other = sorted(name for name, digest in told.items() if made.get(name) != digest)
    if other:
        raise ConfigError(
            f"this radlas makes another mask of {', '.join(other)} than was described",
            f"case {case_id[:8]}, feature set {feature_set}",
            "extract with this radlas, which makes a feature set of its own",
        )
