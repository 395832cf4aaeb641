"""What the documents and the deployment files say is held to the code, the tree and the CLI."""

from __future__ import annotations

import configparser
import json
import pickle
import re
import shlex
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import typer.main
import yaml
from distributed.cli import dask_scheduler, dask_worker

import radlas
from radlas.cli import app
from radlas.errors import DataError
from radlas.features import EXTRACTORS
from radlas.features.base import feature_set_name, make_extractor
from radlas.geometry import make_geometry
from radlas.ingest import IMPORTERS
from radlas.model import Roi, Volume
from radlas.reasons import REASONS
from radlas.registry import Registry
from radlas.roi.ring import ring

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "platform" / "radlas"
INFRA = ROOT / "infra"
PAGES = ["README.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))]


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text_of(name), re.DOTALL | re.MULTILINE)


def table_rows(text):
    cells = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row] for row in cells]


# Commands


def statements(script):
    """Words of every command of a shell block; a quoted text may span lines."""
    found, pending = [], ""
    for line in script.splitlines():
        pending += line + "\n"
        try:
            words = shlex.split(pending, comments=True)
        except ValueError:  # the quotation goes on
            continue
        found += [[word for word in words if word != "&"]] if words else []
        pending = ""
    assert not pending, f"no closing quotation: {pending}"
    return found


def parse_radlas(words):
    command = typer.main.get_command(app)
    while hasattr(command, "commands"):
        assert words, f"{command.name} wants a verb"
        assert words[0] in command.commands, f"no verb {words[0]!r}"
        command, words = command.commands[words[0]], words[1:]
    command.make_context(command.name, list(words))  # wrong or missing options raise


def parse(words):
    """Hold one command to its command line; those of other tools pass."""
    if words[0] == "radlas":
        parse_radlas(words[1:])
    elif words[0] == "dask":
        command = {"scheduler": dask_scheduler.main, "worker": dask_worker.main}[words[1]]
        known = {name for option in command.params for name in option.opts + option.secondary_opts}
        unknown = [word for word in words if word.startswith("--") and word not in known]
        assert not unknown, f"dask {words[1]} has no {unknown}"
    elif words[0] == "make":
        assert f"\n{words[1]}:" in text_of("Makefile")


def told_to_users():
    """Every command that the README and the pages of docs print."""
    found = [block for page in PAGES for block in blocks(page, "sh")]
    return [words for block in found for words in statements(block)]


