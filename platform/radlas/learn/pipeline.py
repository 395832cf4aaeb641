"""The one pipeline of every model: each step is fitted on the rows it is given, and no others."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from radlas.errors import StudyError
from radlas.learn.harmonise import Harmoniser
from radlas.learn.lasso import L1Logistic, LinearLasso
from radlas.learn.selectors import CorrelationFilter, NearConstant, RankedElimination
from radlas.learn.settings import Harmonise, Selection
from radlas.words import counted

K, C = "eliminate__n_features", "lasso__C"


def build_pipeline(selection: Selection, harmonise: Harmonise | None = None) -> Pipeline:
    """Near-constant filter, harmoniser, median, z-score, correlation filter, RFE, LASSO.

    Frames go through as frames, so every step knows its columns by name. The grid's first k and C
    are set; ``search`` chooses. With a harmoniser rows must tell their centres
    (``harmonise.with_centres``).
    """
    rfe = RankedElimination(selection.rfe_features[0], selection.rfe_step, selection.rfe_c)
    steps = [
        ("vary", NearConstant(selection.near_constant)),
        *_harmoniser(harmonise),
        ("impute", SimpleImputer(strategy="median")),
        ("scale", StandardScaler()),
        ("decorrelate", CorrelationFilter(selection.correlation)),
        ("eliminate", rfe),
        ("lasso", _lasso(selection)),
    ]
    return Pipeline(steps).set_output(transform="pandas")


def without_names(pipeline: Pipeline, X: pd.DataFrame) -> tuple[Pipeline, Any]:
    """The same steps, not fitted, and rows for them without names, if they can do without.

    scikit-learn looks at a frame column by column in every step; only a harmoniser reads names.
    """
    if "harmonise" in pipeline.named_steps:
        return clone(pipeline), X
    return clone(pipeline).set_output(transform="default"), X.to_numpy()


def fit_quickly(pipeline: Pipeline, X: pd.DataFrame, y: ArrayLike) -> Pipeline:
    """A clone, fitted; it takes rows as ``without_names`` gives them."""
    steps, values = without_names(pipeline, X)
    fitted: Pipeline = steps.fit(values, y)
    return fitted


def _harmoniser(policy: Harmonise | None) -> list[tuple[str, Any]]:
    if policy is None or policy.method == "none":
        return []
    return [("harmonise", Harmoniser(policy.method, policy.on_unseen, policy.minimum))]


def _lasso(selection: Selection) -> L1Logistic:
    if selection.lasso == "linear" and selection.refit is not None:
        return LinearLasso(selection.c[0], selection.refit)
    return L1Logistic(selection.c[0], selection.refit)


@contextmanager
def strict_convergence(where: str) -> Iterator[None]:
    """Turn a solver's ``ConvergenceWarning`` into an error: half-fitted models are no models.

    Raises:
        StudyError: A solver ran out of iterations.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            yield
        except ConvergenceWarning as error:
            hint = "drop the largest C of the grid, or check features for extreme values"
            raise StudyError(f"a solver did not converge: {error}", where, hint) from error


def pipeline_parameters(fitted: Pipeline, columns: Sequence[str]) -> dict[str, Any]:
    """Everything a fitted pipeline learned, JSON-ready, for a canonical digest.

    Values are rounded to 10 significant digits: far below any meaning, far above what thread
    counts or processors do to the last bit.

    Args:
        fitted: All steps fitted.
        columns: Names of what it was fitted on, in that order.
    """
    scaler, lasso = fitted["scale"], fitted["lasso"]
    varying, representatives, selected = surviving(fitted, columns)
    return {
        "settings": {K: fitted["eliminate"].n_features, C: rounded(lasso.C)},
        "columns": list(columns),
        "varying": varying,
        **_harmonised(fitted),
        "median": rounded(fitted["impute"].statistics_),
        "mean": rounded(scaler.mean_),
        "scale": rounded(scaler.scale_),
        "representatives": representatives,
        "selected": selected,
        "coefficient": rounded(lasso.coef_[0]),
        "intercept": rounded(lasso.intercept_[0]),
    }


def surviving(fitted: Pipeline, columns: Sequence[str]) -> tuple[list[str], ...]:
    """Names after the near-constant filter, after the correlation filter, and after RFE."""
    names, found = np.asarray(columns, dtype=object), []
    for step in ("vary", "decorrelate", "eliminate"):
        names = names[fitted[step].get_support()]
        found.append([str(name) for name in names])
    return tuple(found)


