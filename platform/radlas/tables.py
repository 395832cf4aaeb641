"""Every table of the lake, once: column, type, unit, meaning. Schemas are made from here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from radlas.catalogue import BY_NAME, FEATURES

# Of columns that are not declared, as extractors call their values; SQL and Parquet take it so.
COLUMN_NAME = re.compile(r"[A-Za-z]\w*(?:[.-]\w+)*", re.ASCII)
ColumnType = Literal["string", "bool", "int64", "float64", "timestamp", "list<float32>"]


@dataclass(frozen=True)
class Column:
    """One column. ``unit`` is empty for text, ``1`` for a dimensionless number."""

    name: str
    type: ColumnType
    meaning: str
    unit: str = ""
    nullable: bool = True


@dataclass(frozen=True)
class Table:
    """One table of the lake.

    Attributes:
        key: Columns that name a row; an append skips rows whose key is stored.
        partitions: Columns that become folders.
        volatile: Columns that say when and by whom; no part of the content's identity.
    """

    name: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    partitions: tuple[str, ...] = ()
    volatile: tuple[str, ...] = ("run_id", "recorded_at")

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(column.name for column in self.columns)


def _text(name: str, meaning: str, *, nullable: bool = True) -> Column:
    return Column(name, "string", meaning, nullable=nullable)


def _count(name: str, meaning: str) -> Column:
    return Column(name, "int64", meaning, "1")


def _number(name: str, meaning: str, unit: str) -> Column:
    return Column(name, "float64", meaning, unit)


CASE = _text("case_id", "Keyed pseudonym of the exam's image series.", nullable=False)
CENTRE = _text("centre", "Hospital or collection.", nullable=False)
SUBJECT = _text("subject_id", "Keyed pseudonym of the patient.", nullable=False)
ROI = _text("roi", "Name of the ROI; `whole` for the whole image.", nullable=False)
FEATURE_SET = _text(
    "feature_set", "Extraction recipe: name and digest; never changes in place.", nullable=False
)
RUN = _text("run_id", "The run that wrote the row.", nullable=False)
RECORDED = Column("recorded_at", "timestamp", "When the row was written, UTC.", nullable=False)
ROW_DIGEST = Column(
    "row_digest",
    "int64",
    "BLAKE2b-64 over the row's values, without NULLs and the columns of run and time.",
    "1",
    nullable=False,
)
BOOKKEEPING = (RUN.name, RECORDED.name, ROW_DIGEST.name)  # no part of what a row says

CASES = Table(
    "cases",
    "one row per case: one exam with one image volume",
    ("case_id",),
    (
        CASE,
        CENTRE,
        SUBJECT,
        _text(
            "importer",
            "Importer that read it, as dicom, dicom-masks, tcia-sts or nifti.",
        ),
        _text("sequence", "Sequence class: T2FS, STIR, T1 or other."),
        _text("series_rule", "Why this series was chosen among the subject's."),
        Column("synthetic", "bool", "True for phantom data: never a patient's result."),
        _count("slices", "Voxels along z."),
        _count("rows", "Voxels along y."),
        _count("columns", "Voxels along x."),
        _number("spacing_x_mm", "Column spacing.", "mm"),
        _number("spacing_y_mm", "Row spacing.", "mm"),
        _number("spacing_z_mm", "Slice spacing, from positions.", "mm"),
        _number("obliquity_deg", "Largest angle between grid and patient axes.", "deg"),
        _text("voxel_dtype", "Type as stored."),
        _text("voxel_digest", "SHA-256 over shape and values."),
        _text("input_digest", "Keyed digest over the source files' identities."),
        Column("source_bytes", "int64", "Size of the source files, two significant digits.", "B"),
        _text("manufacturer", "Scanner maker."),
        _text("scanner_model", "Scanner model."),
        _number("field_strength_t", "Magnetic field strength.", "T"),
        _number("repetition_time_ms", "TR.", "ms"),
        _number("echo_time_ms", "TE.", "ms"),
        _number("inversion_time_ms", "TI.", "ms"),
        _number("flip_angle_deg", "Flip angle.", "deg"),
        _text("sex", "Patient's sex in the image headers: F, M, O."),
        _number("age_years", "Patient's age in the image headers.", "a"),
        _text("issuer", "Keyed digests of who issued the patient identifier; NULL if not stated."),
        _text("flags", "Comma-separated warnings about the series."),
        Column(
            "study_day",
            "int64",
            "Day of the study from a secret start of the subject's own: only differences count.",
            "d",
        ),
        RUN,
        RECORDED,
        ROW_DIGEST,
    ),
)

# Columns of `rois` that a drawn ROI does not have: those of a recipe's grid, and those of rings.
GRID_COLUMNS = ("voxels_before", "spacing_x_mm", "spacing_y_mm", "spacing_z_mm")
RING_COLUMNS = (
    "requested_width_mm",
    "achieved_width_mm",
    "kept_fraction",
    "in_plane_only",
    "ring_volume_mm3",
    "dropped_voxels",
)

ROIS = Table(
    "rois",
    "one row per case, ROI, reader and feature set (empty for drawn ROIs)",
    ("case_id", "roi", "reader", "feature_set"),
    (
        CASE,
        CENTRE,
        SUBJECT,
        ROI,
        _text("reader", "Who drew it; empty if unknown, generated or prepared.", nullable=False),
        _text("feature_set", "Recipe that made or resampled it; empty as drawn.", nullable=False),
        _text("origin", "Drawn: rtstruct, seg, image; else generated, or prepared (resampled)."),
        _count("voxels", "Voxels on its grid."),
        _number("volume_mm3", "Voxels times voxel volume.", "mm3"),
        _count("voxels_before", "Voxels before the recipe's resampling; only if `prepared`."),
        _number("spacing_x_mm", "Column spacing of the recipe's grid; NULL if drawn.", "mm"),
        _number("spacing_y_mm", "Row spacing of the recipe's grid; NULL if drawn.", "mm"),
        _number("spacing_z_mm", "Slice spacing of the recipe's grid; NULL if drawn.", "mm"),
        _count("slices", "Slices with at least one voxel."),
        _count("components", "Face-connected components."),
        Column("touches_border", "bool", "True if a voxel lies on the image's border."),
        _number("extent_x_mm", "Bounding box along x.", "mm"),
        _number("extent_y_mm", "Bounding box along y.", "mm"),
        _number("extent_z_mm", "Bounding box along z.", "mm"),
        _number(
            "misalignment_mm",
            "Largest distance of a corner of the mask's grid and the image's.",
            "mm",
        ),
        _number("misalignment_voxels", "The same, in voxels of the image.", "1"),
        _number("requested_width_mm", "Ring width asked for.", "mm"),
        _number(
            "achieved_width_mm",
            "Largest distance of a ring voxel's centre from the tumour, less the inner distance.",
            "mm",
        ),
        _number(
            "kept_fraction",
            "Share of the ring's voxels that lie in the body and within `ring_keeps`.",
            "1",
        ),
        Column("in_plane_only", "bool", "True if slices lie farther apart than the ring is wide."),
        _number("ring_volume_mm3", "Of the ring in space, before anything was left out.", "mm3"),
        _count("dropped_voxels", "Voxels of the ring left out for their intensity."),
        _text("flags", "Comma-separated warnings about the drawing."),
        _text("mask_values", "Values in the mask's file with their counts; empty for contours."),
        _text("mask_digest", "SHA-256 over shape and bits."),
        RUN,
        RECORDED,
        ROW_DIGEST,
    ),
)

CLINICAL = Table(
    "clinical",
    "one row per subject and revision of its record; the view shows the newest",
    ("subject_id", "revision"),
    (
        SUBJECT,
        CENTRE,
        _text("sex", "F or M."),
        _number("age_years", "Age at diagnosis or imaging.", "a"),
        _text("grade", "Grade as the centre wrote it, lower case."),
        _text("histology", "Histological type, lower case."),
        _text("laterality", "left, right or NULL."),
        _text("region", "Body region, lower case."),
        _text("site_group", "lower limb, upper limb or trunk."),
        Column("revision", "int64", "1, then one more for each change.", "1", nullable=False),
        RUN,
        RECORDED,
        ROW_DIGEST,
    ),
)

RADIOMICS_FEATURES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)


def feature_column(name: str) -> Column:
    """The column of one radiomics feature, named ``family_Feature``."""
    known = BY_NAME.get(name)
    if known is None:
        family, _, feature = name.partition("_")
        return Column(name, "float64", f"{feature} ({family}).", "1")
    return Column(name, "float64", known.definition, known.unit)


_ROW_REASON = _text("reason", "Why values are NULL; empty if none is.", nullable=False)
_INPUT = _text("input_digest", "SHA-256 over voxels, masks and recipe.", nullable=False)

RADIOMICS = Table(
    "radiomics",
    "one row per feature set, case, ROI, image type and perturbation",
    ("feature_set", "case_id", "roi", "image_type", "perturbation"),
    (
        CASE,
        CENTRE,
        SUBJECT,
        FEATURE_SET,
        ROI,
        _text("image_type", "original, log-sigma-2-0-mm, wavelet-LLH.", nullable=False),
        _text("perturbation", "How image or mask were changed; empty or NULL for not at all."),
        _text("aggregation", "2D or 3D neighbours, and how directions merge, as `3d_average`."),
        _count("grey_levels", "Grey levels that occur in the ROI."),
        _ROW_REASON,
        _INPUT,
        RUN,
        RECORDED,
        ROW_DIGEST,
        *(feature_column(name) for name in RADIOMICS_FEATURES),
    ),
    partitions=("feature_set", "centre"),
)

# Columns of a row that are no features: whose it is, and how it came about.
RADIOMICS_FACTS = frozenset(RADIOMICS.names) - frozenset(RADIOMICS_FEATURES)

DEEP = Table(
    "deep",
    "one row per feature set, case, ROI and layer",
    ("feature_set", "case_id", "roi", "layer"),
    (
        CASE,
        CENTRE,
        SUBJECT,
        FEATURE_SET,
        ROI,
        _text("layer", "Layer of the network.", nullable=False),
        Column("vector", "list<float32>", "Embedding.", "1"),
        _ROW_REASON,
        _INPUT,
        _text("device", "Device and precision that computed it, as `cpu float32`."),
        RUN,
        RECORDED,
        ROW_DIGEST,
    ),
    partitions=("feature_set", "centre"),
    volatile=("run_id", "recorded_at", "device"),
)

OUTCOMES = Table(
    "outcomes",
    "one row per run and attempt at a task; the view `latest` keeps the newest per task",
    ("run_id", "task_key", "attempt", "state"),
    (
        RUN,
        _text(
            "task_key",
            "Digest of the task's inputs and settings; keyed for ingest.",
            nullable=False,
        ),
        _text("stage", "ingest or extract.", nullable=False),
        CENTRE,
        _text("case_id", "Case, or pseudonym of the source if there is no case.", nullable=False),
        _text("feature_set", "What was extracted; empty for ingest.", nullable=False),
        _count("attempt", "1 for the first try of the run."),
        _text(
            "state",
            "ok, quarantined, failed, released by `retry`, or mended: refused alone by a scan, and"
            " sound by a later one.",
            nullable=False,
        ),
        _text("reason", "Reason code; empty if ok.", nullable=False),
        _text("message", "What happened and what to try.", nullable=False),
        _number("seconds", "Wall time.", "s"),
        _number("peak_rss_mib", "Largest resident memory.", "MiB"),
        _text("worker", "Process that did the work; its machine as `radlas doctor` names it."),
        RECORDED,
        ROW_DIGEST,
    ),
)

TABLES: dict[str, Table] = {
    table.name: table for table in (CASES, ROIS, CLINICAL, RADIOMICS, DEEP, OUTCOMES)
}

# What names a row of a snapshot's views. That of clinical records shows each one's newest revision.
VIEW_KEYS: dict[str, tuple[str, ...]] = {
    table.name: table.key for table in (CASES, ROIS, RADIOMICS, DEEP)
} | {"clinical": ("subject_id",)}
