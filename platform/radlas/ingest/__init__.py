"""Importers: a folder in, exams and volumes out. Add yours as one line here."""

from radlas.registry import IMPORTER_GROUP, Registry

IMPORTERS = Registry(
    IMPORTER_GROUP,
    {
        "dicom": "radlas.ingest.dicom.importer:DicomImporter",
        "dicom-masks": "radlas.ingest.mixed.importer:DicomMasksImporter",
        "nifti": "radlas.ingest.nifti.importer:NiftiImporter",
        "table": "radlas.ingest.table.importer:TableImporter",
        "tcia-sts": "radlas.ingest.dicom.tcia_sts:TciaStsImporter",
    },
    needs=("find", "read"),
)
