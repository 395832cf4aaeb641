"""What stands beside a study's models and cannot be fitted, as far as keys and labels tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from radlas.errors import StudyError
from radlas.flows.study.dataset import labelled
from radlas.learn.clinical import clinical_columns
from radlas.learn.study import StudyConfig
from radlas.learn.training import check_counts
from radlas.store.frozen import Snapshot


def unfit(people: Any, snapshot: Snapshot, protocols: Mapping[str, StudyConfig]) -> dict[str, str]:
    """Controls and sensitivity analyses that are sure to fail, before anything is fitted.

    Args:
        people: Every case, as ``load_people`` returns them.
        snapshot: Where they are from.
        protocols: Name of a model to its own protocol, which has that model alone.

    Returns:
        Model to reason: a centre or clinical column that is not there, a value of no class, a
        class or centre that is too small for the folds.
    """
    found = {}
    for model, protocol in protocols.items():
        try:
            _check(people, snapshot, protocol)
        except StudyError as error:
            found[model] = error.what
    return found


def _check(people: Any, snapshot: Snapshot, protocol: StudyConfig) -> None:
    kept, label = labelled(people, protocol, protocol.training_centres, snapshot)
    check_counts(label.to_numpy(), kept["centre"].to_numpy().astype(np.str_), protocol)
    for blocks in protocol.models.values():
        for name in blocks:
            clinical_columns(kept, protocol.blocks[name].clinical or ())
