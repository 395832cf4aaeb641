"""Importers: a folder in, exams and volumes out. Add yours as one line here."""

from radlas.registry import Registry

IMPORTERS = Registry(
    "radlas.importers",
    {
        "dicom": "radlas.ingest.dicom:DicomImporter",
        "nifti": "radlas.ingest.nifti:NiftiImporter",
        "table": "radlas.ingest.clinical:TableImporter",
        "tcia-sts": "radlas.ingest.tcia_sts:TciaStsImporter",
    },
    needs=("find", "read"),
)
