"""The lake at size: what it takes on disk, how fast it answers, and that kills lose nothing.

Run: ``python -m pytest tests/bench/test_lake.py -s [--json]``. Ratios are of one run.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import radlas
from radlas.store import delta
from radlas.store.compact import compact
from radlas.store.diff import diff_snapshots
from radlas.store.frozen import load_snapshot
from radlas.store.layout import init_store, open_store
from radlas.store.parts import read_part
from radlas.store.query import connect, run_sql
from radlas.store.snapshots import create_snapshot, open_snapshot
from radlas.tables import TABLES

from .lakes import make_lake

ROOT = Path(__file__).parents[2]
WRITER = ROOT / "tests" / "unit" / "store" / "lake_writer.py"
KINDS = {"firstorder", "glcm", "gldm", "glrlm", "glszm", "ngtdm", "shape"}
FEATURES = "columns('^(firstorder|glcm|gldm|glrlm|glszm|ngtdm|shape)_')"
MATRIX = """
import sys, time
import pandas, radlas  # as whoever trains has loaded it; Feast's imports are not timed either
from tests.bench.radiomics_pairs import peak_mib
frozen = radlas.open(sys.argv[1]).snapshot("bench")
start = time.perf_counter()
X = frozen.matrix()
seconds = time.perf_counter() - start
print(seconds, peak_mib(), *X.shape)
"""

ONE = """
import sys, time
from radlas.store.layout import open_store
from radlas.store.query import connect, run_sql
with connect(open_store(sys.argv[1])) as connection:
    for (case,) in connection.sql("select case_id from cases").fetchall()[::2500]:
        start = time.perf_counter()
        run_sql(connection, f"from radiomics where case_id = '{case}'").to_arrow_table()
        print(time.perf_counter() - start)
"""
STREAM = """
import sys, time
from radlas.store.layout import open_store
from radlas.store.query import connect
from tests.bench.radiomics_pairs import peak_mib
with connect(open_store(sys.argv[1]), memory="1500MB") as connection:
    start = time.perf_counter()
    reader = connection.sql(sys.argv[2]).to_arrow_reader(10_000)
    rows = sum(batch.num_rows for batch in reader)
print(time.perf_counter() - start, peak_mib(), rows)
"""
STREAMED = {
    "all in order": "select * from radiomics order by firstorder_Mean",
    "each with each of a case": "select a.case_id, a.firstorder_Mean - b.firstorder_Mean d"
    " from radiomics a join radiomics b using (case_id)",
    "medians": f"select centre, image_type, median({FEATURES}) from radiomics group by all",
}


def seconds_of(action):
    start = time.perf_counter()
    found = action()
    return time.perf_counter() - start, found


def told_by(script, *given):
    """The numbers a script prints, in a process of its own."""
    command = [sys.executable, "-c", script, *map(str, given)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    return tuple(map(float, done.stdout.split()))


def matrix_of(store):
    """Seconds, MiB and shape of the training matrix."""
    return told_by(MATRIX, store.place)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """20,000 cases with 20 image types of 100 features."""
    return make_lake(tmp_path_factory.mktemp("lake") / "store", 20_000, 20)


def test_two_thousand_features_of_twenty_thousand_cases(large, tmp_path, tell):
    parts = delta.parts(large, "radiomics")
    plain = 0
    for number, part in enumerate(parts):
        rows = read_part(large.place, TABLES["radiomics"], part.path)
        pq.write_table(rows, tmp_path / f"{number}.parquet")
        plain += (tmp_path / f"{number}.parquet").stat().st_size
    with connect(large) as connection:
        sql = f"select centre, image_type, avg({FEATURES}), stddev({FEATURES}) from radiomics"
        means, _ = seconds_of(lambda: run_sql(connection, f"{sql} group by all").to_arrow_table())
    frozen, (old, _) = seconds_of(lambda: create_snapshot(large, "bench"))
    new, _ = create_snapshot(
        large, "fewer", cohort_sql="select case_id from cases where case_id > '01'"
    )
    compared, found = seconds_of(lambda: diff_snapshots(large, old, new))
    ones = told_by(ONE, large.place)
    made = [matrix_of(large) for _ in range(3)]
    assert all(one[2:] == (20_000, 2_000) for one in made)
    assert found["tables"]["radiomics"]["removed"] == 20 * len(found["cases"]["removed"])
    size = sum(part.size for part in parts)
    tell(
        "20,000 cases x 2,000 features",
        {
            "on disk [MB]": size / 1e6,
            "of pyarrow's own layout": size / plain,
            "one case, of eight [s]": median(ones),
            "one case, the first [s]": ones[0],
            "mean and std per centre [s]": means,
            "snapshot [s]": frozen,
            "diff of two snapshots [s]": compared,
            "all to numpy, best of three [s]": min(one[0] for one in made),
            "all to numpy, the first [s]": made[0][0],  # memory the machine has to hand out first
            "all to numpy, peak [MiB]": max(one[1] for one in made),
        },
    )


def frame_of_feast(folder, kind):
    """Seconds, MiB and frame of one of Feast's offline stores, from Parquet files of its own."""
    command = [os.environ["FEAST_PYTHON"], str(ROOT / "tests/bench/feast_frame.py"), folder, kind]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, peak = map(float, done.stdout.split()[-2:])
    frame = pd.read_parquet(folder / f"{kind}.frame.parquet").set_index("case_id").sort_index()
    return seconds, peak, frame


