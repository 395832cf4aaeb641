"""What deep features cost: a study's volumes from Zarr to rows, against a plain loop over torch.

Run: make bench. The GPU's part is skipped visibly where there is none.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from tests.bench import made_device
from tests.bench.lakes import multiply
from tests.bench.plain_loop import SIZE, plain_loop
from tests.flows.conftest import ingest_all, radlas

from radlas.engine.base import GPU_BATCH
from radlas.engine.dask import DaskEngine
from radlas.engine.isolate import keep_freed_memory
from radlas.features.resnet.cam import grad_cam
from radlas.features.resnet.exact import exactly
from radlas.features.resnet.extractor import DeepExtractor
from radlas.features.resnet.gpu import TorchRunner, runner_of
from radlas.features.resnet.weights import cached_network, random_network
from radlas.flows.base import Report
from radlas.flows.extract import ExtractConfig, extract, plan
from radlas.geometry import Geometry
from radlas.store import delta
from radlas.store.layout import open_store
from radlas.volumes.zarr import read_rois, read_volume

SUBJECTS = 24
gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    assert radlas("phantom", folder / "cohort", "--subjects", SUBJECTS).code == 0
    ingest_all(folder / "cohort", folder / "store", engine="local")
    return folder / "store"


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


@pytest.fixture
def study(store, tmp_path, times):
    """A store of its own, with so many times as many cases."""
    shutil.copytree(store, tmp_path / "study")
    multiply(open_store(str(tmp_path / "study")), times - 1)
    return tmp_path / "study"


@pytest.mark.parametrize(("variant", "times"), [("medicalnet", 1), ("medicalnet", 5), ("monai", 1)])
def test_zarr_to_rows_against_a_plain_loop(study, tell, variant, times):
    store, cases = study, times * SUBJECTS
    first, again = (asked(store, variant=variant, round_digits=digits) for digits in (5, 6))
    engine = DaskEngine()
    try:
        ours = seconds(lambda: extract(first, engine=engine))  # the cluster's start included
        started = seconds(lambda: extract(again, engine=engine))  # the same network, loaded
    finally:
        engine.close()
    expected: dict[str, np.ndarray] = {}
    plain = seconds(lambda: expected.update(plain_loop(store, variant)))
    opened = open_store(str(store))
    rows = delta.read(opened, "deep").to_pylist()
    error = max(
        float(np.abs(np.subtract(row["vector"], expected[row["case_id"]])).max())
        / float(np.abs(expected[row["case_id"]]).max())
        for row in rows
        if variant in row["feature_set"] and not row["feature_set"].startswith("plain")
    )
    tell(
        f"deep features of {cases} cases, {variant}, {SIZE}, from Zarr to rows",
        {
            "ours [s per case]": ours / cases,
            "plain loop [s per case]": plain / cases,
            "plain / ours": plain / ours,
            "plain / ours, once the workers have started": plain / started,
            "largest difference [1e-6 of the largest]": error * 1e6,
        },
    )
    assert error < (1e-3 if torch.cuda.is_available() else 1e-4)
    assert not plan(first).gpu_tasks + plan(again).gpu_tasks


def test_two_programs_from_their_start_to_their_end(store, tell, tmp_path):
    """As a person waits for them: libraries loaded, a network made, workers started."""
    config = tmp_path / "deep.yaml"
    loop = [sys.executable, "-m", "tests.bench.plain_loop", str(store), "medicalnet"]
    ours = [sys.executable, "-m", "radlas", "extract", "--store", str(store)]

    def extracted(seed: int) -> float:
        recipe = {"extractors": {"deep": {"size": list(SIZE), "seed": seed}}}
        config.write_text(json.dumps(recipe))
        return seconds(lambda: subprocess.run([*ours, "--config", str(config)], check=True))

    pairs = [
        (seconds(lambda: subprocess.run(loop, check=True)), extracted(seed)) for seed in range(5)
    ]
    tell(
        f"deep features of {SUBJECTS} cases, medicalnet, {SIZE}, by two programs, of {len(pairs)}",
        {
            "ours [s]": float(np.median([took for _, took in pairs])),
            "plain loop [s]": float(np.median([plain for plain, _ in pairs])),
            "plain / ours": float(np.median([plain / took for plain, took in pairs])),
        },
    )


def asked(store, **settings: object) -> ExtractConfig:
    deep = {"deep": {"size": list(SIZE), **settings}}
    return ExtractConfig.parse({"store": str(store), "extractors": deep})


@pytest.mark.parametrize("layer", ["layer4", "layer3"])
def test_a_map_against_a_forward_pass(tell, layer):
    image = np.random.default_rng(0).normal(size=SIZE).astype(np.float32)
    runner = runner_of(random_network("medicalnet", 0).requires_grad_(False))
    grid, head = Geometry(SIZE, np.eye(4)), np.random.default_rng(1).normal(size=512)
    ratios = []
    for _ in range(12):
        forward = seconds(lambda: runner.features([image]))
        drawn = seconds(lambda: grad_cam(runner, image, grid, weights=head, bias=0, layer=layer))
        ratios.append(drawn / forward)
    _first, *others = ratios  # pairs of one moment each: what else the machine does comes and goes
    found = {"map / pass": float(np.median(others))}
    found |= {"the least": min(others), "the most": max(others)}
    tell(f"Grad-CAM at {layer} against a forward pass just before, of {len(others)}", found)


@pytest.fixture(scope="module")
def many(store):
    """The same store with twenty times as many cases; the benches above have run."""
    multiply(open_store(str(store)), 19)
    return store


@pytest.fixture(scope="module")
def crowd(many):
    """And twenty times as many again: a GPU is done with those before all of it is at work."""
    multiply(open_store(str(many)), 19)
    return many


def cases_per_second(store, engine, flow, seed: int, device: str) -> float:
    """Of a run in which every case went well, on the device that is meant."""
    config = asked(store, seed=seed)
    number = len(plan(config).gpu_tasks)
    assert number >= 20 * SUBJECTS
    reports: list[Report] = []
    took = seconds(lambda: reports.append(flow(config, engine=engine)))
    assert reports[0].data["ok"] == number, reports[0].lines
    rows = delta.read(open_store(str(store)), "deep", ["feature_set", "device"]).to_pylist()
    made = {row["device"] for row in rows if f"-rand{seed}-" in row["feature_set"]}
    assert made == {device}
    return number / took


@pytest.mark.parametrize("ease", [1.0, 1.5])
def test_a_made_device_is_kept_busy(many, tell, monkeypatch, tmp_path, ease):
    """Of a device that takes as long for an image as all cores need to prepare one, or longer."""
    pace = ease / prepared_per_second(many)
    monkeypatch.setattr("radlas.engine.local.gpus", lambda: ["0"])
    monkeypatch.setenv(made_device.FOLDER, str(tmp_path))
    monkeypatch.setenv(made_device.PACE, str(pace))
    flow, engine = replace(extract, work_many=made_device.work_many), DaskEngine()
    seed = int(100 * ease)
    try:
        first, then = (
            cases_per_second(many, engine, flow, one, made_device.MadeDevice.name)
            for one in (seed, seed + 1)
        )
    finally:
        engine.close()
    tell(
        f"a made device of {1 / pace:.1f} images per s, {ease} of what this machine prepares",
        {"busy, start of the workers included": first * pace, "busy": then * pace},
    )


def prepared_per_second(store) -> float:
    """Cases read and prepared per second, if every core did nothing else."""
    opened, extractor = open_store(str(store)), DeepExtractor(DeepExtractor.Settings(size=SIZE))
    names = [case["case_id"] for case in delta.read(opened, "cases", ["case_id"]).to_pylist()]

    def prepare(case_id: str) -> None:
        rois = {roi.name: roi for roi in read_rois(opened.place, case_id)}
        extractor.prepare(read_volume(opened.place, case_id), rois)

    keep_freed_memory()
    cores = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(prepare, names[: 2 * cores]))
        took = seconds(lambda: list(pool.map(prepare, names[: 48 * cores])))
    return len(names[: 48 * cores]) / took


@gpu
def test_the_gpu_is_kept_busy(crowd, tell):
    """From Zarr to rows against the network alone; and that against what the card can do."""
    runner = TorchRunner(cached_network("medicalnet", "", "", 0, "cuda"))
    half = TorchRunner(runner.network, torch.float16)
    batch = [np.random.default_rng(k).normal(size=SIZE).astype(np.float32) for k in range(16)]
    exact = np.array(runner.features(batch[:4]))
    error = float(np.abs(exact - np.array(half.features(batch))[:4]).max() / np.abs(exact).max())
    inputs = half._on_device(batch, len(batch))
    compute = on_the_device(lambda: in_half(runner.network, inputs)) / len(batch)
    prepared = prepared_per_second(crowd)
    engine = DaskEngine()
    try:
        first = cases_per_second(crowd, engine, extract, 7, half.describe(batch[:1])[0].device)
        with utilisation() as busy:
            then = cases_per_second(crowd, engine, extract, 8, half.describe(batch[:1])[0].device)
    finally:
        engine.close()
    tell(
        f"deep features on {torch.cuda.get_device_name()}",
        {
            "network alone [images per s]": 1 / compute,
            "this machine's cores prepare [cases per s]": prepared,
            "from Zarr to rows [cases per s]": then,
            "of the network alone": then * compute,
            "the same, start of the workers included": first * compute,
            "utilisation, as the driver tells it [%]": float(np.mean(busy)),
            "of the measured bf16 peak": work(runner.network)[0] / compute / bf16_peak(),
            "of the measured copy bandwidth": work(runner.network)[1] / compute / copy_bandwidth(),
            "half against float32, of the largest": error,
        },
    )
    assert error < 1e-3


WAYS = ("called", "the stem in planes", "captured", "compiled")


@gpu
@pytest.mark.parametrize("way", WAYS)
def test_what_fewer_launches_would_pay(tell, way):
    """The network alone in half precision: as it is called, captured in a graph, and compiled.

    And with the first convolution in the other layout, which one channel leaves open.
    """
    network = deepcopy(cached_network("medicalnet", "", "", 0, "cuda"))
    images = torch.randn(GPU_BATCH, 1, *SIZE, device="cuda")
    if way == "the stem in planes":
        network.conv1.weight.data = network.conv1.weight.clone(
            memory_format=torch.contiguous_format
        )
    run = partial(in_half, torch.compile(network) if way == "compiled" else network, images)
    run()
    if way == "captured":
        captured = torch.cuda.CUDAGraph()
        with torch.cuda.graph(captured):
            run()
        run = captured.replay
    found = GPU_BATCH / on_the_device(run)
    tell(f"the network on {torch.cuda.get_device_name()}", {f"{way} [images per s]": found})


def in_half(network: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor) -> torch.Tensor:
    """As ``TorchRunner`` calls it, left on the device."""
    with torch.inference_mode(), exactly(), torch.autocast("cuda", dtype=torch.float16):
        return network(images)


def on_the_device(action: Callable[[], object], repeats: int = 20) -> float:
    """Seconds that the GPU needs for it."""
    start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    action()
    start.record()
    for _ in range(repeats):
        action()
    stop.record()
    torch.cuda.synchronize()
    return start.elapsed_time(stop) / 1000 / repeats


@contextmanager
def utilisation():
    """Shares of time in which a kernel ran on the first GPU, sampled twice a second [%]."""
    first = torch.cuda.get_device_properties(0).uuid  # CUDA counts otherwise than the driver
    query = ["nvidia-smi", f"--id=GPU-{first}", "--query-gpu=utilization.gpu"]
    query += ["--format=csv,noheader,nounits", "-lms", "500"]
    found: list[float] = []
    with subprocess.Popen(query, stdout=subprocess.PIPE, text=True) as driver:
        try:
            yield found
        finally:
            driver.terminate()
            said = [float(line) for line in driver.stdout.read().split() if line.isdigit()]
            found += said or [np.nan]  # of a part of a GPU the driver tells nothing


def work(network: torch.nn.Module) -> tuple[float, float]:
    """Of one image's convolutions: multiplications and additions, and bytes in half precision.

    Each reads its input and writes its output once; what lies between them could be fused.
    """
    counted = [0.0, 0.0]

    def count(module, inputs, output):
        counted[0] += 2.0 * output[0].numel() * module.weight[0].numel()
        counted[1] += 2.0 * (inputs[0].numel() + output.numel())

    hooks = [
        module.register_forward_hook(count)
        for module in network.modules()
        if isinstance(module, torch.nn.Conv3d)
    ]
    device = next(network.parameters()).device
    with torch.inference_mode():
        network(torch.zeros(1, 1, *SIZE, device=device))
    for hook in hooks:
        hook.remove()
    return counted[0], counted[1]


def bf16_peak() -> float:
    """Of matrix products [per s]."""
    a = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
    took = on_the_device(lambda: a @ a)
    return 2 * 8192**3 / took


def copy_bandwidth() -> float:
    """On the device [bytes per s], read and written."""
    a = torch.empty(1 << 30, dtype=torch.uint8, device="cuda")
    b = torch.empty_like(a)
    return 2 * float(1 << 30) / on_the_device(lambda: b.copy_(a))
