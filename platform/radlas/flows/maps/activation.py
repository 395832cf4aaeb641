"""Grad-CAM of one case: the map, where its mass lies, and whether it is one of the network."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import ArrayLike, NDArray

from radlas.errors import ConfigError, StudyError
from radlas.features import EXTRACTORS
from radlas.features.base import make_extractor, recipe
from radlas.flows.cases.drawn import by_name
from radlas.flows.maps.regions import BODY, not_told, regions_on
from radlas.flows.maps.slices import as_slice
from radlas.flows.study.blocks import block_sets
from radlas.flows.study.networks import why_null_network
from radlas.flows.study.published import study_of
from radlas.geometry import Geometry
from radlas.learn.metrics import holm, rank_difference
from radlas.model import TUMOUR
from radlas.places.documents import Document
from radlas.report.format import p_equals
from radlas.roi.mass import SHIFTS, cam_mass
from radlas.store.layout import Store
from radlas.store.recipes import load_recipe
from radlas.volumes.zarr import read_rois, read_volume
from radlas.words import counted

_DESCRIBED = 79  # characters that a NIfTI header has room for
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def case_map(
    store: Store,
    case_id: str,
    head: tuple[ArrayLike, float],
    extractor: Any,
    *,
    region: str,
    layer: str,
    sided: bool,
    sanity: bool,
) -> dict[str, Any]:
    """One case's map and what can be said of it.

    Args:
        store: Where the case lies.
        case_id: The case.
        head: The model's deep part, as ``explain.deep_head`` makes it of the region's features.
        extractor: The one that made the model's deep features.
        region: Which of its inputs is looked at.
        layer: Whose cells the map is made of.
        sided: Whether the case's file said how the patient lay.
        sanity: Whether to compare with maps of randomised networks too.

    Returns:
        Numbers for the report; ``slice``, an npz file for the montage; ``nifti``, the whole map.

    Raises:
        DataError: ``ambiguous_roi``: several readers drew the tumour a map is compared with,
            and the features' recipe names none.
    """
    volume = read_volume(store.place, case_id)
    rois = by_name(read_rois(store.place, case_id), extractor.settings.reader, (TUMOUR,))
    weights, bias = np.asarray(head[0]), head[1]
    prepared = extractor.prepare(volume, rois)
    seen = prepared.inputs[region]
    cam = extractor.class_activation(prepared, weights, bias, region=region, layer=layer)
    regions = regions_on(prepared.anatomy, seen.geometry)
    seed = int(case_id[:8], 16) if _is_hex(case_id[:8]) else 0
    body, tumour = regions.masks[BODY], regions.masks[TUMOUR]
    mass = cam_mass(cam.map, body, tumour, regions.measured, shifts=SHIFTS, seed=seed)
    refused, notes = not_told(regions, cam.cell_mm)
    if not cam.map.max() > 0:
        notes = ["the map is all zero: nothing speaks for a higher score"]
    checked = extractor.sanity(prepared, cam, weights, region=region) if sanity else []
    return {
        "mass": [
            {
                "region": name,
                "share": None if name in refused else part.mass_share,
                "enrichment": None if name in refused else part.enrichment,
                "p": None if name in refused else part.p,
            }
            for name, part in mass.items()
        ],
        "note": "; ".join(notes),
        "cell_mm": list(cam.cell_mm),
        "layer": cam.layer,
        "sanity": [{"stage": stage, "correlation": value} for stage, value in checked],
        "slice": as_slice(seen, cam.map, regions.masks, sided=sided),
        "nifti": as_nifti(cam.map, seen.geometry, _warning(store, extractor)),
    }


def _warning(store: Store, extractor: Any) -> str:
    """What a map's file must say: of the weights themselves, or what the store knows of them."""
    why = why_null_network(store, recipe("deep", extractor))
    return str(extractor.banner) or (f"Null model: {why}" if why else "")


