"""SHAP values of a model's external cases, as an explanation tells them."""

from __future__ import annotations

from typing import Any

from radlas.learn.explain import block_shares, explain, families, group_shares, profile
from radlas.learn.fitted import FittedModel
from radlas.learn.study import StudyConfig


def shap_told(model: FittedModel, rows: Any, background: Any, study: StudyConfig) -> dict[str, Any]:
    """What moves the score, by feature, block and family, and for each case.

    Args:
        model: The primary model.
        rows: External cases in the model's inputs.
        background: The training rows in the same.
        study: Its protocol.
    """
    found = explain(model, rows, background)
    own = explain(model, background, background)
    settings: dict[str, Any] = {"alpha": study.alpha, "seed": study.seed}
    size = found.values.abs().mean().sort_values(ascending=False, kind="stable")
    order = size.index[size > 0]  # LASSO left the others at zero
    values, data = found.values[order], found.data[order]
    shares = block_shares(found)
    return {
        "model": study.primary,
        "base": found.base,
        "note": shares["note"],
        "features": [
            {"feature": str(f), "block": found.blocks[f], "mean_abs": float(size[f])} for f in order
        ],
        "blocks": [
            {"block": block, "share": share}
            for block, share in shares["share"].items()
            if share is not None
        ],
        "groups": {
            "blocks": group_shares(found, found.blocks, **settings),
            "families": group_shares(found, families(found.blocks, found.blocks), **settings),
        },
        "profile": profile(own, found),
        "values": {
            "features": [str(name) for name in order],
            "cases": [str(case) for case in values.index],
            "phi": values.to_numpy().tolist(),
            "x": data.to_numpy().tolist(),
        },
    }
