from __future__ import annotations

import doctest
import importlib

import numpy as np
import pandas as pd
import pytest

from radlas.learn.training import finite_frame


@pytest.mark.parametrize("name", ["design", "statistics.delong", "metrics", "splits"])
def test_the_examples_in_docstrings_are_true(name: str):
    found = doctest.testmod(importlib.import_module(f"radlas.learn.{name}"))
    assert found.attempted > 0
    assert found.failed == 0


@pytest.mark.parametrize("dtype", ["float32", "Float64", "double[pyarrow]", "object"])
def test_columns_of_any_store_type_become_float64_with_gaps_as_nan(dtype: str):
    values = pd.Series([1.5, None, 2.0], index=["a", "b", "c"], dtype=dtype)
    frame = finite_frame(pd.DataFrame({"x": values}), ("x",))
    np.testing.assert_array_equal(frame["x"].to_numpy(), np.array([1.5, np.nan, 2.0]))
