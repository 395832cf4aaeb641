"""The TCIA Soft-tissue-Sarcoma importer: DICOM as downloaded, its own spellings, its workbook."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from radlas.ingest.base import IngestRules, Scan
from radlas.ingest.dicom.importer import DicomImporter
from radlas.ingest.sequences import T2FS, TCIA_STS_SPELLINGS


class TciaStsImporter(DicomImporter):
    """``DicomImporter`` that keeps fat-suppressed T2 (or STIR) unless another class is named.

    The ROI map's defaults know the collection's names; ``INFOclinical_STS.xlsx`` is read where
    it lies in the source.
    """

    name: ClassVar[str] = "tcia-sts"
    spellings: ClassVar[Mapping[str, str]] = TCIA_STS_SPELLINGS

    def find(self, source: Path, rules: IngestRules) -> Scan:
        """Everything in the source, as ``DicomImporter.find``."""
        return super().find(source, rules.model_copy(update={"sequence": rules.sequence or T2FS}))
