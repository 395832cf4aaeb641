"""Evidence in, one self-contained HTML page out."""

from radlas.report.evidence import Evidence
from radlas.report.evidence_explain import CamImage
from radlas.report.render import render

__all__ = ["CamImage", "Evidence", "render"]
