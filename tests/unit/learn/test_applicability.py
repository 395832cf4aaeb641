"""What a model was never shown, by value."""

from __future__ import annotations

import numpy as np
import pandas as pd

from radlas.learn.applicability import beyond, signature_names


def test_a_value_is_beyond_training_on_either_side_and_a_missing_one_is_not():
    background = pd.DataFrame({"a": [0.0, 1.0], "b": [np.nan, 3.0]})
    X = pd.DataFrame({"a": [0.0, 1.1, -0.1, np.nan], "b": [3.0, 3.0, 2.9, np.nan]})
    assert beyond(X, background, ["a", "b"]).to_numpy().tolist() == [
        [False, False],
        [True, False],
        [True, True],
        [False, False],
    ]


def test_no_training_patient_is_beyond_training(fitted, cohort):
    names = signature_names(fitted, cohort.X)
    assert 0 < len(names) < len(fitted.columns)
    assert not beyond(cohort.X, cohort.X, names).any(axis=None)
