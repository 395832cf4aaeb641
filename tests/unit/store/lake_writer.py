"""A writer in a process of its own: ``python lake_writer.py STORE CENTRE FIRST COUNT``.

Appends one case after the other, and prints a case's number once it is stored.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from radlas.store.delta import Appender
from radlas.store.layout import open_store

IMAGE_TYPES = ("original", "wavelet-LLH", "wavelet-HHH")


def rows_of(centre: str, number: int) -> list[dict[str, object]]:
    case = f"{centre}-{number:06}"
    common = {
        "case_id": case,
        "centre": centre,
        "subject_id": f"s-{case}",
        "feature_set": "p-1",
        "roi": "tumour",
        "reason": "",
        "input_digest": "x",
        "run_id": "r",
        "recorded_at": datetime.now(UTC),
    }
    return [
        common | {"image_type": kind, "firstorder_Mean": number + place / 8}
        for place, kind in enumerate(IMAGE_TYPES)
    ]


def main(root: str, centre: str, first: str, count: str) -> None:
    appender = Appender(open_store(root), f"run-{centre}-{first}")
    for number in range(int(first), int(first) + int(count)):
        appender.append("radiomics", rows_of(centre, number))
        print(number, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
