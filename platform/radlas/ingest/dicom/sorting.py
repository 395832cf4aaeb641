"""Series and masks of a source sorted into exams, refusals, and what was left out and why. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from radlas.errors import DataError
from radlas.ingest.base import NO_SEQUENCE, Exam, LeftOut, Refusal
from radlas.ingest.dicom.choosing import choose
from radlas.ingest.dicom.header_records import MaskFile
from radlas.ingest.dicom.linking import Link
from radlas.ingest.dicom.series import ImageSeries
from radlas.ingest.dicom.suspicions import absent_slices, faults_of, flags_of
from radlas.ingest.fingerprints import joint_fingerprint
from radlas.reasons import REASONS, data_error
from radlas.words import counted

_SCREENSHOT = "no position in the patient: a screenshot or secondary capture"
_RIVAL = "a mask may belong to it or to another image"
_NAMELESS = "export the mask again, with the references to its images"
_DRAWN_ELSEWHERE = "draw on this series, or name the class that was drawn on with `--sequence`"
_SPOILED = {"burned_in", "mosaic"}
_MODALITIES = {"CT", "PT", "NM", "US", "CR", "DX", "MG", "XA", "SC", "OT"}


@dataclass(frozen=True)
class Sorted:
    """What became of every series and mask."""

    exams: tuple[Exam, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    def __add__(self, other: Sorted) -> Sorted:
        return Sorted(
            self.exams + other.exams,
            self.refusals + other.refusals,
            self.left_out + other.left_out,
        )


def sort_out(
    series: Sequence[ImageSeries], links: Sequence[Link], *, sequence: str | None, importer: str
) -> Sorted:
    """Every series and mask of a source: as an exam, a refusal, or left out.

    Args:
        series: Of all subjects.
        links: Of all masks.
        sequence: Class to keep; None keeps all.
        importer: Name the exams shall carry.
    """
    faults = faults_of(series)
    mixed = [one for one in series if one.key in faults and _is_conflict(faults[one.key])]
    done = Sorted(refusals=tuple(_refusal(one, faults[one.key]) for one in mixed))
    disputed = {one.first.series for one in mixed}
    series = [one for one in series if one not in mixed]
    # Masks go with the series they are linked to; of one linked to none, see what it names.
    links = [link for link in links if link.series or not disputed & link.mask.series]
    subjects: dict[str, list[ImageSeries]] = defaultdict(list)
    for one in series:
        subjects[one.first.subject].append(one)
    desk = _Desk(_by_series(links), faults, flags_of(series), sequence, importer)
    for subject, members in sorted(subjects.items()):
        done += desk.sort_subject(subject, members)
    return done + _orphans([link for link in links if link.series is None], done.exams)


@dataclass(frozen=True)
class _Desk:
    """What is known of the whole source while one subject is sorted."""

    links: Mapping[str, Sequence[Link]]
    faults: Mapping[str, DataError]
    flags: Mapping[str, tuple[str, ...]]
    sequence: str | None
    importer: str

    def sort_subject(self, subject: str, series: Sequence[ImageSeries]) -> Sorted:
        """Choose among series with masks; without any, say which one lacks its mask."""
        unfit = {one.key: why for one in series if (why := _unfit(one))}
        fit = [one for one in series if one.key not in unfit]
        masked = [one for one in fit if self._masks(one)]
        bare = [one for one in fit if not self._masks(one)]
        shots = {one.key: _SCREENSHOT for one in bare if _is_placeless(one)}
        bare = [one for one in bare if one.key not in shots]
        clean = [one for one in masked if not self._spoiled(one)]
        verdicts = choose(clean, self.sequence)
        if not any(one.wanted for one in verdicts):
            clean, verdicts = masked, choose(masked, self.sequence)
        wanted = [(one.series, one.why) for one in verdicts if one.wanted]
        lacking = [one.series for one in choose(bare, self.sequence) if one.wanted and not wanted]
        left_out = {one.key: self._spoiled(one) for one in masked if one not in clean}
        left_out |= {
            **unfit,
            **shots,
            **{one.series.key: one.why for one in verdicts if not one.wanted},
        }
        left_out |= {one.key: self._bare_reason(one) for one in bare if one not in lacking}
        left_out |= {one.key: _RIVAL for one in lacking if self._rivals(one)}
        found = Sorted(
            exams=tuple(self._exam(*pair) for pair in wanted if not self._fault(pair[0])),
            refusals=(
                *(_refusal(one, fault) for one, _ in wanted if (fault := self._fault(one))),
                *(
                    _refusal(one, self._lack(one, masked))
                    for one in lacking
                    if not self._rivals(one)
                ),
            ),
            left_out=tuple(
                _left_out(one, left_out[one.key]) for one in series if one.key in left_out
            ),
        )
        return (
            found if wanted or lacking else found + _nothing_wanted(subject, series, self.sequence)
        )

    def _masks(self, series: ImageSeries) -> list[Link]:
        return [link for link in self.links.get(series.key, ()) if link.series == series.key]

    def _rivals(self, series: ImageSeries) -> bool:
        return any(series.key in link.rivals for link in self.links.get(series.key, ()))

    def _fault(self, series: ImageSeries) -> DataError | None:
        links = self._masks(series)
        absent = max((link.absent for link in links), default=0)
        faults = (self.faults.get(series.key), *(link.fault for link in links))
        known = next((fault for fault in faults if fault), None)
        return known or (absent_slices(absent, series.slices) if absent else None)

    def _spoiled(self, series: ImageSeries) -> str:
        """Why another series is preferred, if there is one: its pixels are not for use."""
        fault = self.faults.get(series.key)
        return REASONS[fault.reason].meaning if fault and fault.reason in _SPOILED else ""

    def _lack(self, series: ImageSeries, masked: Sequence[ImageSeries]) -> DataError:
        what = f"{series.sequence} series of {series.slices} slices"
        if masked:
            kinds = " and ".join(sorted({one.sequence for one in masked}))
            what = f"{what}; the masks of this subject lie on {kinds} series"
        fault = self.faults.get(series.key)
        return fault or data_error("no_mask", what, hint=_DRAWN_ELSEWHERE if masked else "")

    def _bare_reason(self, series: ImageSeries) -> str:
        why = "no contour or mask belongs to it"
        return f"{why}; {series.part} in a mixed series" if series.part else why

    def _exam(self, series: ImageSeries, why: str) -> Exam:
        links = self._masks(series)
        told = " and ".join(sorted({link.told_by for link in links}))
        part = f", {series.part} of a mixed series" if series.part else ""
        identities = list(series.identities)
        identities += [link.mask.identity for link in links]
        return Exam(
            importer=self.importer,
            subject=series.first.subject,
            series=series.key,
            images=series.refs,
            masks=tuple(link.mask.ref for link in links),
            sequence=series.sequence,
            rule=f"{why}{part}; mask by {told}",
            fingerprint=joint_fingerprint(identities),
            size=series.size + sum(link.mask.size for link in links),
            study_date=series.first.study_date,
            flags=self.flags.get(series.key, ()),
            issuer=tuple(sorted({name for file in series.files for name in file.person.issuer})),
            parts=tuple(
                (subject, link.mask.instance)
                for link in links
                for subject in dict.fromkeys((link.mask.subject, ""))  # refused as nobody's before
            ),
        )


def _is_conflict(fault: DataError) -> bool:
    return fault.reason == "identity_conflict"


def _by_series(links: Iterable[Link]) -> dict[str, list[Link]]:
    found: dict[str, list[Link]] = defaultdict(list)
    for link in links:
        for key in {link.series or "", *link.rivals}:
            found[key].append(link)
    return found


def _unfit(series: ImageSeries) -> str:
    first = series.first
    if first.modality != "MR":
        return f"modality {_modality(series)}, not MR"
    return ""


def _is_placeless(series: ImageSeries) -> bool:
    first = series.first
    return first.shape[0] == 1 and not (first.orientation or first.position)


def _modality(series: ImageSeries) -> str:
    told = series.first.modality
    return told if told in _MODALITIES else "other"


def _kind(series: ImageSeries) -> str:
    if series.first.modality != "MR":
        return _modality(series)
    return "screenshot" if _is_placeless(series) else series.sequence


def _nothing_wanted(subject: str, series: Sequence[ImageSeries], sequence: str | None) -> Sorted:
    """No subject vanishes: one without a series of the class that was asked for is refused."""
    kinds = Counter(map(_kind, series))
    shown = ", ".join(f"{number} x {kind}" for kind, number in sorted(kinds.items()))
    error = data_error("no_sequence", f"no {sequence or 'MR'} series; there are {shown}")
    identity = joint_fingerprint(name for one in series for name in one.identities)
    files = sum(len(one.refs) for one in series)
    return Sorted(refusals=(Refusal(subject, NO_SEQUENCE, error, identity, files=files),))


def _refusal(series: ImageSeries, error: DataError) -> Refusal:
    return Refusal(
        subject=series.first.subject,
        series=series.key,
        error=error,
        fingerprint=joint_fingerprint(series.identities),
        sequence=series.sequence,
        files=len(series.refs),
        size=series.size,
    )


def _left_out(series: ImageSeries, why: str) -> LeftOut:
    return LeftOut(
        subject=series.first.subject,
        series=series.key,
        why=why,
        sequence=series.sequence if series.first.modality == "MR" else _modality(series),
        files=len(series.refs),
        size=series.size,
    )


def _orphans(links: Sequence[Link], exams: Iterable[Exam]) -> Sorted:
    served = {exam.subject for exam in exams}
    done = Sorted()
    for link in links:
        mask = link.mask
        if link.fault:
            done += Sorted(refusals=(_refused_mask(mask, link.fault),))
        elif link.rivals:
            done += Sorted(refusals=(_ambiguous(link),))
        elif mask.subject in served:
            told = mask.series or mask.instances
            why = "its image is not in the source" if told else "it names no image"
            out = LeftOut(mask.subject, mask.instance, why, mask.modality, size=mask.size)
            done += Sorted(left_out=(out,))
        else:
            done += Sorted(refusals=(_no_image(mask),))
    return done


def _ambiguous(link: Link) -> Refusal:
    by = f" by its {link.told_by}, and names none" if link.told_by else ""
    what = f"{link.mask.modality} that may belong to any of {len(link.rivals)} images{by}"
    hint = link.remedy or (_NAMELESS if by else "")
    return _refused_mask(link.mask, data_error("ambiguous_series", what, hint=hint))


def _no_image(mask: MaskFile) -> Refusal:
    if not (mask.series or mask.instances):
        what = f"{mask.modality} that names no image, and nothing else tells of one"
        return _refused_mask(mask, data_error("no_image", what, hint=_NAMELESS))
    named = f"{len(mask.series)} series" if mask.series else counted(len(mask.instances), "image")
    what = f"{mask.modality} refers to {named}, none of them in the source"
    return _refused_mask(mask, data_error("no_image", what))


def _refused_mask(mask: MaskFile, error: DataError) -> Refusal:
    identity = joint_fingerprint([mask.identity])
    return Refusal(
        mask.subject,
        mask.instance,
        error,
        identity,
        sequence=mask.modality,
        size=mask.size,
        place=str(mask.ref.path / mask.ref.member),
    )
