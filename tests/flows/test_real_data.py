"""The same verbs on real patients: DICOM against its NIfTI copy, features against upstream."""

from __future__ import annotations

import csv

import pytest

import radlas as package

from .conftest import radlas

EXTRACT = """
extractors:
  radiomics:
    normalise: none
    pixel_type: int32
    pyradiomics: {voxelArrayShift: 2000}
    rings: []
    minimum_voxels: 2
    feature_classes: [shape, firstorder, glcm, gldm, glrlm, glszm, ngtdm]
    rois: [tumour]
"""
# Written by PyRadiomics 1.3.0.post61, whose mesh was another one; see the extractor's own test.
STALE = {"MeshVolume", "SurfaceArea", "Sphericity", "SurfaceVolumeRatio"}


@pytest.fixture(scope="module")
def real_store(real_data, tmp_path_factory):
    """Raw TCIA, ten patients twice, three of PyRadiomics' own cases, the clinical workbook."""
    store = tmp_path_factory.mktemp("real") / "store"
    radlas("init", store)
    for folder, centre, importer in (
        ("sts-raw", "raw", "tcia-sts"),
        ("sts-t1", "dicom", "dicom"),
        ("sts-t1", "copy", "nifti"),
        ("pyradiomics", "upstream", "nifti"),
        ("sts-clinical", "raw", "table"),
    ):
        words = ("--store", store, "--centre", centre, "--importer", importer)
        said = radlas("ingest", real_data / folder, *words, "--engine", "serial")
        assert said.code == 0, said.out + said.err
    return package.open(store)


def test_ten_patients_have_the_same_voxels_and_masks_by_dicom_and_by_nifti(real_store):
    """RTSTRUCT rasterised here equals the data set's own mask, voxel for voxel."""
    pairs = real_store.query("""
        with drawn as (
            select cases.*, roi, mask_digest
            from cases join rois using (case_id) where feature_set = ''
        )
        select one.mask_digest = other.mask_digest as same,
            abs(one.spacing_z_mm - other.spacing_z_mm) as gap
        from drawn one join drawn other using (voxel_digest)
        where one.centre = 'dicom' and other.centre = 'copy'
    """)
    assert len(pairs) == 10
    assert pairs["same"].all()
    assert (pairs["gap"] < 1e-5).all()


def test_the_fat_suppressed_series_is_chosen_and_measured_from_positions(real_store):
    (case,) = real_store.query("select * from cases where centre = 'raw'").to_dict("records")
    assert case["sequence"] == "T2FS"
    assert case["spacing_z_mm"] == pytest.approx(5.2, abs=1e-3)  # the header's thickness says 4
    assert case["synthetic"] is False
    rois = real_store.query(
        "select roi from rois where centre = 'raw' and feature_set = '' order by 1"
    )
    assert list(rois["roi"]) == ["edema", "tumour"]


def test_the_patient_of_the_images_is_the_patient_of_the_workbook(real_store):
    """Two sources, one pseudonym: imaging and clinical record of STS_001 join."""
    rows = real_store.query(
        "select grade, clinical.sex from cases join clinical using (subject_id)"
    )
    assert len(rows) == 1
    assert rows["grade"][0] in {"high", "intermediate", "low"}


def test_upstreams_baselines_survive_the_way_through_volume_store_lake_and_sql(
    real_store, real_data, tmp_path
):
    """brain1, brain2, breast1 with plain settings: 1e-6 relative, from Zarr to Parquet to SQL."""
    path = tmp_path / "plain.yaml"
    path.write_text(EXTRACT)
    root = real_store.store.place
    assert radlas("extract", "--store", root, "--config", path, "--engine", "local").code == 0
    found = real_store.query("select * from radiomics where centre = 'upstream'")
    compared = 0
    for case in ("brain1", "brain2", "breast1"):
        expected = _baseline(real_data / "pyradiomics", case)
        (row,) = (
            one
            for one in found.to_dict("records")
            if one["firstorder_Energy"] == pytest.approx(expected["firstorder_Energy"], rel=1e-6)
        )
        for name, value in expected.items():
            if not (case == "brain1" and name.partition("_")[2] in STALE):
                assert row[name] == pytest.approx(value, rel=1e-6, abs=1e-12), f"{case} {name}"
                compared += 1
    assert compared == 3 * 107 - len(STALE)
    counts = real_store.query("select state, count(*) n from latest group by 1")
    assert counts.to_dict("records") == [{"state": "ok", "n": 24 * 2}]


def _baseline(folder, case):
    expected = {}
    for family in ("shape", "firstorder", "glcm", "gldm", "glrlm", "glszm", "ngtdm"):
        with (folder / f"baseline_{family}.csv").open() as stream:
            table = {row[0]: row[1:] for row in csv.reader(stream)}
        column = table["featureName"].index(case)
        for name, cells in table.items():
            if name.startswith("original_") and cells[column]:
                expected[name.removeprefix("original_")] = float(cells[column])
    return expected
