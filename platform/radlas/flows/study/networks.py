"""What is known of the network behind deep features: whether it learned, of whom, and for whom not.

A network of random weights is a null model, and so is one that training taught nothing. One that
has seen a patient, even without a label, is not judged on that patient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from radlas.errors import StudyError
from radlas.learn.study import StudyConfig
from radlas.places.documents import Document
from radlas.store.layout import Store
from radlas.store.pretraining import digests_of, pretraining_of, united
from radlas.store.recipes import load_recipe
from radlas.words import counted

if TYPE_CHECKING:
    import pandas as pd

IMAGE_DIGITS = 16  # of a voxel digest, in notes of what was seen


def null_sets(store: Store, feature_sets: Sequence[str]) -> list[str]:
    """Those of a network that knows nothing: random weights, or training that taught none."""
    return [name for name in feature_sets if why_null(store, name)]


def why_null(store: Store, feature_set: str) -> str:
    """In words, why a network is a null model; empty if it is none, or if there is no network."""
    return why_null_network(store, load_recipe(store, feature_set))


def why_null_network(store: Store, recipe: Mapping[str, Any]) -> str:
    """The same of a recipe, which need not be stored."""
    if recipe["versions"].get("weights") == "random":
        return "a network with random weights"
    if origin_of(store, recipe).get("untrained"):
        return "a network whose pre-training taught it next to nothing beyond random weights"
    return ""


def origin(store: Store, feature_set: str) -> dict[str, Any]:
    """The note of a network's weights: from their file, and from the store that knows them."""
    return origin_of(store, load_recipe(store, feature_set))


def origin_of(store: Store, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The same of a recipe, which need not be stored."""
    known = pretraining_of(store, digests_of(recipe))
    told = united([known, recipe.get("provenance", {})])
    return Document(told, f"{store.place}, what is noted of a network")


def unsaid(store: Store, recipe: Mapping[str, Any]) -> list[str]:
    """What the store knows of a network and its file does not say, one line each."""
    note, said = origin_of(store, recipe), recipe.get("provenance", {})
    told = []
    if "subjects" in note and "subjects" not in said:
        told.append(
            "  !! the file of the weights does not say so, but this store does: pre-trained on"
            f" images of {counted(len(note['subjects']), 'subject')} of"
            f" {', '.join(note.get('centres', ()))}"
        )
    if note.get("untrained") and not said.get("untrained"):
        told.append(f"  !! its features come from {why_null_network(store, recipe)}: a null model")
    if note.get("synthetic") and not said.get("synthetic"):
        told.append("  !! the network was trained on synthetic images")
    return told


def network_warnings(store: Store, feature_sets: Sequence[str]) -> list[str]:
    """What must be said wherever a number of deep features appears, one line for each network."""
    told = []
    for name in feature_sets:
        if why := why_null(store, name):
            told.append(f"  !! the deep features of {name} come from {why}: a null model")
        if origin(store, name).get("synthetic"):
            told.append(f"  !! the network of {name} was trained on synthetic images")
    return told


def without_marks(warnings: Sequence[str]) -> list[str]:
    """The same for a file: without what makes a line stand out on a screen."""
    return [line.strip(" !") for line in warnings]


def check_pretraining(
    store: Store, feature_sets: Sequence[str], people: pd.DataFrame, study: StudyConfig
) -> list[str]:
    """Whether a network has seen patients it will be judged on.

    Patients are known by pseudonym, in another store by their image, and where both changed by the
    name of their centre.

    Args:
        store: The store.
        feature_sets: Those that the study uses.
        people: ``subject_id``, ``centre`` and ``voxel_digest`` of the study's cases.
        study: Its external centre must be new to every network.

    Returns:
        What a reader should know, one line each.

    Raises:
        StudyError: A network was trained on images of the external centre.
    """
    notes = [origin(store, name) for name in feature_sets]
    seen = people[_seen(people, notes)]
    external = seen[seen["centre"] == study.external_centre]["subject_id"].nunique()
    named = any(study.external_centre in note.get("centres", ()) for note in notes)
    if external or named:
        whom = f"subjects of the study: {external}" if external else "known by its name"
        raise StudyError(
            "the network was trained on images of the external centre"
            f" {study.external_centre} ({whom})",
            f"study {study.name}",
            "radlas pretrain on the training centres alone, and extract with those weights",
        )
    if not len(seen):
        return []
    return [
        f"  the network was trained, without labels, on images of {seen['subject_id'].nunique()} of"
        " the training subjects: out-of-fold figures of deep features may be optimistic"
    ]


def _seen(people: pd.DataFrame, notes: Sequence[Mapping[str, Any]]) -> Any:
    """One boolean per case."""
    subjects = {subject for note in notes for subject in note.get("subjects", ())}
    images = {image for note in notes for image in note.get("images", ())}
    shown = people["voxel_digest"].str[:IMAGE_DIGITS]
    return people["subject_id"].isin(subjects) | shown.isin(images)