def container_commands(value):
    """Every `command` list in a Kubernetes document."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "command":
                yield inner
            yield from container_commands(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from container_commands(inner)


def kubernetes():
    return [
        document
        for path in sorted((INFRA / "k8s").glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
    ]


def compose_services():
    return yaml.safe_load((INFRA / "compose/compose.yaml").read_text(encoding="utf-8"))["services"]


def unit_file(name):
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read(INFRA / "systemd" / name)
    return unit


def infra_commands():
    for service in compose_services().values():
        yield [*service.get("entrypoint", ["radlas"]), *service["command"]]
    for document in kubernetes():
        yield from container_commands(document)
    start = shlex.split(unit_file("radlas-retrain.service")["Service"]["ExecStart"])
    yield [Path(start[0]).name, *start[1:]]
    for name in ("Dockerfile.cpu", "Dockerfile.gpu"):
        lines = (INFRA / "docker" / name).read_text(encoding="utf-8")
        (entry,) = re.findall(r"^ENTRYPOINT (\[.*\])$", lines, re.MULTILINE)
        assert yaml.safe_load(entry) == ["radlas"]


def told_commands():
    """Commands in the comments that say how a file is used, and the one that SLURM starts."""
    told = r"^#   (?:docker compose .* run --rm |docker run .* )?(radlas|dask)(?::\w+)? ([a-z].*)$"
    for path in sorted(path for path in INFRA.rglob("*") if path.is_file()):
        text = path.read_text(encoding="utf-8").replace(" \\\n#  ", "").replace("\\\n", "")
        text = text.replace("$(hostname -f)", "HOST")
        for tool, words in re.findall(told, text, re.MULTILINE):
            yield [tool, *words.removesuffix(" &").split()]
        for words in re.findall(r'^srun (?:--\S+ )*\S+/dask" (.*)$', text, re.MULTILINE):
            yield ["dask", *shlex.split(words)]


@pytest.fixture(autouse=True)
def _default_store(monkeypatch):
    monkeypatch.setenv("RADLAS_STORE", "/data/store")


@pytest.mark.parametrize("words", told_to_users(), ids=lambda words: " ".join(words)[:60])
def test_every_command_of_the_pages_is_one_of_the_command_line(words):
    parse(words)


@pytest.mark.parametrize("words", list(infra_commands()), ids=lambda words: " ".join(words)[:60])
def test_every_command_that_infra_starts_is_one_of_the_command_line(words):
    parse(words)


@pytest.mark.parametrize("words", list(told_commands()), ids=lambda words: " ".join(words)[:60])
def test_every_command_that_infra_tells_is_one_of_the_command_line(words):
    parse(words)


def test_the_commands_that_infra_tells_are_found():
    told = [" ".join(words[:2]) for words in told_commands()]
    assert {"radlas init", "radlas ingest", "radlas extract", "radlas status"} <= set(told)
    assert {"dask scheduler", "dask worker"} <= set(told)


@pytest.mark.parametrize(
    "words",
    [
        ["radlas", "timetable"],
        ["radlas", "train", "study.yaml"],
        ["radlas", "ingest", "here", "--center", "a"],
        ["dask", "worker", "--nprocs", "2"],
    ],
)
def test_a_command_that_does_not_exist_would_be_noticed(words):
    with pytest.raises((AssertionError, Exception), match=r"no verb|snapshot|center|nprocs"):
        parse(words)


def verbs(command=None, name=""):
    """Every verb, as ``snapshot list``, with its options."""
    command = command or typer.main.get_command(app)
    if not hasattr(command, "commands"):
        yield (
            name.strip(),
            {word for one in command.params for word in one.opts if word[:2] == "--"},
        )
    for word, one in getattr(command, "commands", {}).items():
        yield from verbs(one, f"{name} {word}")


def test_every_verb_and_option_stands_on_some_page():
    pages = "\n".join(map(text_of, PAGES))
    for verb, options in verbs():
        group, _, last = verb.rpartition(" ")
        shown = rf"radlas {verb}\b|`{last}[ `]" if group else rf"radlas {verb}\b"
        assert re.search(shown, pages), verb
        lacking = {word for word in options if not re.search(rf"{word}(?![\w-])", pages)}
        assert not lacking, f"radlas {verb}: {lacking}"


@pytest.mark.parametrize("page", PAGES)
def test_every_option_that_a_page_names_is_one_of_the_command_line(page):
    known = {word for _, options in verbs() for word in options} | {"--help"}
    known |= {word for one in typer.main.get_command(app).params for word in one.opts}
    prose = re.sub(r"^```.*?^```", "", text_of(page), flags=re.S | re.M)
    told = [code for code in re.findall(r"`([^`]+)`", prose) if not code.startswith("dask ")]
    assert {word for code in told for word in re.findall(r"(?<!\S)--[a-z-]+", code)} <= known


@pytest.mark.parametrize("page", PAGES)
def test_lines_of_the_pages_are_short(page):
    """But for tables, which cannot be broken, and for what stands there to be copied."""
    prose = re.sub(r"^```.*?^```", "", text_of(page), flags=re.S | re.M)
    told = [line for line in prose.splitlines() if not line.startswith("|")]
    assert [line for line in told if len(line) > 108] == []


def test_the_readme_shows_every_verb_of_a_first_study():
    shown = {words[1] for block in blocks("README.md", "sh") for words in statements(block)}
    first = "init ingest extract snapshot train validate explain report predict query retry retrain"
    assert set(first.split()) <= shown


# Pages


def test_the_table_of_reasons_is_the_one_of_the_code():
    inside = re.search(
        r"<!-- reasons: begin -->(.*)<!-- reasons: end -->", text_of("docs/quarantine.md"), re.S
    )
    rows = table_rows(inside[1])[1:]
    expected = [[f"`{code}`", one.meaning, one.remedy] for code, one in REASONS.items()]
    assert rows == expected


def undescribed(schema):
    """Keys of a published configuration of which nothing says what they are."""
    defined = schema.get("$defs", {})
    for form in (schema, *defined.values()):
        for key, field in form.get("properties", {}).items():
            named = [one.get("$ref", "") for one in (field, *field.get("anyOf", ()))]
            told = [defined[ref.split("/")[-1]].get("description") for ref in named if ref]
            if not any([field.get("description"), *told]):
                yield key


def test_every_key_of_a_published_configuration_is_described():
    """The pages send whoever asks what a setting means to these files."""
    found = sorted((ROOT / "schemas/configs").glob("*.json"))
    schemas = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in found}
    assert {f"extractor-{name}" for name in set(EXTRACTORS) - set(EXTRACTORS.plug_ins)} <= set(
        schemas
    )
    assert [(name, key) for name, schema in schemas.items() for key in undescribed(schema)] == []


@pytest.fixture
def contrast(tmp_path, monkeypatch):
    """The page's extractor, looked up in a registry by the page's own line."""
    code, line = blocks("docs/plugins.md", "python")
    (tmp_path / "radlas_page_toy.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "radlas_page_toy", raising=False)
    name, place = re.fullmatch(r'\s*"(\w+)": "([\w.:]+)",\s*', line).groups()
    assert place.startswith("radlas.features.contrast:")
    here = place.replace("radlas.features.contrast", "radlas_page_toy")
    return make_extractor(Registry("radlas.extractors", {name: here}), name, {"percentile": 90})


def tiny_case(dtype=np.float32):
    voxels = np.arange(4 * 6 * 5).reshape(4, 6, 5).astype(dtype)
    mask = voxels > 100
    geometry = make_geometry((4, 6, 5), spacing=(1, 1, 3), origin=(0, 0, 0), direction=np.eye(3))
    return Volume(voxels, geometry), {"tumour": Roi("tumour", mask, "seg")}


def test_the_pages_extractor_describes_a_volume(contrast):
    (row,) = contrast.describe(*tiny_case()).rows
    volume, rois = tiny_case(np.float64)
    level = np.percentile(volume.voxels[rois["tumour"].mask], 90)
    expected = (level - volume.voxels.mean()) / volume.voxels.std()
    assert (row.roi, row.image_type, row.reason) == ("tumour", "original", "")
    assert set(row.values) == set(contrast.columns)
    assert row.values["contrast_Percentile"] == pytest.approx(expected)
    assert type(row.values["contrast_Percentile"]) is float


def test_the_pages_extractor_keeps_the_promises_of_extractors(contrast):
    """As the contract tests ask: pixel types agree, it travels, its settings make its name."""
    assert contrast.describe(*tiny_case(np.int16)) == contrast.describe(*tiny_case())
    clone = pickle.loads(pickle.dumps(contrast))  # noqa: S301 - our own bytes
    assert clone.describe(*tiny_case()) == contrast.describe(*tiny_case())
    other = type(contrast)(contrast.Settings())
    assert feature_set_name("contrast", contrast) != feature_set_name("contrast", other)


def test_the_pages_extractor_quarantines_a_flat_image(contrast):
    volume, rois = tiny_case()
    with pytest.raises(DataError) as caught:
        contrast.describe(Volume(np.ones_like(volume.voxels), volume.geometry), rois)
    assert caught.value.reason == "flat_image"


def test_the_pages_extractor_is_as_short_as_it_says():
    code, _ = blocks("docs/plugins.md", "python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 30


# Every document


def anchors(page):
    """What a link into a page may name: its headings, as GitHub makes anchors of them."""
    prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    heads = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("name", [*PAGES, "ARCHITECTURE.md", "CHANGELOG.md"])
def test_every_link_into_the_tree_arrives(name):
    for link, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", text_of(name)):
        target = (ROOT / name).parent / link if link else ROOT / name
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), f"{link}#{anchor}"


@pytest.mark.parametrize("name", ["jobs/ingest.yaml", "docs/ingest.md"])
def test_every_importer_is_named_where_they_are_listed(name):
    listed = [line for line in text_of(name).splitlines() if re.search(r"importer|^\|", line)]
    assert set(IMPORTERS) <= set(re.findall(r"[\w-]+", "\n".join(listed)))


def test_every_page_is_named_in_the_readme():
    named = set(re.findall(r"\]\((docs/\w+\.md)\)", text_of("README.md")))
    assert named == set(PAGES) - {"README.md"}


def test_the_changelog_begins_with_this_version():
    versions = re.findall(r"^## \[([\d.]+)\]", text_of("CHANGELOG.md"), re.MULTILINE)
    assert versions[0] == radlas.__version__


# ARCHITECTURE


def find(path):
    return next((base / path for base in (PACKAGE, ROOT) if (base / path).exists()), None)


def test_every_path_of_the_architecture_exists():
    ticked = re.findall(r"`([\w./-]+)`", text_of("ARCHITECTURE.md"))
    code = [t for t in ticked if t.endswith((".py", ".j2", ".toml", "/")) or "/" in t]
    paths = [path for path in code if not path.startswith("lake/")]  # that one is in stores
    assert len(paths) > 60
    assert [path for path in paths if find(path) is None] == []


def test_every_name_that_the_architecture_places_in_a_file_is_there():
    placed = re.findall(
        r"`([\w./]+\.py)`, `(\w+)`(?: (?:or|and) `(\w+)`)?", text_of("ARCHITECTURE.md")
    )
    assert len(placed) > 20
    for path, *names in placed:
        code = find(path).read_text(encoding="utf-8")
        for name in filter(None, names):
            assert re.search(rf"\b{name}\b", code), f"{name} is not in {path}"


def test_every_law_points_to_tests_that_exist():
    laws = re.findall(r"^\| (\d+)\. (.*)$", text_of("ARCHITECTURE.md"), re.MULTILINE)
    assert [int(number) for number, _ in laws] == list(range(1, 11))
    for _, row in laws:
        tests = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)
        assert tests, row
        for path, name in tests:
            assert f"def {name}(" in text_of(path), f"{name} is not in {path}"


def test_the_table_of_floors_is_the_contract_of_the_linter():
    contracts = tomllib.loads(text_of("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    layers = next(c["layers"] for c in contracts if c["type"] == "layers")
    rows = re.findall(r"^\| \d \| ([^|]*) \|", text_of("ARCHITECTURE.md"), re.MULTILINE)
    assert len(rows) == len(layers)
    for row, layer in zip(rows, layers, strict=True):
        modules = [
            module.removeprefix("radlas.").replace(".", "/") for module in layer.split(" : ")
        ]
        rooms = {f"{m}/" if (PACKAGE / m).is_dir() else f"{m}.py" for m in modules}
        assert set(re.findall(r"`([\w./]+)`", row)) == rooms


def test_rings_on_thick_slices_are_as_close_as_the_architecture_says():
    assert "rings of 3 to 15 mm are then within 1.1 %" in text_of("ARCHITECTURE.md").replace(
        "\n", " "
    )
    spacing = (6.5, 0.78, 0.78)
    for radius in (20, 25, 30):
        axes = [(np.arange(-n, n + 1)) * e for n, e in zip((8, 56, 56), spacing, strict=True)]
        z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
        ball = z**2 + y**2 + x**2 <= radius**2
        made = ring(ball, spacing, inner_mm=0, outer_mm=10, body=np.ones_like(ball)).mask
        shell = 4 / 3 * np.pi * ((radius + 10) ** 3 - radius**3)
        assert made.sum() * np.prod(spacing) == pytest.approx(shell, rel=0.01)


# infra


def test_workers_of_every_cluster_may_have_children():
    """A stock Dask worker is a daemon, which may not have the child that runs native code."""
    switch = "DASK_DISTRIBUTED__WORKER__DAEMON"
    assert compose_services()["worker"]["environment"][switch] == "False"
    (worker,) = [d for d in kubernetes() if d["metadata"]["name"] == "radlas-worker"]
    (container,) = worker["spec"]["template"]["spec"]["containers"]
    assert {"name": switch, "value": "False"} in container["env"]
    assert f"export {switch}=False\n" in (INFRA / "slurm/workers.sbatch").read_text()
    assert f"export {switch}=False\n" in text_of("docs/engines.md")


def test_every_builder_is_sent_what_the_images_copy_and_nothing_else():
    """BuildKit alone reads a file beside the Dockerfile; others would be sent stores and keys."""
    first, *told = [line for line in text_of(".dockerignore").splitlines() if line[0] != "#"]
    images = [path.read_text(encoding="utf-8") for path in (INFRA / "docker").glob("Dockerfile.*")]
    copies = [line.split()[1:-1] for text in images for line in text.splitlines() if "COPY" in line]
    copied = {f"!{name}" for names in copies if "--from=build" not in names for name in names}
    assert first == "*"
    assert {line for line in told if line[0] == "!"} == copied


def test_every_container_of_compose_sees_the_store_under_the_same_path():
    services = compose_services().values()
    assert len({str(service["volumes"]) for service in services}) == 1
    assert all(s["environment"]["RADLAS_STORE"].startswith("/data/") for s in services)


def pods():
    """The pod that each workload of Kubernetes makes."""
    for document in kubernetes():
        spec = document["spec"]
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if "template" in spec:
            yield pytest.param(spec["template"]["spec"], id=document["metadata"]["name"])


@pytest.mark.parametrize("pod", pods())
def test_every_pod_is_let_into_a_namespace_of_the_restricted_standard(pod):
    """And writes to nothing but what is mounted: a folder for temporary files, and the store."""
    shared = pod["securityContext"]
    assert (shared["runAsNonRoot"], shared["runAsUser"]) == (True, 10001)  # the user of the image
    assert shared["seccompProfile"] == {"type": "RuntimeDefault"}
    claims = [volume for volume in pod["volumes"] if "persistentVolumeClaim" in volume]
    # Else every start changes owner and mode of every file that a store has.
    assert not claims or shared["fsGroupChangePolicy"] == "OnRootMismatch"
    for container in pod["containers"]:
        own = container["securityContext"]
        assert own["allowPrivilegeEscalation"] is False
        assert own["capabilities"] == {"drop": ["ALL"]}
        assert own["readOnlyRootFilesystem"] is True
        mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert mounted["tmp"] == "/tmp"  # noqa: S108 - of the container
        assert set(mounted) == {volume["name"] for volume in pod["volumes"]}


def test_the_weekly_job_of_kubernetes_runs_alone_and_is_made_up_for():
    (job,) = [d for d in kubernetes() if d["kind"] == "CronJob"]
    assert job["apiVersion"] == "batch/v1"
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    assert job["spec"]["startingDeadlineSeconds"] >= 3600
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    assert pod["securityContext"]["runAsNonRoot"] is True
    (claim,) = [v["persistentVolumeClaim"] for v in pod["volumes"] if "persistentVolumeClaim" in v]
    assert claim["claimName"] in {d["metadata"]["name"] for d in kubernetes()}
    (container,) = pod["containers"]
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}
    assert container["resources"]["limits"]["memory"]


def test_the_weekly_timer_makes_up_for_a_missed_round_and_starts_its_service():
    timer, service = unit_file("radlas-retrain.timer"), unit_file("radlas-retrain.service")
    assert timer["Timer"]["Persistent"] == "true"
    assert timer["Timer"]["OnCalendar"].startswith("Sun ")
    assert timer["Install"]["WantedBy"] == "timers.target"
    assert service["Service"]["Type"] == "oneshot"
    assert service["Service"]["ProtectSystem"] == "strict"
    assert service["Service"]["ReadWritePaths"] == "/srv/radlas"


@pytest.mark.parametrize("name", ["Dockerfile.cpu", "Dockerfile.gpu"])
def test_the_image_is_built_as_the_makefile_builds_and_runs_as_nobody_special(name):
    text = (INFRA / "docker" / name).read_text(encoding="utf-8")
    for step in re.findall(r"\$\(PIP\) install -q -c constraints.txt (.*)", text_of("Makefile"))[
        :2
    ]:
        assert f"pip install -c constraints.txt {step}\n" in text
    assert re.findall(r"^USER (\w+)$", text, re.MULTILINE) == ["radlas"]
    for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source


def test_only_the_image_for_gpus_takes_the_extra_and_it_says_that_it_is_untested():
    gpu = (INFRA / "docker/Dockerfile.gpu").read_text(encoding="utf-8")
    extras = tomllib.loads(text_of("pyproject.toml"))["project"]["optional-dependencies"]
    assert "'.[gpu]'" in gpu
    assert "gpu" in extras
    assert "UNTESTED" in gpu
