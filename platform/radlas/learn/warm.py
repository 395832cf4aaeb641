"""Compile the loops of model fitting once, so that nobody's first study waits for it."""

from __future__ import annotations

import numpy as np

from radlas.learn.elimination import elimination_order
from radlas.learn.lasso import L1Logistic
from radlas.learn.selectors import CorrelationFilter


def compile_kernels() -> None:
    """Fit a small made table by every step that has a loop of its own."""
    y = np.arange(20) % 2
    X = np.random.default_rng(0).normal(size=(20, 6)) + y[:, None]
    CorrelationFilter().fit(X)
    elimination_order(X, y.astype(np.float64), C=0.1)
    L1Logistic(1.0).fit(X, y)
