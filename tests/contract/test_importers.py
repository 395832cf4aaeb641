"""What every importer promises, on sources that share no code with it: the phantom's."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from radlas.ingest import IMPORTERS
from radlas.phantom import PhantomConfig, write_cohort
from radlas.testing import check_importer

PLACES = {
    "tcia-sts": "centre-a",
    "dicom": "centre-b",
    "dicom-masks": "centre-b",
    "nifti": "centre-c",
    "table": "centre-c",
}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """DICOM with RTSTRUCT, DICOM with SEG, NIfTI, and their clinical tables."""
    out = tmp_path_factory.mktemp("phantom") / "cohort"
    write_cohort(PhantomConfig(out=out, subjects=6, workers=1))
    return out


@pytest.mark.parametrize("name", IMPORTERS)
def test_an_importer_keeps_what_it_promises(name, cohort):
    check_importer(IMPORTERS[name](), cohort / PLACES[name])


class Odd:
    """The importer of NIfTI, with a fault."""

    def __init__(self, fault):
        self._own, self._fault, self._calls = IMPORTERS["nifti"](), fault, itertools.count()

    def find(self, source, rules):
        scan = self._own.find(source, rules)
        return self._fault(next(self._calls), scan=scan) or scan

    def read(self, exam, rules):
        data = self._own.read(exam, rules)
        return self._fault(next(self._calls), data=data) or data


def another_scan(call, scan=None, data=None):
    return scan and replace(scan, exams=scan.exams[:: -1 if call else 1])


def one_case_twice(_, scan=None, data=None):
    return scan and replace(scan, exams=(*scan.exams, scan.exams[0]))


def nothing_found(_, scan=None, data=None):
    return scan and replace(scan, exams=(), clinical=())


def another_mask(call, scan=None, data=None):
    roi = data and data.rois[0]
    return roi and replace(data, rois=(replace(roi, mask=roi.mask if call % 2 else ~roi.mask),))


def a_name_among_facts(_, scan=None, data=None):
    return data and replace(data, facts={"patient": "DOE^JOHN"})


def what_no_worker_gets(_, scan=None, data=None):
    return scan and replace(scan, notes=(lambda: "a note",))


BROKEN = {
    "a second scan of the same source finds other exams": another_scan,
    "two exams are of one subject and series": one_case_twice,
    "it finds nothing in this source": nothing_found,
    "exam 1: a second reading gives other voxels, masks or facts": another_mask,
    "exam 1: 1 facts are none of those that may leave a source": a_name_among_facts,
    "the scan cannot be sent to a worker": what_no_worker_gets,
}


@pytest.mark.parametrize("told", BROKEN)
def test_a_broken_promise_is_told(told, cohort):
    with pytest.raises(AssertionError, match="importer Odd breaks what it promises") as caught:
        check_importer(Odd(BROKEN[told]), cohort / "centre-c")
    assert told in str(caught.value)
    assert "DOE" not in str(caught.value)