def compare(cases: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Enrichment of the maps of high against low grade, region by region; Holm over the regions.

    Args:
        cases: Each with ``label`` and ``mass``, as ``case_map`` makes it.
    """
    names = list(dict.fromkeys(one["region"] for case in cases for one in case["mass"]))
    rows = []
    for name in names:
        told = [
            (one["enrichment"], case["label"])
            for case in cases
            for one in case["mass"]
            if one["region"] == name and None not in (one["enrichment"], case["label"])
        ]
        values, labels = [value for value, _ in told], [label for _, label in told]
        rows.append({"region": name, **rank_difference(values, labels)})
    adjusted = holm([row["p"] for row in rows])
    return [row | {"p_holm": p} for row, p in zip(rows, adjusted, strict=True)]


def in_words(cam: Mapping[str, Any] | None, place: str) -> list[str]:
    """What a person should know of the maps, line by line.

    Args:
        cam: The report's part about them; None if there are none.
        place: Where their files are.
    """
    if cam is None:
        return []
    cell = " x ".join(f"{edge:.1f}" for edge in cam["cell_mm"])
    lines = [
        f"  Grad-CAM of {counted(len(cam['cases']), 'case')} at {cam['layer']}, region"
        f" {cam['region']}; maps as NIfTI in {place}",
        f"  one cell of the map is up to {cell} mm (z, y, x)",
    ]
    notes = Counter(case["note"] for case in cam["cases"] if case["note"])
    lines += [f"  {counted(number, 'case')}: {note}" for note, number in notes.most_common()]
    for row in cam["comparison"]:
        if row["p_holm"] is not None:
            high, low = row["median_positive"], row["median_negative"]
            told = f"{high:.2f} (positive) against {low:.2f} (negative)"
            p = f"p {p_equals(row['p_holm'])} after Holm"
            lines.append(f"  {row['region']}: median enrichment {told}, {p}")
    if cam["sanity"]:
        found = {one["stage"]: one["correlation"] for one in cam["sanity"]}
        told = ", ".join(
            f"{stage} {'constant' if value is None else f'{value:.2f}'}"
            for stage, value in found.items()
        )
        lines.append(f"  correlation with maps of ever more randomised networks: {told}")
    return lines


def model_extractor(store: Store, card: Document, weights: Path | None, region: str) -> Any:
    """The extractor that made the primary model's deep features of a region.

    Raises:
        ConfigError: The weights are not the ones the features were made with.
        StudyError: Several of its networks looked at the region, or none; or images are prepared
            otherwise by now, and a map would not be of what the features saw.
    """
    study = study_of(card)
    sets = block_sets(store, card["feature_sets"], study)
    deep = {
        sets[name]
        for name in study.models[study.primary]
        if (block := study.blocks[name]).deep and block.roi in (None, region)
    }
    told = [load_recipe(store, name) for name in sorted(deep)]
    recipes = [one for one in told if _looked_at(one["settings"]["regions"], region)]
    if len(recipes) != 1:
        raise StudyError(
            f"{len(recipes)} networks of the primary model looked at {region}, one can be mapped",
            f"model {card['study']['name']}",
            "a study whose primary model takes each region from one feature set",
        )
    (made_with,) = recipes
    extractor: Any = make_extractor(
        EXTRACTORS, made_with["extractor"], {**made_with["settings"], "weights": weights}
    )
    wanted, given = made_with["versions"]["weights"], extractor.versions["weights"]
    if wanted != given:
        raise _other_weights(wanted, given, f"model {card['study']['name']}")
    made, here = (_methods(one) for one in (made_with["versions"], extractor.versions))
    if made != here:
        raise StudyError(
            f"the deep features were made by methods {made}, and this radlas has methods {here}",
            f"model {card['study']['name']}",
            "explain with the radlas that extracted, or extract and train again with this one",
        )
    return extractor


def _other_weights(wanted: str, given: str, where: str) -> ConfigError:
    drawn = "random"  # what a recipe without a file has in place of a digest
    made, here = (
        "random weights" if one == drawn else f"weights {one[:12]}" for one in (wanted, given)
    )
    hint = "leave --weights out" if wanted == drawn else "name their file by --weights"
    return ConfigError(f"the deep features were made with {made}, not with {here}", where, hint)


def _looked_at(regions: Any, region: str) -> bool:
    return isinstance(regions, list) and region in regions


def _methods(versions: Mapping[str, str]) -> str:
    """By what else than weights and settings features may differ."""
    drawn = versions.get("drawn")
    return versions.get("methods", "1") + (f", random weights drawn {drawn}" if drawn else "")


def as_nifti(values: NDArray[np.float32], geometry: Geometry, warning: str = "") -> bytes:
    """A map as NIfTI, gzipped: the same bytes for the same values.

    Args:
        values: Shape ``(z, y, x)``.
        geometry: Their grid.
        warning: What must not be missed where the file goes; its first 79 characters are kept.
    """
    affine = _LPS_TO_RAS @ geometry.affine
    image: Any = nibabel.Nifti1Image(values.transpose(2, 1, 0), affine)  # type: ignore[no-untyped-call]
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = (warning or "radlas Grad-CAM")[:_DESCRIBED].encode()
    return gzip.compress(image.to_bytes(), mtime=0)


def _is_hex(text: str) -> bool:
    return all(sign in "0123456789abcdef" for sign in text)
