"""Evidence in, one self-contained HTML page out."""

from radlas.report.evidence import CamImage, Evidence
from radlas.report.render import render

__all__ = ["CamImage", "Evidence", "render"]
