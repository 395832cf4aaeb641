"""Headless Chromium for tests: one page, a picture of it, and every address it asked for."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
)


_ITSELF = "not an origin"


@dataclass(frozen=True)
class Visit:
    """What a browser made of a page.

    Attributes:
        picture: A PNG of it.
        dom: Its elements after loading, as text.
        asked: Addresses that the page asked for.
    """

    picture: Path
    dom: str
    asked: tuple[str, ...]


def visit(page: Path, folder: Path, *, width: int = 1200, height: int = 1600) -> Visit:
    """Open a page; a missing browser is a failure in CI, elsewhere a visible skip."""
    browser = next(filter(None, map(shutil.which, _NAMES)), None)
    if browser is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium: .ci/run installs the distribution's")
        pytest.skip("no Chromium on this machine")
    log, picture = folder / "net.json", folder / "page.png"
    common = [browser, *_QUIET, f"--window-size={width},{height}"]
    for number, extra in enumerate(
        ([f"--screenshot={picture}", f"--log-net-log={log}"], ["--dump-dom"])
    ):
        profile = folder / f"profile{number}"
        command = [*common, f"--user-data-dir={profile}", *extra, page.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return Visit(picture, done.stdout, _asked(log))


def _asked(log: Path) -> tuple[str, ...]:
    """Addresses that the page asked for; the browser asks for some by itself, without an origin."""
    events = json.loads(log.read_text(encoding="utf-8"))["events"]
    params = [event.get("params", {}) for event in events]
    by_page = [one for one in params if one.get("initiator", _ITSELF) != _ITSELF]
    return tuple(sorted({one["url"] for one in by_page if "url" in one}))
