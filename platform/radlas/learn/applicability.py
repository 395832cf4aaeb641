"""Whether a model may speak of a patient: what of its signature is missing, or was never seen."""

from __future__ import annotations

import pandas as pd

from radlas.learn.fitted import FittedModel


def signature_names(model: FittedModel, background: pd.DataFrame) -> list[str]:
    """Raw features that the score uses, as far as the training rows hold them."""
    return [name for name in model.signature["feature"] if name in background.columns]


def beyond(X: pd.DataFrame, background: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Which values lie beyond what training ever saw; a missing value does not.

    Args:
        X: Raw features, one row per case.
        background: The training rows.
        names: Columns to look at.

    Returns:
        Booleans, one row per case, one column per name.
    """
    low, high = background[names].min(), background[names].max()
    return (X[names] < low) | (X[names] > high)
