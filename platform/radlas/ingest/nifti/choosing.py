"""Which image files of a subject are read, by the sequences that names and folders state. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from radlas.ingest.nifti.names import NamedImage
from radlas.ingest.sequences import OTHER, STIR, T2FS, classify


@dataclass(frozen=True)
class Choice:
    """One image file, its class, and whether it is wanted: the rule if so, the reason if not."""

    image: NamedImage
    sequence: str
    wanted: bool
    why: str


def choose_images(images: Sequence[NamedImage], sequence: str | None) -> tuple[Choice, ...]:
    """Which images of one subject become exams, by the rules that hold for DICOM series.

    A name that states no sequence (``image``) is taken for the one asked for, unless another
    image of the subject states it.
    """
    classes = [classify(image.told)[0] for image in images]
    if sequence is None:
        pairs = zip(images, classes, strict=True)
        return tuple(Choice(one, kind, wanted=True, why=_told(one, kind)) for one, kind in pairs)
    stated = [kind for one, kind in zip(images, classes, strict=True) if not one.generic]
    second = sequence == T2FS and STIR in stated and sequence not in stated
    wanted = STIR if second else sequence
    return tuple(
        _judge(one, kind, wanted, sequence, wanted in stated)
        for one, kind in zip(images, classes, strict=True)
    )


def _judge(image: NamedImage, kind: str, wanted: str, asked: str, is_stated: bool) -> Choice:
    if image.generic and not is_stated:
        return Choice(image, OTHER, wanted=True, why=f"{_told(image, OTHER)}; {asked} asked for")
    if image.generic or kind != wanted:
        why = f"{_told(image, kind)}, and {wanted} was chosen"
        return Choice(image, kind, wanted=False, why=why)
    second = "" if wanted == asked else f", second choice: no {asked} of this subject"
    return Choice(image, kind, wanted=True, why=_told(image, kind) + second)


def _told(image: NamedImage, kind: str) -> str:
    return "sequence not stated by the file's name" if image.generic else f"{kind} by file name"