def _harmonised(fitted: Pipeline) -> dict[str, Any]:
    step = fitted.named_steps.get("harmonise")
    if step is None:
        return {}
    arrays = ("factor_", "offset_", "mean_", "scale_", "raw_mean_", "raw_scale_")
    learned = {name: rounded(getattr(step, name)) for name in arrays}
    return {"harmonise": {**step.get_params(), "centres": _names(step.centres_), **learned}}


def rounded(values: Any) -> Any:
    """A number, or a list of numbers, to 10 significant digits."""
    if np.ndim(values):
        return [rounded(value) for value in np.asarray(values)]
    return float(f"{float(values):.10g}")


def signature_table(fitted: Pipeline, block_of: dict[str, str]) -> pd.DataFrame:
    """The model as a table that anyone can apply with a spreadsheet.

    Returns:
        One row per feature with a coefficient, in order of names, then ``(intercept)`` as a
        feature that is always 1. Columns: ``feature``, ``block``, ``median`` (stands in for a
        missing value), ``mean``, ``scale``, ``coefficient`` (of the z-score), ``native_weight``
        (of the value in its own unit; the intercept's closes the sum).
    """
    lasso, scaler = fitted["lasso"], fitted["scale"]
    varying, _, selected = surviving(fitted, list(block_of))
    place = {name: index for index, name in enumerate(varying)}
    used = sorted(
        (name, float(weight))
        for name, weight in zip(selected, lasso.coef_[0], strict=True)
        if weight != 0
    )
    at = [place[name] for name, _ in used]
    table = pd.DataFrame(
        {
            "feature": [name for name, _ in used],
            "block": [block_of[name] for name, _ in used],
            "median": fitted["impute"].statistics_[at],
            "mean": scaler.mean_[at],
            "scale": scaler.scale_[at],
            "coefficient": np.array([weight for _, weight in used], dtype=np.float64),
        }
    ).astype({"feature": "str", "block": "str"})  # also of no row
    table["native_weight"] = table["coefficient"] / table["scale"]
    shift = float((table["native_weight"] * table["mean"]).sum())
    intercept = float(lasso.intercept_[0])
    table.loc[len(table)] = ["(intercept)", "", 1.0, 0.0, 1.0, intercept, intercept - shift]
    return table


def centre_table(fitted: Pipeline, signature: pd.DataFrame) -> pd.DataFrame:
    """What a harmonised model does to raw values before the signature applies.

    Returns:
        ``feature centre factor offset``, for every feature of the signature and every centre that
        was fitted: ``value * factor + offset``. Without a row if the model does not harmonise.
    """
    step, names = fitted.named_steps.get("harmonise"), list(signature["feature"].iloc[:-1])
    columns = {"feature": "str", "centre": "str", "factor": "float64", "offset": "float64"}
    if step is None:
        return pd.DataFrame(columns=list(columns)).astype(columns)
    place = {name: at for at, name in enumerate(step.feature_names_in_)}
    rows = [
        (name, str(centre), step.factor_[row, place[name]], step.offset_[row, place[name]])
        for name in names
        for row, centre in enumerate(step.centres_)
    ]
    return pd.DataFrame(rows, columns=list(columns)).astype(columns)


def rad_score(signature: pd.DataFrame, X: pd.DataFrame) -> pd.Series:
    """Linear predictor (logit of the risk) of every row, from the published table alone.

    Args:
        signature: As ``signature_table`` returns it.
        X: Raw features, one column per feature of the signature at least; NaN where missing. For
            a model that harmonises, moved by its centres' factors and offsets.

    Raises:
        StudyError: A feature of the signature is not among the columns.
    """
    features = signature.iloc[:-1]
    absent = sorted(set(features["feature"]) - set(X.columns))
    if absent:
        raise StudyError(
            f"not there of the signature: {counted(len(absent), 'feature')}, as {absent[0]}"
        )
    raw = X[list(features["feature"])].to_numpy(dtype=np.float64)
    filled = np.where(np.isnan(raw), features["median"].to_numpy(), raw)
    scores = (filled - features["mean"].to_numpy()) / features["scale"].to_numpy()
    logit = scores @ features["coefficient"].to_numpy() + signature["coefficient"].iloc[-1]
    return pd.Series(logit, index=X.index, name="rad_score")


def _names(names: Any) -> list[str]:
    return [str(name) for name in names]