def lay_out_for_feast(expected, folder):
    """One file per feature view, one row per case: Feast's own wide layout."""
    expected.columns = expected.columns.str.partition("__", expand=False).str[2]
    views = {}
    for column in expected.columns:
        views.setdefault(column.partition("__")[0], []).append(column)
    when = pd.Timestamp("2026-01-01", tz="UTC")
    for number, columns in enumerate(views.values()):
        part = expected[columns].rename(columns=lambda name: name.partition("__")[2])
        part.assign(event_timestamp=when).reset_index().to_parquet(
            folder / f"view_{number}.parquet", index=False
        )
    later = when + pd.Timedelta(days=1)
    cases = pd.DataFrame({"case_id": expected.index, "event_timestamp": later})
    cases.to_parquet(folder / "cases.parquet", index=False)
    return list(views)


@pytest.mark.skipif(
    "FEAST_PYTHON" not in os.environ, reason="set FEAST_PYTHON to a Python with feast[duckdb]"
)
def test_a_training_frame_against_feast(tmp_path, tell):
    """17,000 cases x 1,000 features in ten views; Feast also joins by time, which we do not."""
    store = make_lake(tmp_path / "store", 17_000, 10)
    create_snapshot(store, "bench")
    ours = [matrix_of(store) for _ in range(3)]
    seconds, peak = min(one[0] for one in ours), max(one[1] for one in ours)
    X = radlas.open(str(store.place)).snapshot("bench").matrix()
    kinds = lay_out_for_feast(X.copy(), tmp_path)
    figures = {"training frame [s]": seconds, "peak [MiB]": peak}
    for kind in ("duckdb", "dask"):
        theirs, memory, frame = frame_of_feast(tmp_path, kind)
        figures |= {f"feast {kind} [s]": theirs, f"feast {kind}, peak [MiB]": memory}
        figures[f"ratio to feast {kind}"] = theirs / seconds
        for number, image_type in enumerate(kinds):
            mine = X.filter(regex=f"^tumour__{re.escape(image_type)}__")
            same = [f"view_{number}__{name.split('__')[2]}" for name in mine]
            np.testing.assert_array_equal(mine.to_numpy(), frame[same].to_numpy())
    tell("17,000 cases x 1,000 features, beside Feast", figures)


def test_a_training_frame_against_pandas(tmp_path, tell):
    """17,000 cases x 1,000 features; pandas reads the same parts and unstacks them."""
    store = make_lake(tmp_path / "store", 17_000, 10)
    create_snapshot(store, "bench")
    seconds, peak, rows, columns = matrix_of(store)
    assert (rows, columns) == (17_000, 1_000)

    def by_pandas():
        frames = [pd.read_parquet(path) for path in delta.files(store, "radiomics")]
        keys = ["case_id", "roi", "image_type"]
        rows = pd.concat(frames)
        features = [name for name in rows if name.partition("_")[0] in KINDS]
        return rows.set_index(keys)[features].unstack(["roi", "image_type"])

    theirs, frame = seconds_of(by_pandas)
    tell(
        "17,000 cases x 1,000 features",
        {
            "training frame [s]": seconds,
            "peak [MiB]": peak,
            "pandas [s]": theirs,
            "ratio to pandas": theirs / seconds,
        },
    )
    X = radlas.open(str(store.place)).snapshot("bench").matrix()
    frame.columns = [f"{roi}__{kind}__{name}" for name, roi, kind in frame.columns]
    expected = frame.sort_index()[list(X.columns)]
    assert (X.index == expected.index).all()
    np.testing.assert_array_equal(X.to_numpy(), expected.to_numpy())


