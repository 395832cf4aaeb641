"""What every page is made with: its template, filled, and the style sheet."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from radlas.report import format as fmt
from radlas.words import counted, harmless


def fill(template: str, values: Mapping[str, Any]) -> str:
    """A page: a mark of direction in a hospital's name or grade turns no sentence around.

    Args:
        template: Its file in this folder.
        values: What it shows; a text that is no ``Markup`` is escaped.
    """
    return harmless(_environment().get_template(template).render(values))


@cache
def _environment() -> Environment:
    """Templates of this folder, everything escaped, with the filters of ``format``."""
    made = Environment(
        loader=PackageLoader("radlas.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "fixed": fmt.fixed,
        "digits_apart": fmt.digits_apart,
        "significant": fmt.significant,
        "signed": fmt.signed,
        "p": fmt.p_value,
        "n": fmt.count,
        "of": fmt.share,
        "percent": fmt.percent,
        "bounds": fmt.bounds,
        "ci": fmt.estimate,
        "methods": fmt.methods,
        "feature": fmt.feature,
        "short": fmt.short_id,
        "begun": fmt.begun,
        "counted": counted,
        "settings": fmt.settings,
        "coded": _coded,
    }
    return made


def _coded(text: str) -> Markup:
    """A text of ours with its words of code, which stand in backticks on a terminal, as such."""
    forms = Markup("{}"), Markup("<code>{}</code>")
    parts = enumerate(text.split("`"))
    return Markup().join(forms[number % 2].format(part) for number, part in parts)


@cache
def style_sheet() -> str:
    """The style of reports."""
    return files("radlas.report").joinpath("style.css").read_text(encoding="utf-8")
