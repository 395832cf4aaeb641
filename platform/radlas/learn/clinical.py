"""Clinical records as columns: ``clinical__sex__F``, ``clinical__age_years__value``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from radlas.errors import StudyError
from radlas.learn.settings import CLINICAL, MISSING

VALUE = "value"
_NUMBERS = {"integer", "floating", "mixed-integer-float", "decimal"}  # as pandas infers them


def clinical_columns(people: pd.DataFrame, variables: Sequence[str]) -> tuple[str, ...]:
    """Names of the columns that these records need, sorted.

    A number gives one column; anything else one column per value that occurs, a missing value
    among them.

    Raises:
        StudyError: A variable is not in the records.
    """
    names = []
    for variable in variables:
        values = _values(people, variable)
        if _is_number(values):
            names.append(f"{CLINICAL}__{variable}__{VALUE}")
        else:
            names += [f"{CLINICAL}__{variable}__{level}" for level in set(_levels(values))]
    return tuple(sorted(names))


def clinical_features(people: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
    """Records as numbers, in exactly these columns.

    Args:
        people: One row per case; the index names the cases.
        columns: As ``clinical_columns`` names them, of these or of other patients: a value that
            occurs only there is 0 for everybody here.

    Returns:
        Frame of float64; NaN for a missing number, and in all columns of a variable for who has a
        value, or lacks one, as none of those patients does: of two sexes 0 would be the other one.

    Raises:
        StudyError: A variable is not in the records.
    """
    found, named = {}, {name: name.split("__", 2)[1:] for name in columns}
    for name, (variable, level) in named.items():
        values = _values(people, variable)
        if level == VALUE:
            found[name] = pd.to_numeric(values, errors="coerce").astype(np.float64)
        else:
            levels = _levels(values)
            known = levels.isin([one for other, one in named.values() if other == variable])
            found[name] = (levels == level).astype(np.float64).where(known)
    return pd.DataFrame(found, index=people.index)


def _values(people: pd.DataFrame, variable: str) -> pd.Series:
    if variable not in people.columns:
        hint = f"columns are: {', '.join(map(str, people.columns))}"
        raise StudyError(f"{variable!r} is not in the clinical records", hint=hint)
    return people[variable]


def _is_number(values: pd.Series) -> bool:
    """Whether a column holds numbers: by its type, or by each value of a column of any type.

    Numbers beside SQL's NULL may come as objects.
    """
    if values.dtype == object:
        return pd.api.types.infer_dtype(values, skipna=True) in _NUMBERS
    return bool(pd.api.types.is_numeric_dtype(values)) and not pd.api.types.is_bool_dtype(values)


def in_words(values: pd.Series) -> pd.Series:
    """A clinical column as texts; what is not there, or empty, is a level of its own."""
    texts = values.astype("object").where(values.notna(), MISSING).astype(str).str.strip()
    return texts.where(texts != "", MISSING)


def _levels(values: pd.Series) -> pd.Series:
    """Texts without what would read as the parts of a column's name, or as a number's."""
    return in_words(values).str.replace("__+", "_", regex=True).replace(VALUE, f"{VALUE}_")
