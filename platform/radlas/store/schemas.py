"""Published contracts: tables, configurations and views as files that a test keeps fresh."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from radlas.config import Config
from radlas.places.stages import whole
from radlas.store.views import VIEWS, view_sql
from radlas.tables import TABLES


def contracts(configs: Mapping[str, type[Config]]) -> dict[str, str]:
    """File name to text: one JSON per table and configuration, one SQL file per view."""
    texts = {f"tables/{name}.json": _json(asdict(table)) for name, table in TABLES.items()}
    for name, config in configs.items():
        texts[f"configs/{name}.json"] = _json(config.model_json_schema())
    for view in VIEWS:
        texts[f"views/{view}.sql"] = view_sql(view)
    return texts


def export_schemas(out: Path, configs: Mapping[str, type[Config]]) -> list[Path]:
    """Write the contracts into a folder; the files written."""
    paths = []
    for name, text in sorted(contracts(configs).items()):
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as file:
            file.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths


def _json(value: object) -> str:
    return json.dumps(value, indent=1, sort_keys=True) + "\n"
