"""Where a report's numbers come from, what must not be missed of that, and what they cannot say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from radlas.flows.study.networks import origin, why_null
from radlas.learn.study import StudyConfig
from radlas.store.frozen import Snapshot
from radlas.store.layout import Store
from radlas.store.recipes import load_recipe
from radlas.words import counted

Json = dict[str, Any]


def banners(store: Store, card: Mapping[str, Any]) -> list[Json]:
    """What must not be missed: synthetic patients, random weights."""
    found: list[Json] = []
    if card["synthetic"]:
        text = "Synthetic cohort: these are not patients. No number here says anything about one."
        found.append({"level": "danger", "kind": "synthetic", "text": text})
    for name in card["feature_sets"]:
        if why := why_null(store, name):
            text = (
                f"Random network weights: the deep features of {name} come from {why}. They are a"
                " null model, not the published method."
            )
            found.append({"level": "danger", "kind": "random_weights", "text": text})
        if origin(store, name).get("synthetic") and not card["synthetic"]:
            text = f"The network behind {name} was trained on synthetic images, not on patients."
            found.append({"level": "danger", "kind": "other", "text": text})
    return found


def provenance(
    store: Store,
    card: Mapping[str, Any],
    snapshot: Snapshot,
    label: str,
    study: StudyConfig,
    *,
    verbs: Sequence[str],
) -> Json:
    """What is needed to run the study again; ``verbs`` are those whose results are told."""
    return {
        "radlas": card["radlas"],
        "python": card["packages"]["python"],
        "packages": {name: v for name, v in card["packages"].items() if name != "python"},
        "study_digest": card["study_digest"],
        "model_version": label,
        "command": "; ".join(
            [
                f"radlas train STUDY.yaml --snapshot {snapshot.label}",
                *(f"radlas {verb} {label}" for verb in verbs),
            ]
        ),
        "seed": study.seed,
        "feature_sets": list(card["feature_sets"]),
        "weights": _weights(store, card["feature_sets"]),
        "recipes": {
            name: {key: load_recipe(store, name)[key] for key in ("settings", "versions")}
            for name in card["feature_sets"]
        },
    }


def _weights(store: Store, feature_sets: Sequence[str]) -> str:
    """Where the network's weights come from, in words; empty without a network."""
    told = []
    for name in feature_sets:
        recipe = load_recipe(store, name)
        digest, note = recipe["versions"].get("weights", ""), origin(store, name)
        if recipe["table"] != "deep":
            continue
        if digest == "random":
            told.append(f"{name}: random, seed {recipe['settings'].get('seed')}")
        elif "subjects" in note:
            told.append(
                f"{name}: {note['objective']} on images of"
                f" {counted(len(note['subjects']), 'subject')} of"
                f" {', '.join(note['centres'])}, no labels, {counted(note['steps'], 'step')},"
                f" {'which taught it next to nothing, ' if note.get('untrained') else ''}"
                f"two crops of one patient were matched in {note['found']:.0%} of tries (by chance"
                f" {note['chance']:.0%}); SHA-256 {digest}"
            )
        else:
            told.append(
                f"{name}: {note.get('source', 'a file')}, whose SHA-256 is"
                f" {note.get('source_sha256', 'not known')}; of the weights {digest}"
            )
    return "; ".join(told)


def limits(
    study: StudyConfig,
    card: Mapping[str, Any],
    cohort_part: Json,
    looks: int,
    trained_on: Sequence[str],
    *,
    explained: Mapping[str, Any],
) -> list[str]:
    """What this study cannot say; of images and maps nothing where there are none."""
    external = sum(
        row["positive"] + row["negative"]
        for row in cohort_part["classes"]
        if row["role"] == "external"
    )
    if study.external_centre is None:
        outside = "No external centre: how the models do elsewhere is not known."
    else:
        outside = (
            f"One external centre with {counted(external, 'labelled subject')}: another centre may"
            " differ."
        )
    said = [outside, _settings(card), *_used(explained)]
    told = [line.strip() for line in card.get("pretraining", ())]
    said += [f"{line[0].upper()}{line[1:]}." for line in told]
    if study.stability.mask:
        said.append(
            "The mask of stable features was made from training patients, without labels: the"
            " held-out patients of each fold helped to choose the features, so out-of-fold figures"
            " may be optimistic."
        )
    if looks > 1:
        said.append(f"The external centre was looked at {looks} times; it is no longer untouched.")
    if trained_on:
        said.append(
            f"Patients of the external centre were training patients of {', '.join(trained_on)}:"
            " how models perform on them could be known before this validation, and the number of"
            " looks does not count that."
        )
    return said


def _settings(card: Mapping[str, Any]) -> str:
    """Where choices stand that the numbers hang on; a model of records alone has no feature set."""
    if card["feature_sets"]:
        return (
            "Rings, bin widths and resampling are settings of this study's feature sets, the rule"
            " of the threshold one of its protocol; other settings give other numbers."
        )
    return (
        "The rule of the threshold is a setting of this study's protocol; another gives other"
        " numbers."
    )


def _used(explained: Mapping[str, Any]) -> list[str]:
    """What explanations do not say, of those that were made."""
    made = [name for key, name in (("shap", "SHAP"), ("cam", "Grad-CAM")) if explained.get(key)]
    if not made:
        return []
    verb = "say" if len(made) > 1 else "says"
    return [f"{' and '.join(made)} {verb} what the model used, not what causes the outcome."]