def test_a_hundred_thousand_cases(tmp_path, tell):
    """Two million rows: a snapshot in seconds, opened at once, asked within two gigabytes."""
    store = make_lake(tmp_path / "store", 100_000, 20, 20)
    create, (frozen, _) = seconds_of(lambda: create_snapshot(store, "bench"))
    with ExitStack() as stack:
        opened, connection = seconds_of(
            lambda: stack.enter_context(
                open_snapshot(store, load_snapshot(store, "bench"), memory="2GB")
            )
        )
        sql = f"select centre, roi, image_type, quantile_cont({FEATURES}, 0.9) from radiomics"
        asked, rows = seconds_of(lambda: run_sql(connection, f"{sql} group by all").fetchall())
    assert len(rows) == 4 * 20
    streamed = {}
    for name, sql in STREAMED.items():
        seconds, peak, _ = told_by(STREAM, store.place, sql)
        assert peak < 2e9 / 2**20, name
        streamed |= {f"{name} [s]": seconds, f"{name}, peak [MiB]": peak}
    tell(
        "100,000 cases",
        {
            "snapshot [s]": create,
            "open [s]": opened,
            "quantiles of all [s]": asked,
            **streamed,
            "cases": len(frozen.cases),
        },
    )


def test_kills_at_any_moment(tmp_path, tell):
    """Two centres with two writers each that overlap by half, a compactor, and 200 kills."""
    store, kills = init_store(tmp_path / "store"), 200
    rng = random.Random(0)  # noqa: S311 - moments, not secrets
    first = {(centre, half): 0 for centre in "ab" for half in (0, 1)}
    compacting = [sys.executable, "-m", "radlas", "compact"]
    compacting += ["--store", str(store.place), "--many", "3", "--keep-hours", "1"]
    started = time.perf_counter()
    for _ in range(kills // 5):
        running = [
            subprocess.Popen(
                [sys.executable, str(WRITER), str(store.place), centre, str(at + 5 * half), "40"],
                stdout=subprocess.PIPE,
                text=True,
            )
            for (centre, half), at in first.items()
        ]
        running.append(subprocess.Popen(compacting, stdout=subprocess.PIPE, text=True))
        time.sleep(rng.uniform(1.0, 3.0))
        for process in running:
            process.send_signal(signal.SIGKILL)
        for who, process in zip(first, running, strict=False):
            told = process.communicate()[0].split()
            first[who] = max([first[who], *map(int, told)])
    for (centre, _), at in first.items():  # resumed, from the beginning, to the end
        command = [sys.executable, str(WRITER), str(store.place), centre, "0", str(at + 1)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    counted = check_every_version(open_store(str(store.place)))
    expected = {f"{c}-{n:06}" for (c, _), at in first.items() for n in range(at + 1)}
    assert counted["cases"] == len(expected)
    compact(store, "radiomics", many=1)
    tell(
        "kills",
        {"kills": kills, "minutes": (time.perf_counter() - started) / 60, **counted},
    )


def check_every_version(store):
    """Of every version: no key twice, no case in part, no row unlike what was meant."""
    newest = delta.version(store, "radiomics")
    for at in range(newest + 1):
        keys = delta.read(store, "radiomics", ["case_id", "image_type"], at).to_pylist()
        rows = Counter((row["case_id"], row["image_type"]) for row in keys)
        assert max(rows.values(), default=1) == 1
        cases = Counter(case for case, _ in rows)
        assert set(cases.values()) <= {3}
    return {"versions": newest + 1, "cases": len(cases), "rows": sum(cases.values())}
