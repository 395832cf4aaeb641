"""Grad-CAM of one case: the map, where its mass lies, and whether it is one of the network."""

from __future__ import annotations

import gzip
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import ArrayLike, NDArray

from radlas.errors import ConfigError
from radlas.features import EXTRACTORS
from radlas.features.base import make_extractor
from radlas.features.preprocess import one_itk_thread, resample_mask
from radlas.geometry import Geometry
from radlas.learn.metrics import holm, rank_difference
from radlas.model import TUMOUR, Volume
from radlas.roi.body import body_mask
from radlas.roi.mass import SHIFTS, cam_mass
from radlas.roi.ring import ring, ring_name
from radlas.store.layout import Store
from radlas.store.recipes import load_recipe
from radlas.volumes.zarr import read_rois, read_volume

RINGS_MM = ((0.0, 5.0), (5.0, 10.0), (10.0, 20.0), (0.0, 20.0))
SHOWN_MM = (0.0, 10.0)  # the ring drawn in the montage
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def case_map(
    store: Store,
    case_id: str,
    head: tuple[ArrayLike, float],
    extractor: Any,
    *,
    region: str,
    layer: str,
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
        sanity: Whether to compare with maps of randomised networks too.

    Returns:
        Numbers for the report; ``slice``, an npz file for the montage; ``nifti``, the whole map.
    """
    volume = read_volume(store.place, case_id)
    rois = {roi.name: roi for roi in read_rois(store.place, case_id)}
    weights, bias = np.asarray(head[0]), head[1]
    with one_itk_thread():
        prepared = extractor.prepare(volume, rois)
    seen = prepared.inputs[region]
    cam = extractor.class_activation(prepared, weights, bias, region=region, layer=layer)
    masks = _regions(rois[TUMOUR].mask, volume, seen.geometry)
    named = {ring_name(*edges): masks[ring_name(*edges)] for edges in RINGS_MM}
    seed = int(case_id[:8], 16) if _is_hex(case_id[:8]) else 0
    mass = cam_mass(cam.map, masks["body"], masks[TUMOUR], named, shifts=SHIFTS, seed=seed)
    refused = _too_fine(cam.cell_mm)
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
        "note": _resolution(refused, float(cam.map.max())),
        "cell_mm": list(cam.cell_mm),
        "layer": cam.layer,
        "sanity": [{"stage": stage, "correlation": value} for stage, value in checked],
        "slice": _slice(seen, cam.map, masks),
        "nifti": as_nifti(cam.map, seen.geometry),
    }


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
        f"  Grad-CAM of {len(cam['cases'])} cases at {cam['layer']}, region {cam['region']};"
        f" maps as NIfTI in {place}",
        f"  one cell of the map is up to {cell} mm (z, y, x)",
    ]
    lines += [f"  {note}" for note in sorted({c["note"] for c in cam["cases"] if c["note"]})]
    for row in cam["comparison"]:
        if row["p_holm"] is not None:
            high, low = row["median_positive"], row["median_negative"]
            told = f"{high:.2f} (positive) against {low:.2f} (negative)"
            lines.append(
                f"  {row['region']}: median enrichment {told}, p = {row['p_holm']:.3f} after Holm"
            )
    if cam["sanity"]:
        found = {one["stage"]: one["correlation"] for one in cam["sanity"]}
        told = ", ".join(
            f"{stage} {'constant' if value is None else f'{value:.2f}'}"
            for stage, value in found.items()
        )
        lines.append(f"  correlation with maps of ever more randomised networks: {told}")
    return lines


def model_extractor(store: Store, card: Mapping[str, Any], weights: Path | None) -> Any:
    """The extractor that made the model's deep features.

    Raises:
        ConfigError: The weights are not the ones the features were made with.
    """
    recipes = [load_recipe(store, name) for name in card["feature_sets"]]
    (recipe,) = [one for one in recipes if one["table"] == "deep"]
    extractor: Any = make_extractor(
        EXTRACTORS, recipe["extractor"], {**recipe["settings"], "weights": weights}
    )
    wanted, given = recipe["versions"]["weights"], extractor.versions["weights"]
    if wanted != given:
        raise ConfigError(
            f"the deep features were made with weights {wanted[:12]}, not {given[:12]}",
            f"model {card['study']['name']}",
            "name the file: radlas explain --weights FILE",
        )
    return extractor


def as_nifti(values: NDArray[np.float32], geometry: Geometry) -> bytes:
    """An image as NIfTI, gzipped: the same bytes for the same values.

    Args:
        values: Shape ``(z, y, x)``.
        geometry: Their grid.
    """
    affine = _LPS_TO_RAS @ geometry.affine
    image: Any = nibabel.Nifti1Image(values.transpose(2, 1, 0), affine)  # type: ignore[no-untyped-call]
    return gzip.compress(image.to_bytes(), mtime=0)


def _regions(tumour: Any, volume: Volume, grid: Geometry) -> dict[str, Any]:
    """Tumour, body and rings, made on the volume's own grid, taken to the network's."""
    body = body_mask(volume.voxels.astype(np.float32), volume.geometry.spacing)
    masks = {TUMOUR: tumour, "body": body}
    for inner, outer in (*RINGS_MM, SHOWN_MM):
        made = ring(tumour, volume.geometry.spacing_zyx, inner_mm=inner, outer_mm=outer, body=body)
        masks[ring_name(inner, outer)] = made.mask
    return {name: resample_mask(mask, volume.geometry, grid) for name, mask in masks.items()}


def _too_fine(cell_mm: tuple[float, float, float]) -> list[str]:
    """Rings thinner than a cell in the plane of the slices: their share is their neighbours'."""
    return [ring_name(*edges) for edges in RINGS_MM if edges[1] - edges[0] < max(cell_mm[1:])]


def _resolution(refused: Sequence[str], strongest: float) -> str:
    """What a reader must know before believing a share."""
    if strongest <= 0:
        return "the map is all zero: nothing speaks for a higher score"
    if refused:
        return f"finer than a cell of the map, so not told: {', '.join(refused)}"
    return ""


def _slice(seen: Volume, cam_map: Any, masks: Mapping[str, Any]) -> bytes:
    """The slice with the most tumour, as one npz file."""
    z = int(masks[TUMOUR].sum(axis=(1, 2)).argmax())
    stream = io.BytesIO()
    np.savez_compressed(
        stream,
        image=seen.voxels[z],
        map=cam_map[z],
        tumour=masks[TUMOUR][z],
        ring=masks[ring_name(*SHOWN_MM)][z],
        spacing_mm=np.array(seen.geometry.spacing_zyx[1:]),
        scale_max=np.array(cam_map.max()),
    )
    return stream.getvalue()


def _is_hex(text: str) -> bool:
    return all(sign in "0123456789abcdef" for sign in text)
