"""From a flow to a process: configuration, engine, report, exit code."""

from __future__ import annotations

import io
import json
import math
import os
import select
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, redirect_stdout, suppress
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.traceback import Traceback

from radlas.engine.base import Engine, SerialEngine
from radlas.errors import ConfigError, RadlasError, Terminated, WorkerError, refused
from radlas.flows.base import Flow, Listing, Plan, Report, StoreConfig
from radlas.progress import WatchedEngine
from radlas.registry import makers
from radlas.terminal import Harmless
from radlas.words import counted, harmless

C = TypeVar("C", bound=StoreConfig)
USAGE = 2  # exit code for wrong use or configuration
_SHOWN = 200  # rows of a plan on a terminal
_AGAIN = "run the same command again: what was finished is stored"
UNSENT = "before you send it, check that it names no patient and no patient's file"
DEFECT = 70  # exit code for a bug: sysexits' EX_SOFTWARE
INTERRUPTED = 130  # exit code after Ctrl-C, as shells give it


def make_engine(spec: str) -> Engine:
    """``serial``, ``local``, ``local:4`` (worker processes) or ``tcp://host:port``.

    Raises:
        ConfigError: The text is none of these.
    """
    kind, _, number = spec.partition(":")
    if spec == "serial":
        return SerialEngine()
    from radlas.engine.dask import DaskEngine  # noqa: PLC0415 - a second that most verbs never need

    if kind == "local" and (not number or (number.isdecimal() and int(number))):
        return DaskEngine(workers=int(number) if number else None)
    if spec.startswith(("tcp://", "tls://", "ws://")):
        return DaskEngine(spec)
    raise ConfigError(
        f"no engine {spec!r}", hint="serial, local, local:4, tcp://host:port or tls://host:port"
    )


def execute(
    flow: Flow[C, Any],
    config: C,
    *,
    engine: str = "local",
    dry_run: bool = False,
    as_json: bool = False,
) -> int:
    """Run a flow, print its report, return the exit code: 0 done, 1 too many troubled cases."""
    if dry_run:
        with apart():
            plan = flow.plan(config)
        if plan.listing is not None and not as_json:
            _print_listing(plan.listing)
        return show(_planned(flow.name, plan), as_json=as_json)
    return show(perform(flow, config, engine=engine), as_json=as_json)


def perform(flow: Flow[C, Any], config: C, *, engine: str = "local") -> Report:
    """Run a flow on an engine, with progress; its report."""
    watched = WatchedEngine(make_engine(engine), flow.name)
    try:
        with apart():
            return flow(config, engine=watched)
    finally:
        watched.close()


def apart() -> AbstractContextManager[object]:
    """What plug-ins print meanwhile goes to stderr, as from a worker: it is no part of the report.

    It is stdout as Python knows it that is turned, not the file: a page may go to ``/dev/stdout``.
    """
    return redirect_stdout(sys.stderr)


def show(report: Report, *, as_json: bool) -> int:
    """Print a report for a person, or as JSON; its exit code."""
    with printing():
        if as_json:
            print(json.dumps(plain(report.data), indent=1, default=str), flush=True)
        else:
            console = Console(highlight=False, soft_wrap=True)
            for line in report.lines:
                console.print(Text(harmless(line), style="bold red" if "!!" in line else ""))
    return report.exit_code


