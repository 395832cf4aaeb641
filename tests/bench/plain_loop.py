"""The loop that one would write: from Zarr case by case, ``model(x)`` in float32, to rows.

Run: python -m tests.bench.plain_loop STORE VARIANT. It loads what it needs and no more.
"""

from __future__ import annotations

import sys

import numpy as np
import torch

from radlas.features.resnet.extractor import DeepExtractor
from radlas.features.resnet.weights import random_network
from radlas.store import delta
from radlas.store.layout import open_store
from radlas.volumes.zarr import read_rois, read_volume

SIZE = (48, 224, 224)


def plain_loop(store: object, variant: str) -> dict[str, np.ndarray]:
    """Features of all cases by their names, stored in one commit."""
    opened, network = open_store(str(store)), random_network(variant, 0).requires_grad_(False)
    extractor = DeepExtractor(DeepExtractor.Settings.parse({"variant": variant, "size": SIZE}))
    rows, found = [], {}
    for case in delta.read(opened, "cases", ["case_id", "centre", "subject_id"]).to_pylist():
        rois = {roi.name: roi for roi in read_rois(opened.place, case["case_id"])}
        prepared = extractor.prepare(read_volume(opened.place, case["case_id"]), rois)
        with torch.inference_mode():
            image = torch.from_numpy(prepared.inputs["whole"].voxels)[None, None]
            vector = network(image)[0].numpy()
        found[case["case_id"]] = vector
        rows.append({**case, "roi": "whole", "layer": "layer4", "vector": vector.tolist()})
        rows[-1] |= {"feature_set": f"plain-{variant}", "reason": "", "input_digest": ""}
    delta.append(opened, "deep", rows, run_id="plain")
    return found


if __name__ == "__main__":
    plain_loop(*sys.argv[1:])
