"""From clinical records and wide feature frames to labels and columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import pandas as pd

from radlas.errors import StudyError
from radlas.learn.settings import CLINICAL, MISSING, Block, OutcomeMapping
from radlas.learn.study import StudyConfig


class ClassTable(NamedTuple):
    """How many subjects of one centre have which outcome."""

    centre: str
    positive: int
    negative: int
    excluded: int


class ColumnName(NamedTuple):
    """The parts of ``roi__image_type__feature``.

    Deep features are numbered: ``whole__layer4__017``. Clinical columns name variable and value in
    the last two: ``clinical__sex__F``.
    """

    roi: str
    image_type: str
    feature: str

    @property
    def deep(self) -> bool:
        """True for a feature of a network."""
        return self.feature.isdigit() and not self.clinical

    @property
    def clinical(self) -> bool:
        """True for a column of the clinical record."""
        return self.roi == CLINICAL

    @property
    def family(self) -> str:
        """``firstorder`` of ``firstorder_Mean``; empty for deep and clinical columns."""
        return "" if self.deep or self.clinical else self.feature.partition("_")[0]


def parse_column(name: str) -> ColumnName:
    """Split a feature column's name.

    Raises:
        StudyError: It has not the three parts.

    Examples:
        >>> parse_column("ring_0_10__original__glcm_Contrast").family
        'glcm'
    """
    parts = name.split("__")
    if len(parts) != 3 or not all(parts):
        raise StudyError(
            f"column {name!r} is not named roi__image_type__feature",
            hint="pass feature columns only; keep keys and clinical data apart",
        )
    return ColumnName(*parts)


def block_columns(columns: Iterable[str], block: Block) -> tuple[str, ...]:
    """The columns of one block, in order of their names."""
    return tuple(sorted(name for name in columns if _belongs(parse_column(name), block)))


def model_columns(columns: Iterable[str], study: StudyConfig, model: str) -> dict[str, str]:
    """Column to block of one model: blocks in declared order, columns in order of their names.

    Raises:
        StudyError: The model is unknown, a block selects nothing or the outcome itself, or two
            blocks share a column.
    """
    if model not in study.models:
        raise StudyError(
            f"no model is named {model!r}", study.name, f"of: {', '.join(study.models)}"
        )
    names, owner = list(columns), dict[str, str]()
    for name in study.models[model]:
        chosen = block_columns(names, study.blocks[name])
        where = f"study {study.name}, model {model}, block {name}"
        if study.outcome.column in (study.blocks[name].clinical or ()):
            hint = "leave it out: who knows it needs no model"
            raise StudyError(f"{study.outcome.column} is the outcome itself", where, hint)
        if not chosen:
            present = sorted({parse_column(column).roi for column in names})
            raise StudyError("no column belongs to the block", where, f"ROIs are: {present}")
        if shared := [column for column in chosen if column in owner]:
            hint = "let blocks differ in ROI, image types or families"
            raise StudyError(f"{shared[0]} also belongs to {owner[shared[0]]}", where, hint)
        owner.update(dict.fromkeys(chosen, name))
    return owner


def labels(clinical: pd.DataFrame, outcome: OutcomeMapping) -> pd.Series:
    """Label of every subject the outcome includes.

    Args:
        clinical: One row per subject: ``subject_id``, ``centre`` and the outcome's column.
        outcome: The declared mapping.

    Returns:
        1 (positive) or 0 (negative), int64, indexed by ``subject_id`` in sorted order.

    Raises:
        StudyError: A value is not declared, a column is absent, or a subject has two rows.
    """
    classes = _classes(clinical, outcome)
    kept = classes[classes != "excluded"]
    return (kept == "positive").astype("int64").sort_index().rename("label")


def class_tables(clinical: pd.DataFrame, outcome: OutcomeMapping) -> tuple[ClassTable, ...]:
    """Outcome counts of every centre, in order of their names. Arguments as for ``labels``."""
    classes = _classes(clinical, outcome)
    centres = clinical.set_index("subject_id")["centre"].astype(str).reindex(classes.index)
    counts = pd.crosstab(centres, classes).reindex(
        columns=list(ClassTable._fields[1:]), fill_value=0
    )
    return tuple(
        ClassTable(str(name), *map(int, row))
        for name, row in zip(counts.index, counts.to_numpy(), strict=True)
    )


def _belongs(name: ColumnName, block: Block) -> bool:
    if name.clinical or block.clinical:
        return name.clinical and name.image_type in (block.clinical or ())
    return (
        name.deep == block.deep
        and block.roi in (None, name.roi)
        and (block.image_types is None or name.image_type in block.image_types)
        and (block.families is None or name.family in block.families)
        and (block.features is None or name.feature in block.features)
    )


def _classes(clinical: pd.DataFrame, outcome: OutcomeMapping) -> pd.Series:
    _check_clinical(clinical, outcome)
    written = clinical.set_index("subject_id")[outcome.column]
    values = (
        written.astype("object").where(written.notna(), MISSING).astype(str).str.strip().str.lower()
    )
    values = values.where(values != "", MISSING)
    kinds = {value: kind for kind in ClassTable._fields[1:] for value in getattr(outcome, kind)}
    unknown = ~values.isin(list(kinds)).to_numpy()
    if unknown.any():
        seen = pd.DataFrame({"value": values.to_numpy(), "centre": clinical["centre"].to_numpy()})
        counts = seen[unknown].groupby(["value", "centre"]).size()
        listed = "; ".join(f"{value!r} of {centre}: {n}" for (value, centre), n in counts.items())
        raise StudyError(
            f"values of {outcome.column} that the outcome does not declare: {listed}",
            hint="add each to `positive`, `negative` or `excluded`",
        )
    return values.map(kinds)


def _check_clinical(clinical: pd.DataFrame, outcome: OutcomeMapping) -> None:
    absent = {"subject_id", "centre", outcome.column} - set(clinical.columns)
    if absent:
        raise StudyError(f"clinical data lack the columns {sorted(absent)}", hint="check `outcome`")
    twice = clinical.loc[clinical["subject_id"].duplicated(), "subject_id"]
    if len(twice):
        raise StudyError(
            f"{twice.nunique()} subjects have more than one clinical row, as {twice.iloc[0]}",
            hint="use the view of newest records",
        )
