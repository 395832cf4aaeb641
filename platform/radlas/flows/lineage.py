"""Lineage: from a number of a report back to voxels, every link checked against what it claims.

A report's figures are made of risks; a risk is what a locked model says of a row of the training
matrix; that row is made of rows of a snapshot, which carry digests of themselves, of the voxels and
masks they describe, and the name of the recipe. Nothing of it is taken on trust: each link is
computed again from what is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow.compute as pc

from radlas.digests import digest_of
from radlas.errors import ConfigError, StoreError
from radlas.flows.study.blocks import as_fitted
from radlas.flows.study.card import training_key
from radlas.flows.study.dataset import load_dataset
from radlas.flows.study.published import load_model, study_of
from radlas.learn.statistics.delong import auc
from radlas.learn.study import StudyConfig
from radlas.model import Row
from radlas.store import delta
from radlas.store.content import row_digests
from radlas.store.frozen import Snapshot, load_snapshot
from radlas.store.layout import Store
from radlas.store.models import (
    VALIDATION,
    find_beside,
    read_card,
    resolve,
)
from radlas.store.parts import part_name, read_part, verify_part
from radlas.store.recipes import load_recipe, name_digests
from radlas.store.travel import merged_cases
from radlas.tables import ROW_DIGEST, TABLES
from radlas.version import __version__
from radlas.volumes.zarr import input_digests, read_record, verify_case
from radlas.words import counted

_CLOSE = 1e-12  # of a risk or an area computed again on the same machine


@dataclass(frozen=True)
class Link:
    """One step back.

    Attributes:
        step: What kind: ``number``, ``model``, ``snapshot``, ``recipe``, ``row``, ``input``,
            ``volume``, ``source``.
        name: Which one, as it is found in the store.
        claim: What it says of itself or of what it stands on.
        broken: Why the claim does not hold; empty if it does.
        unseen: Why it cannot be tried here; empty if it was.
    """

    step: str
    name: str
    claim: str
    broken: str = ""
    unseen: str = ""


def trace(store: Store, label: str, digits: str = "") -> list[Link]:
    """Every link from a model's reported figures to the voxels of a case, or of none.

    Args:
        store: The store.
        label: The model, as ``radlas.store.models.resolve`` takes it.
        digits: First digits of a case of the model's snapshot; empty to end at the snapshot.

    Raises:
        ConfigError: There is no such model, or not exactly one such case.
    """
    name, number = resolve(store, label)
    card = read_card(store, name, number)
    snapshot, study = load_snapshot(store, card["snapshot"]), study_of(card)
    case = _case(snapshot, digits) if digits else ""
    links = [
        *_numbers(store, name, number, case),
        *_models(store, name, number, study),
        _made_of(card, name, number, study),
        Link(
            "snapshot",
            snapshot.label,
            f"content {snapshot.id[:16]}",
            _same(snapshot.id, card["snapshot_id"], "the model was made of"),
        ),
        *(_recipe(store, feature_set) for feature_set in card["feature_sets"]),
    ]
    if case:
        rows = list(_rows(store, snapshot, card["feature_sets"], case))
        links += [link for link, _ in rows]
        links += _images(store, case, [row for _, row in rows])
    return links


def _case(snapshot: Snapshot, digits: str) -> str:
    found = [case for case in snapshot.cases if case.startswith(digits)]
    if len(found) != 1:
        raise ConfigError(
            f"{len(found) or 'no'} cases begin with {digits!r}",
            f"snapshot {snapshot.label}",
            f"{'give more digits; ' if found else ''}the report and radlas query list cases",
        )
    return found[0]


def _numbers(store: Store, name: str, number: int, case: str) -> Iterator[Link]:
    """The external areas under the curve, from the risks that stand beside them."""
    place, validated = (
        f"models/{name}/{number}/{VALIDATION}",
        find_beside(store, name, number, VALIDATION),
    )
    if validated is None:
        yield Link("number", place, "external figures", unseen="not validated yet")
        return
    for model, found in validated["models"].items():
        rows, told = found["predictions"], found["auc"]["auc"]
        if told is not None:
            area = auc([row["label"] for row in rows], [row["risk"] for row in rows]).auc
            off = "" if area == told else f"the risks give {area}"
            yield Link(
                "number", place, f"{model}: AUC {told:.4f} of {counted(len(rows), 'case')}", off
            )
        for row in rows:
            if row["case"] == case:
                claim = f"{model}: risk {row['risk']:.6f} of case {case[:8]}"
                yield _tried("number", place, claim, _risk(store, name, number, model, row))


def _risk(store: Store, name: str, number: int, model: str, row: Row) -> Callable[[], str]:
    def compute() -> str:
        card = read_card(store, name, number)
        study, snapshot = study_of(card), load_snapshot(store, card["snapshot"])
        fitted = load_model(store, name, number, model)
        data = load_dataset(store, snapshot, study, (str(study.external_centre),))
        X = as_fitted(data.X, fitted, data.people)
        risk = float(fitted.risk(X, data.people["centre"])[row["case"]])
        return "" if abs(risk - row["risk"]) <= _CLOSE else f"model and rows give {risk}"

    return compute


def _models(store: Store, name: str, number: int, study: StudyConfig) -> Iterator[Link]:
    validated: Row = find_beside(store, name, number, VALIDATION) or {"models": {}}
    for model in study.models:
        told = validated["models"].get(model, {}).get("digest", "")

        def compare(model: str = model, told: str = told) -> str:
            found = load_model(store, name, number, model).digest()
            return _same(found, told or found, "figures were computed with")

        yield _tried("model", f"models/{name}/{number}/{model}", "every byte", compare)


def _made_of(card: Row, name: str, number: int, study: StudyConfig) -> Link:
    place, claim = f"models/{name}/{number}", f"made of its study and snapshot {card['snapshot']}"
    if card["radlas"] != __version__:
        return Link("model", place, claim, unseen=f"only radlas {card['radlas']} makes this key")
    found = training_key(card["snapshot_id"], study)
    return Link("model", place, claim, _same(found, card["key"], "its card says"))


def _recipe(store: Store, feature_set: str) -> Link:
    def compare() -> str:
        told = feature_set.rpartition("-")[2]
        found, older = name_digests(load_recipe(store, feature_set))
        return "" if told == older else _same(found, told, "its name says")

    return _tried("recipe", f"feature_sets/{feature_set}.json", "settings and versions", compare)


def _rows(
    store: Store, snapshot: Snapshot, feature_sets: list[str], case: str
) -> Iterator[tuple[Link, Row]]:
    """Every row of the case in the pinned version, computed again, in parts read to the byte."""
    for table in (TABLES["radiomics"], TABLES["deep"]):
        for part in delta.parts(store, table.name, snapshot.versions.get(table.name, -1)):
            low, high = part.cases or ("", "")
            if part.partition["feature_set"] not in feature_sets or not low <= case <= high:
                continue
            rows = read_part(store.place, table, part.path)
            rows = rows.filter(pc.equal(rows.column("case_id"), case))
            if not rows.num_rows:
                continue
            damage = _why(lambda part=part, table=table: verify_part(store.place, table, part.path))  # type: ignore[misc]  # called at once
            digests = row_digests(table, delta.as_declared(table, rows)).to_pylist()
            for row, digest in zip(rows.to_pylist(), digests, strict=True):
                kind = row.get("image_type") or row.get("layer")
                broken = damage or _same(digest, row[ROW_DIGEST.name], "the row says")
                claim = f"{row['roi']}, {kind}: digest {digest & (2**64 - 1):016x}"
                yield Link("row", part_name(table, part.path), claim, broken), row


def _images(store: Store, case: str, rows: list[Row]) -> Iterator[Link]:
    if case in merged_cases(store):
        claim = ", ".join(sorted({f"input {row['input_digest'][:16]}" for row in rows}))
        yield Link("input", f"case {case}", claim, unseen="its images are at another site")
        return
    cases = delta.read(store, "cases")
    (told,) = cases.filter(pc.equal(cases.column("case_id"), case)).to_pylist()

    def inputs(claimed: str) -> str:
        found = digest_of(input_digests(read_record(store.place, case)))
        return _same(found, claimed, "the rows describe")

    for claimed in sorted({row["input_digest"] for row in rows}):
        claim = f"voxels and masks {claimed[:16]}"
        yield _tried("input", f"case {case}", claim, lambda claimed=claimed: inputs(claimed))  # type: ignore[misc]  # called at once

    def volume() -> str:
        verify_case(store.place, case)
        there = read_record(store.place, case)["image"]
        return _same(there, told["voxel_digest"], "the catalogue says")

    yield _tried("volume", f"case {case}", f"voxels {told['voxel_digest'][:16]}", volume)
    claim = f"files {told['input_digest'][:16]}, read by {told['importer']}"
    unseen = "the source is outside the store: radlas whois tells which exam it is"
    yield Link("source", f"centre {told['centre']}", claim, unseen=unseen)


def _same(found: object, told: object, who: str) -> str:
    return "" if found == told else f"found {found}, {who} {told}"


def _tried(step: str, name: str, claim: str, check: Callable[[], str]) -> Link:
    """A link whose check may also find that something is damaged."""
    try:
        return Link(step, name, claim, check())
    except StoreError as error:
        return Link(step, name, claim, error.what)


def _why(check: Callable[[], None]) -> str:
    try:
        check()
    except StoreError as error:
        return error.what
    return ""
