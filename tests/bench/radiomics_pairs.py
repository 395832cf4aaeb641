"""One case extracted twice: from Zarr by radlas, from NRRD by PyRadiomics. For the bench beside it.

Runs as a process of its own for each side, so that both begin alike:
``python -m tests.bench.radiomics_pairs ours|upstream FOLDER NAME``.
"""

from __future__ import annotations

import json
import logging
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from radlas.engine.isolate import keep_freed_memory

SIGMAS = [1.0, 2.0, 3.0, 4.0, 5.0]
CASE = "0" * 32


def ours(folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    """CPU time [s] from Zarr to rows, and the values.

    ``seconds`` makes the ring, and the body it is clipped to; for ``seconds_given`` it is read as
    a mask, as PyRadiomics reads it.
    """
    from radlas.features.radiomics import RadiomicsExtractor  # noqa: PLC0415 - timed apart
    from radlas.places.folder import Folder  # noqa: PLC0415
    from radlas.volumes.zarr import read_rois, read_volume  # noqa: PLC0415

    given = {**options["settings"], "rings": [], "rois": options["rois"]}
    extractors = {
        "seconds": RadiomicsExtractor(RadiomicsExtractor.Settings.parse(options["settings"])),
        "seconds_given": RadiomicsExtractor(RadiomicsExtractor.Settings.parse(given)),
    }

    def once(way: str) -> Any:
        volume = read_volume(Folder(folder), CASE)
        rois = {roi.name: roi for roi in read_rois(Folder(folder), CASE)}
        return extractors[way].describe(volume, rois)

    found = once("seconds")  # kernels are loaded once per worker
    seconds: dict[str, list[float]] = {way: [] for way in extractors}
    for _ in range(options.get("repeats", 7)):
        for way, times in seconds.items():
            start = time.process_time()
            once(way)
            times.append(time.process_time() - start)
    values = {
        f"{row.roi}|{row.image_type}|{name}": value
        for row in found.rows
        for name, value in row.values.items()
    }
    return {**{way: statistics.median(times) for way, times in seconds.items()}, "values": values}


def upstream(folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    """CPU time [s] of ``execute`` per ROI from NRRD, and the values."""
    import numpy as np  # noqa: PLC0415
    import radiomics  # noqa: PLC0415
    import SimpleITK  # noqa: PLC0415
    from radiomics.featureextractor import RadiomicsFeatureExtractor  # noqa: PLC0415

    radiomics.setVerbosity(logging.CRITICAL)
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    families = ("shape", "firstorder", "glcm", "gldm", "glrlm", "glszm", "ngtdm")
    extractor = RadiomicsFeatureExtractor(
        {
            "imageType": {"Original": {}, "LoG": {"sigma": SIGMAS}, "Wavelet": {}},
            "featureClass": {family: [] for family in families},
            "setting": {"binWidth": 25, "additionalInfo": False, **options["upstream"]},
        }
    )
    start = time.process_time()
    found = {
        roi: extractor.execute(str(folder / "image.nrrd"), str(folder / f"{roi}.nrrd"))
        for roi in options["rois"]
    }
    seconds = time.process_time() - start
    values = {}
    for roi, features in found.items():
        for key, value in features.items():
            image_type, family, name = key.split("_")
            number = float(np.real(value))
            values[f"{roi}|{image_type}|{family}_{name}"] = number if np.isfinite(number) else None
    return {"seconds": seconds, "values": values}


def peak_mib() -> float:
    """Largest resident memory [MiB]; that of ``getrusage`` counts the process that started us."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].removesuffix("kB")) / 1024


if __name__ == "__main__":
    keep_freed_memory()  # both sides, as in a worker's child
    side, place, name = sys.argv[1:]
    asked = json.loads((Path(place) / f"{name}.json").read_text())
    told = {"ours": ours, "upstream": upstream}[side](Path(place), asked)
    told["peak_mib"] = peak_mib()
    (Path(place) / f"{name}.{side}.json").write_text(json.dumps(told))
