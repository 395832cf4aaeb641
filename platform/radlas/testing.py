"""What plug-ins promise, as checks that their makers run in tests of their own.

For an extractor of another package a test is one line, ``check_extractor(Mine(Mine.Settings()))``.
What shows in a single answer is checked at every run, too. That a case has the same answer twice,
on any worker, and for any type of pixels, is checked here alone.
"""

from __future__ import annotations

import math
import pickle
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from radlas.errors import RadlasError
from radlas.features.base import Extractor, feature_set_name
from radlas.features.promises import check_description
from radlas.flows.cases.extract_case import stored_rows
from radlas.flows.cases.storable import unstorable
from radlas.geometry import make_geometry
from radlas.ingest.base import ExamData, Importer, IngestRules
from radlas.ingest.promises import hold_scan_to_promises, hold_to_promises
from radlas.model import Description, FeatureRow, Roi, Volume
from radlas.tables import ROIS

_SHAPE = (8, 30, 28)
_TYPES = ("int16", "float64")  # the same whole numbers, as stored by one hospital or another


def small_case() -> tuple[Volume, dict[str, Roi]]:
    """An image of whole numbers, float32, with air, a body, a tumour and an edema."""
    rng = np.random.default_rng(0)
    voxels = rng.normal(20, 4, size=_SHAPE)
    voxels[:, 3:27, 3:25] = rng.normal(300, 30, size=(8, 24, 22))
    tumour, edema = np.zeros(_SHAPE, dtype=bool), np.zeros(_SHAPE, dtype=bool)
    tumour[2:6, 10:18, 9:16] = True
    edema[2:6, 18:22, 9:16] = True
    voxels[tumour] += 300
    geometry = make_geometry(_SHAPE, spacing=(1, 1, 3), origin=(0, 0, 0), direction=np.eye(3))
    rois = {"tumour": Roi("tumour", tumour, "seg"), "edema": Roi("edema", edema, "seg")}
    return Volume(voxels.round().astype(np.float32), geometry), rois


def check_extractor(
    extractor: Extractor, volume: Volume | None = None, rois: Mapping[str, Roi] | None = None
) -> None:
    """Hold an extractor to what the platform relies on.

    Args:
        extractor: With its settings.
        volume: An image of whole numbers within int16; ``small_case`` if not given.
        rois: Its drawn ROIs, given with it.

    Raises:
        AssertionError: It breaks a promise; every one that could be tried is named.
    """
    image, drawn = (volume, rois or {}) if volume is not None else small_case()
    _hold(f"extractor {type(extractor).__name__}", _extractor(extractor, image, drawn))


def check_importer(importer: Importer, source: Path, rules: IngestRules | None = None) -> None:
    """Hold an importer to what the platform relies on.

    Args:
        importer: As the registry would make it, without arguments.
        source: A folder or archive with exams that it reads.
        rules: How it is read; the defaults if not given.

    Raises:
        AssertionError: It breaks a promise; every one that could be tried is named.
    """
    found = _importer(importer, source, rules or IngestRules())
    _hold(f"importer {type(importer).__name__}", found)


def _hold(who: str, found: Iterator[str]) -> None:
    broken = [f"- {fault}" for fault in found]
    if broken:
        raise AssertionError("\n".join([f"{who} breaks what it promises:", *broken]))


def _extractor(extractor: Any, volume: Volume, rois: Mapping[str, Roi]) -> Iterator[str]:
    try:
        feature_set_name("it", extractor)
        before = _print_of(volume, rois)
        first = check_description(extractor.describe(volume, rois), extractor.table)
    except RadlasError as error:
        yield error.what
        return
    if _print_of(volume, rois) != before:
        yield "it changes the voxels, the masks or the affine that it is given"
    broken = list(_rows(first, extractor.table, set(extractor.columns)))
    yield from broken
    refused = None if broken else unstorable(stored_rows(extractor.table, first))
    if refused is not None:
        yield refused.what
    if extractor.describe(volume, rois) != first:
        yield "a second look at the same case gives other rows"
    for name in _TYPES:
        if extractor.describe(Volume(volume.voxels.astype(name), volume.geometry), rois) != first:
            yield f"the same voxels as {name} give other rows"
    yield from _travels("it", extractor, lambda clone: clone.describe(volume, rois) == first)
    yield from _travels("what it returns", first, lambda clone: clone == first)


