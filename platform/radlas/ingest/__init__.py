"""Importers: a folder in, exams and volumes out. Add yours as one line here."""

from radlas.registry import IMPORTER_GROUP, Registry

IMPORTERS = Registry(
    IMPORTER_GROUP,
    {
        "dicom": "radlas.ingest.dicom:DicomImporter",
        "nifti": "radlas.ingest.nifti:NiftiImporter",
        "table": "radlas.ingest.clinical:TableImporter",
        "tcia-sts": "radlas.ingest.tcia_sts:TciaStsImporter",
    },
    needs=("find", "read"),
)
