"""The types that all rooms exchange: volumes, ROIs, feature rows, outcomes. Frozen, no logic."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from radlas.geometry import Geometry

State = Literal["ok", "quarantined", "failed", "released", "mended"]
Row = dict[str, Any]
TUMOUR = "tumour"
EDEMA = "edema"
ROI_NAME = re.compile(r"[a-z](?:_?[a-z0-9])*")  # `__` stands between the parts of a column's name


@dataclass(frozen=True, eq=False)
class Volume:
    """One image on its grid.

    Attributes:
        voxels: Shape ``(z, y, x)``, any real dtype, arbitrary MR units.
        geometry: Where the voxels lie.
    """

    voxels: NDArray[Any]
    geometry: Geometry


@dataclass(frozen=True, eq=False)
class Roi:
    """A named mask on the grid of its volume.

    Attributes:
        name: ``tumour``, ``edema``, ``ring_0_10``.
        mask: Shape ``(z, y, x)``, bool.
        origin: ``rtstruct``, ``seg``, ``image`` (a mask file) or ``generated``.
        reader: Who drew it; empty if the source does not say.
        misalignment_mm: Worst corner displacement between the mask's grid and the image's [mm].
        misalignment_voxels: The same in voxels of the image [1].
        flags: What a careful reader should know: ``undrawn_slices``, ``ambiguous_contours``.
        values: Values found in the mask's file with their counts, as ``0=9000 1=120``.
    """

    name: str
    mask: NDArray[np.bool_]
    origin: str
    reader: str = ""
    misalignment_mm: float = 0.0
    misalignment_voxels: float = 0.0
    flags: tuple[str, ...] = ()
    values: str = ""


@dataclass(frozen=True)
class FeatureRow:
    """What one extractor says of one ROI.

    Attributes:
        roi: Name of the ROI; ``whole`` for the whole image.
        image_type: ``original``, ``log-sigma-2-0-mm``, ``wavelet-LLH``; the layer of a network.
        values: Feature name to value; ``None`` where the feature is undefined.
        vector: Embedding, shape ``(feature,)``; only in rows of the table ``deep``.
        reason: Why values are undefined; empty if none is.
        grey_levels: Grey levels that occur in the ROI; ``None`` where there are none.
        aggregation: How texture matrices were merged, as ``3d_average``; empty without texture.
        perturbation: How image or mask were changed; empty for not at all.
        device: Device and precision that computed an embedding, as ``cpu float32``.
    """

    roi: str
    image_type: str
    values: Mapping[str, float | None] = field(default_factory=dict)
    vector: tuple[float, ...] = ()
    reason: str = ""
    grey_levels: int | None = None
    aggregation: str = ""
    perturbation: str = ""
    device: str = ""


@dataclass(frozen=True)
class Description:
    """All rows of one case by one extractor, with the ROIs that had to be generated for them.

    Attributes:
        rows: One per ROI and image type.
        rois: Facts of generated ROIs: columns of the table ``rois``.
    """

    rows: tuple[FeatureRow, ...]
    rois: tuple[Row, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of one task. Every task ends as one; none may vanish.

    Attributes:
        key: Digest of what was asked: inputs and settings.
        stage: ``ingest`` or ``extract``.
        state: ``ok``, ``quarantined`` (the data's fault) or ``failed`` (ours);
            ``released`` until it is done again; ``mended`` if it was a refusal that is over.
        reason: Code of ``radlas.reasons``, or of the failure; empty if ok.
        message: What happened, where, what to try.
        feature_set: What was extracted; empty for ingest.
        rows: Rows to append, by table.
        seconds: Wall time of the work [s].
        peak_rss_mib: Largest resident memory of the process that did it [MiB].
        worker: Name of that process.
        attempt: 1 for the first try of this run.
    """

    key: str
    stage: str
    centre: str
    case_id: str
    state: State
    reason: str = ""
    message: str = ""
    feature_set: str = ""
    rows: Mapping[str, tuple[Row, ...]] = field(default_factory=dict)
    seconds: float = 0.0
    peak_rss_mib: float = 0.0
    worker: str = ""
    attempt: int = 1
