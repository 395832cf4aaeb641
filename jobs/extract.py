"""Extract as configured.  python jobs/extract.py jobs/extract.yaml --engine local"""

from radlas.entry import run
from radlas.flows.extract import ExtractConfig, extract

if __name__ == "__main__":
    run(extract, ExtractConfig)
