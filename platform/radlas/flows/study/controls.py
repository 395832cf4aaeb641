"""Honesty models: what a study's own models must beat before their numbers mean anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from radlas.flows.study.blocks import block_sets
from radlas.flows.study.networks import null_sets
from radlas.learn.settings import Block
from radlas.learn.study import CONTROL, Control, StudyConfig
from radlas.learn.training import Training
from radlas.store.layout import Store
from radlas.store.recipes import load_recipe

VOLUME = ("shape_MeshVolume",)
SHUFFLED = "shuffled"
UNHARMONISED = "unharmonised"
MEANING: dict[str, str] = {
    "volume": "the tumour's volume alone",
    "clinical": "the clinical record alone",
    "centre": "the centre alone: what confounding by centre is worth",
    "random_weights": "the primary model on a network that was never trained",
    "permuted": "the primary model on permuted labels: it must end at chance",
    "shuffled": "the primary model on ROIs whose voxels were shuffled: size and brightness alone",
    UNHARMONISED: "the primary model without harmonising: what harmonising changes",
}


@dataclass(frozen=True)
class Controls:
    """Which controls can be fitted, and why others cannot.

    Attributes:
        study: The protocol with a model for every control that can.
        missing: Control to reason.
    """

    study: StudyConfig
    missing: dict[str, str]

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the controls' models."""
        return tuple(name for name in self.study.models if name.startswith(CONTROL))

    def without(self, unfit: Mapping[str, str]) -> Controls:
        """The same without those that cannot be fitted after all: name of the model to reason."""
        models = {name: blocks for name, blocks in self.study.models.items() if name not in unfit}
        why = {name.removeprefix(CONTROL): told for name, told in unfit.items()}
        study = self.study.model_copy(update={"models": models})
        return Controls(study, self.missing | why)


def find_controls(store: Store, available: Sequence[str], study: StudyConfig) -> Controls:
    """The controls that a study declares, as models of blocks.

    Args:
        store: The store.
        available: Feature sets of the snapshot.
        study: The protocol.
    """
    blocks, models, missing = dict(study.blocks), dict(study.models), dict[str, str]()
    for control in study.controls:
        found = _BLOCKS[control](store, available, study)
        if isinstance(found, str):
            missing[control] = found
            continue
        name = f"{CONTROL}{control}"
        blocks |= {f"{name}-{part}": block for part, block in found.items()}
        models[name] = tuple(f"{name}-{part}" for part in found)
    if study.harmonise.method != "none":
        models[f"{CONTROL}{UNHARMONISED}"] = study.models[study.primary]
    return Controls(study.model_copy(update={"blocks": blocks, "models": models}), missing)


def only(study: StudyConfig, model: str) -> StudyConfig:
    """The same protocol with one model: nobody loads what only others need."""
    change: dict[str, Any] = {"models": {model: study.models[model]}}
    if model == f"{CONTROL}{UNHARMONISED}":
        change["harmonise"] = study.harmonise.model_copy(update={"method": "none"})
    return study.model_copy(update=change)


def permuted(rows: Training, seed: int) -> Training:
    """The same rows with the labels of the subjects dealt anew.

    Its folds balance the dealt labels, as those of every model balance its own: in folds that do
    not, the share of positives in training runs against that in the test, and risks that know
    nothing but this share end far below chance.
    """
    names, first = np.unique(rows.subjects, return_index=True)
    dealt = np.random.default_rng([seed, len(names)]).permutation(rows.y[first])
    return replace(rows, y=dealt[np.searchsorted(names, rows.subjects)])


def is_permuted(model: str) -> bool:
    """Whether a model is fitted on permuted labels."""
    return model == f"{CONTROL}permuted"


Found = dict[str, Block] | str


def _primary(study: StudyConfig) -> dict[str, Block]:
    return {name: study.blocks[name] for name in study.models[study.primary]}


def _volume(store: Store, available: Sequence[str], study: StudyConfig) -> Found:
    tumour = [b for b in study.blocks.values() if b.table == "radiomics" and b.roi == "tumour"]
    if not tumour:
        return "no block of the study is about the tumour"
    change: dict[str, Any] = {"features": VOLUME, "families": None, "image_types": ("original",)}
    return {"tumour": tumour[0].model_copy(update=change)}


def _clinical(store: Store, available: Sequence[str], study: StudyConfig) -> Found:
    if not study.clinical:
        return "the study names no clinical columns"
    return {"record": Block(clinical=study.clinical)}


def _centre(store: Store, available: Sequence[str], study: StudyConfig) -> Found:
    if len(study.training_centres) < 2:
        return "there is one training centre"
    return {"centre": Block(clinical=("centre",))}


def _random_weights(store: Store, available: Sequence[str], study: StudyConfig) -> Found:
    blocks = _primary(study)
    deep = [name for name, block in blocks.items() if block.deep]
    if not deep:
        return "the primary model takes no deep features"
    used = block_sets(store, available, only(study, study.primary))
    random = null_sets(store, available)
    if set(random) & {used[name] for name in deep}:
        return "the primary model's own network has random weights"
    twins = {name: _untrained_twin(store, random, used[name]) for name in deep}
    if lacking := [why for _, why in twins.values() if why]:
        return lacking[0]
    return {
        name: block.model_copy(update={"feature_set": twins[name][0]}) if name in twins else block
        for name, block in blocks.items()
    }


def _untrained_twin(store: Store, random: Sequence[str], feature_set: str) -> tuple[str, str]:
    """A network that knows nothing and saw the same of an image; else why there is none."""
    wanted, nearest = _sight(store, feature_set), list[str]()
    for name in random:
        found = _sight(store, name)
        differing = sorted(k for k in wanted.keys() | found.keys() if wanted.get(k) != found.get(k))
        if not differing:
            return name, ""
        nearest = min(nearest or differing, differing, key=len)
    why = (
        f"the snapshot holds no deep features with random weights and the settings of {feature_set}"
    )
    return "", f"{why}: {', '.join(nearest)} differ" if nearest else why


def _sight(store: Store, feature_set: str) -> dict[str, Any]:
    """What a network is and sees, whatever its weights; and how that was made."""
    made = load_recipe(store, feature_set)
    settings = {key: value for key, value in made["settings"].items() if key != "seed"}
    return settings | {"methods": made["versions"].get("methods")}


def _permuted(store: Store, available: Sequence[str], study: StudyConfig) -> Found:
    return _primary(study)


def _shuffled(store: Store, available: Sequence[str], study: StudyConfig) -> Found:
    blocks = _primary(study)
    used = block_sets(store, available, only(study, study.primary))
    drawn = [name for name, block in blocks.items() if block.table == "radiomics"]
    for name in drawn:
        changes = load_recipe(store, used[name])["settings"].get("perturbations")
        if not isinstance(changes, dict) or not changes.get("shuffle"):
            return f"{used[name]} was extracted without `perturbations: {{shuffle: true}}`"
    if not drawn:
        return "the primary model takes no radiomics"
    return {name: blocks[name].model_copy(update={"perturbation": SHUFFLED}) for name in drawn}


_BLOCKS: dict[Control, Callable[[Store, Sequence[str], StudyConfig], Found]] = {
    "volume": _volume,
    "clinical": _clinical,
    "centre": _centre,
    "random_weights": _random_weights,
    "permuted": _permuted,
    "shuffled": _shuffled,
}
