"""How often an external centre was looked at: by its patients, whatever the centre is called.

A holdout wears out. So looks are counted over all studies of a store, from the list of them and
from the validations that stand beside models, since a list can be lost; and who was trained on
these patients is told, because a model that leaves their centre out is judged there as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from radlas.store import delta
from radlas.store.frozen import load_snapshot
from radlas.store.layout import Store
from radlas.store.models import (
    LOOKS,
    VALIDATION,
    change_json,
    find_beside,
    model_versions,
    read_card,
)

Json = dict[str, Any]


class Patients(NamedTuple):
    """Whose labels were seen: a centre by name, and all images that there are of its patients."""

    centres: frozenset[str]
    images: frozenset[str]

    def meets(self, other: Patients) -> bool:
        """Whether some of them are the same."""
        return bool(self.centres & other.centres or self.images & other.images)


def count_look(store: Store, centre: str, label: str) -> int:
    """Note that a version is looked at on a centre's labels; which look at its patients it is.

    One that was noted and then interrupted, before anybody saw what came of it, is no other look.
    The caller holds the write lock of ``validate``.
    """
    known, earlier = _Known(store), list[Json]()
    look = {"centre": centre, "model": label, "made_from": _made_from(store, label)}

    def noted(found: Json | None) -> Json:
        listed = (found or {"looks": []})["looks"]
        named = {one["model"] for one in listed}
        before = [*listed, *(one for one in _beside(store) if one["model"] not in named)]
        same = (place for place, one in enumerate(before) if look.items() <= one.items())
        earlier[:] = before[: next(same, None)]
        if found and len(earlier) < len(before):
            return found
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return {"looks": [*before, {"at": now, **look}]}

    change_json(store, LOOKS, noted)
    mine = known.of(label, centre)
    return 1 + sum(known.of(one["model"], one["centre"]).meets(mine) for one in earlier)


def _made_from(store: Store, label: str) -> str:
    """Tells a version from another of its number, trained after the first was removed."""
    name, _, number = label.partition("@")
    return str(read_card(store, name, int(number))["key"])


def trained_on(store: Store, centre: str, label: str) -> list[str]:
    """Versions of the store that were fitted on patients whom this one is judged on."""
    known = _Known(store)
    mine, found = known.of(label, centre), list[str]()
    for name, numbers in model_versions(store).items():
        for number in numbers:
            centres = _fitted_on(read_card(store, name, number)["study"])
            if known.of(f"{name}@{number}", *centres).meets(mine):
                found.append(f"{name}@{number}")
    return found


def _fitted_on(study: Json) -> set[str]:
    """Training centres of a protocol and of its sensitivity analyses, as its card has them.

    Not parsed: a protocol of earlier days says whom it saw in keys that never changed.
    """
    changes = study.get("sensitivity", {}).values()
    return {centre for one in (study, *changes) for centre in one.get("training_centres", ())}


def seen_lines(centre: str, versions: list[str]) -> list[str]:
    """The same for a person."""
    if not versions:
        return []
    return [
        f"  !! patients of {centre} were training patients of {', '.join(versions)}: how models"
        " perform on them may be known, and the number of looks does not count that"
    ]


def _beside(store: Store) -> Iterator[Json]:
    """Looks by the validations that stand beside models, when they were made being unknown."""
    for name, numbers in model_versions(store).items():
        for number in numbers:
            if found := find_beside(store, name, number, VALIDATION):
                yield {"at": None, "centre": found["centre"], "model": f"{name}@{number}"}


class _Known:
    """The images of every case the store ever held, by centre."""

    def __init__(self, store: Store) -> None:
        self._store, self._versions = store, model_versions(store)
        columns = ["case_id", "centre", "subject_id", "voxel_digest"]
        self._rows = {
            row["case_id"]: row for row in delta.read(store, "cases", columns).to_pylist()
        }
        self._images = defaultdict[str, set[str]](set)
        for row in self._rows.values():
            if row["voxel_digest"]:
                self._images[row["subject_id"]].add(row["voxel_digest"])

    def of(self, label: str, *centres: str) -> Patients:
        """A version's patients of some centres; by their names alone if the version is gone."""
        name, _, number = label.partition("@")
        images: set[str] = set()
        if int(number) in self._versions.get(name, []):
            card = read_card(self._store, name, int(number))
            cases = load_snapshot(self._store, card["snapshot"]).cases
            found = [self._rows[case] for case in cases if case in self._rows]
            subjects = {row["subject_id"] for row in found if row["centre"] in centres}
            images = {image for subject in subjects for image in self._images[subject]}
        return Patients(frozenset(centres), frozenset(images))