def _rows(found: Description, table: str, columns: set[str]) -> Iterator[str]:
    if not found.rows:
        yield "it says nothing of a case that is whole"
    for row in found.rows:
        told = f"row ({row.roi}, {row.image_type})"
        yield from (f"{told}: {fault}" for fault in _faults(row, table, columns))
    for key in _twice((row.roi, row.image_type, row.perturbation) for row in found.rows):
        yield f"two rows are of the same ROI, image type and perturbation: {key}"
    named = {row.roi for row in found.rows}
    for facts in found.rois:
        if unknown := sorted(set(facts) - set(ROIS.names)):
            yield f"facts of a ROI are no columns of `rois`: {', '.join(unknown)}"
        if facts.get("origin") not in {"generated", "prepared"} or facts.get("roi") not in named:
            yield f"the ROI {facts.get('roi')!r} is neither generated nor prepared, or has no row"


def _faults(row: FeatureRow, table: str, columns: set[str]) -> Iterator[str]:
    if undeclared := sorted(set(row.values) - columns):
        yield f"not among its `columns`: {', '.join(undeclared)}"
    numbers = [value for value in (*row.values.values(), *row.vector) if value is not None]
    if not all(isinstance(value, Real) and math.isfinite(value) for value in numbers):
        yield "a value is no number, or NaN or infinite; None says that one is undefined"
    undefined = None in row.values.values() or not (row.values or row.vector)
    if undefined != bool(row.reason):
        yield "None needs a `reason`, and a `reason` None"


def _importer(importer: Any, source: Path, rules: IngestRules) -> Iterator[str]:
    before = _print_of_files(source)
    try:
        scan = hold_scan_to_promises(importer.find(source, rules), type(importer).__name__)
    except RadlasError as error:
        yield error.what
        return
    if importer.find(source, rules) != scan:
        yield "a second scan of the same source finds other exams, or in another order"
    if _twice((exam.subject, exam.series) for exam in scan.exams):
        yield "two exams are of one subject and series, by which a case is known"
    if not (scan.exams or scan.clinical):
        yield "it finds nothing in this source"
    yield from _travels("the scan", scan, lambda clone: clone == scan)
    for number, exam in enumerate(scan.exams, 1):
        try:
            data = importer.read(exam, rules)
            hold_to_promises(data, exam.importer)
        except RadlasError as error:
            yield f"exam {number}: {error.what}"
            continue
        if _print_of_exam(importer.read(exam, rules)) != _print_of_exam(data):
            yield f"exam {number}: a second reading gives other voxels, masks or facts"
    if _print_of_files(source) != before:
        yield "it changes the source"


def _travels(what: str, thing: Any, same: Any) -> Iterator[str]:
    """Workers get what is pickled, and pickle what they return."""
    try:
        clone = pickle.loads(pickle.dumps(thing))  # noqa: S301 - our own bytes
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        yield f"{what} cannot be sent to a worker: {type(error).__name__}: {error}"
        return
    if not same(clone):
        yield f"{what} is another once it was sent to a worker"


def _twice(keys: Iterable[Any]) -> list[Any]:
    return [key for key, number in Counter(keys).items() if number > 1]


def _print_of(volume: Volume, rois: Mapping[str, Roi]) -> tuple[str, ...]:
    arrays = (volume.voxels, volume.geometry.affine, *(roi.mask for roi in rois.values()))
    return tuple(sha256(array.tobytes()).hexdigest() for array in arrays)


def _print_of_exam(data: ExamData) -> tuple[Any, ...]:
    names = [(roi.name, roi.reader) for roi in data.rois]
    prints = _print_of(data.volume, {str(place): roi for place, roi in enumerate(data.rois)})
    return prints, names, dict(data.facts), data.flags


def _print_of_files(source: Path) -> dict[str, tuple[int, int]]:
    files = sorted(source.rglob("*")) if source.is_dir() else [source]
    return {str(one): (one.stat().st_size, one.stat().st_mtime_ns) for one in files}
