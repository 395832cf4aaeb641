"""Ingest as configured.  python jobs/ingest.py jobs/ingest.yaml --engine local"""

from radlas.entry import run
from radlas.flows.ingest import IngestConfig, ingest

if __name__ == "__main__":
    run(ingest, IngestConfig)