@contextmanager
def printing() -> Iterator[None]:
    """Say what was refused if the output is: the system names no file of it."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or "what is printed"
        raise


def plain(value: Any) -> Any:
    """The same value as JSON has it: null for NaN and infinity, a number for a decimal, lists."""
    if isinstance(value, Decimal):  # a sum of whole numbers is one, too
        return int(value) if value == value.to_integral_value() else float(value)
    if hasattr(value, "tolist"):  # of numpy
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value


def guarded(action: Callable[[], int], *, as_json: bool = False, again: str = _AGAIN) -> int:
    """Run an action; a failure becomes a message and an exit code, with ``--json`` as JSON.

    Expected failures of use, store or study give 2, a lost machine 1, an interrupt 130, 143 or 129.
    Anything else is a defect: it gives 70 and, on a terminal, its traceback.

    Args:
        action: What gives the exit code.
        as_json: Tell a failure as JSON.
        again: What to try after an interrupt.
    """
    try:
        return action()
    except KeyboardInterrupt as wish:
        told = RadlasError("interrupted", hint=again, reason="interrupted")
        code = 128 + wish.number if isinstance(wish, Terminated) else INTERRUPTED
        return _tell(told, as_json=as_json, code=code)
    except (WorkerError, MemoryError) as error:
        hint = "fewer runs at once, or more memory for this one; running again is safe"
        short = WorkerError("out of memory", "", hint, "memory")
        told = error if isinstance(error, WorkerError) else short
        return _tell(told, as_json=as_json, code=1)
    except RadlasError as error:
        return _tell(error, as_json=as_json, code=USAGE)
    except OSError as error:
        return _tell_of_system(error, as_json=as_json)
    except Exception as bug:  # noqa: BLE001 - a defect must not look like "done, with trouble"
        if not as_json:
            Console(stderr=True).print(Harmless(Traceback()))
        hint = f"a defect of {makers(bug)}: please report it; {UNSENT}"
        told = RadlasError(f"{type(bug).__name__}: {bug}", hint=hint)
        return _tell(told, as_json=as_json, code=DEFECT)


def error_data(error: RadlasError) -> dict[str, Any]:
    """What ``--json`` prints of a failure."""
    fields = {"what": error.what, "where": error.where, "try": error.hint}
    return {"error": {"kind": error.kind, "reason": error.reason, **fields}}


def _tell_of_system(error: OSError, *, as_json: bool) -> int:
    if isinstance(error, BrokenPipeError) and _unread():
        return 1  # as Typer and Rich end it
    return _tell(refused(error), as_json=as_json, code=USAGE)


def _unread() -> bool:
    """Whether nobody reads stdout any more, as after ``| head``; the rest for it goes nowhere."""
    try:
        out = sys.stdout.fileno()
    except io.UnsupportedOperation:  # it is a text in memory
        return False
    watch = select.poll()
    watch.register(out, 0)  # an end of a pipe that lost the other is told unasked
    lost = any(state & select.POLLERR for _, state in watch.poll(0))
    if lost:
        os.dup2(os.open(os.devnull, os.O_WRONLY), out)
    return lost


def _tell(error: RadlasError, *, as_json: bool, code: int) -> int:
    if as_json and _printed(json.dumps(error_data(error))):
        return code
    with suppress(OSError):  # the terminal was closed: nobody can be told, and the code is left
        text = Text(f"error: {harmless(str(error))}")
        Console(stderr=True, soft_wrap=True, highlight=False).print(text)
    return code


def _printed(text: str) -> bool:
    """Whether stdout took it: it may be a file on a disk that is full, and the error just that."""
    try:
        print(text, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left for it
        return False
    return True


def run(flow: Flow[C, Any], config_type: type[C]) -> None:
    """The whole of a job: ``python jobs/extract.py jobs/extract.yaml --engine local``."""

    def job(
        config: Annotated[Path, typer.Argument(help="YAML configuration.")],
        store: Annotated[str | None, typer.Option(envvar="RADLAS_STORE")] = None,
        engine: Annotated[str, typer.Option(help="serial, local, tcp://…")] = "local",
        dry_run: Annotated[bool, typer.Option(help="Plan only.")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
    ) -> None:
        def action() -> int:
            overrides = {"store": store} if store else {}
            values = config_type.read(config, overrides)
            return execute(flow, values, engine=engine, dry_run=dry_run, as_json=as_json)

        raise typer.Exit(guarded(action, as_json=as_json))

    job.__doc__ = f"Run `{flow.name}` as configured."
    typer.run(job)


def _print_listing(listing: Listing) -> None:
    table = Table(*listing.columns, box=box.SIMPLE_HEAD, pad_edge=False)
    for column, cell in zip(table.columns, listing.rows[0] if listing.rows else (), strict=False):
        column.justify = "left" if isinstance(cell, str) else "right"
    for row in listing.rows[:_SHOWN]:
        table.add_row(
            *(
                Text(f"{cell:.1f}" if isinstance(cell, float) else harmless(str(cell)))
                for cell in row
            )
        )
    width = None if sys.stdout.isatty() else 160
    console = Console(highlight=False, width=width)
    console.print(table)
    if len(listing.rows) > _SHOWN:
        console.print(f"... and {len(listing.rows) - _SHOWN} more; all of them with --json\n")


def _planned(name: str, plan: Plan[Any]) -> Report:
    known = sum(plan.known.values())
    lines = (
        *plan.notes,
        f"{name} would run {counted(plan.size, 'task')}; refused at the scan: {len(plan.refused)},"
        f" settled already: {known}",
        *(f"  refused: {one.message}" for one in plan.refused if plan.listing is None),
        *((f"  {plan.listing.cost}",) if plan.listing and plan.listing.cost else ()),
    )
    data = {
        "plan": name,
        "tasks": plan.size,
        "refused": [{"reason": one.reason, "message": one.message} for one in plan.refused],
        "settled": dict(plan.known),
        "notes": list(plan.notes),
    }
    if plan.listing is not None:
        data["found"] = [
            dict(zip(plan.listing.columns, row, strict=True)) for row in plan.listing.rows
        ]
        data["cost"] = plan.listing.cost
    return Report(lines, data)
