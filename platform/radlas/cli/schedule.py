"""Rounds of retraining again and again, each in a process of its own, until somebody stops it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from radlas.cli.app import EngineOption, InsteadOption, JsonOption
from radlas.entry import USAGE, error_data, guarded, make_engine
from radlas.errors import ConfigError, RadlasError, refused
from radlas.flows.schedule import Schedule, parse_schedule

_NAP = 30.0  # longest sleep [s]: a machine that was suspended looks at its clock soon after


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""
    app.command("schedule")(schedule_)


def schedule_(
    config: Annotated[Path, typer.Argument(help="YAML of `radlas retrain`.")],
    every: Annotated[str, typer.Option(help="30m, 6h, 1d or 2w, from start to start.")],
    at: Annotated[
        str | None, typer.Option(help="HH:MM on this machine's clock [start now].")
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many rounds [never].")
    ] = None,
    store: InsteadOption = None,
    engine: EngineOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Run `radlas retrain --once` at intervals.

    Where neither cron nor systemd does it. A round that fails is told, and the next one comes all
    the same; one that was missed is not caught up. SIGTERM ends the round that runs, and then this.
    Exit code: the highest of all rounds. With --json one line for each.
    """

    def action() -> int:
        from radlas.flows.retrain import RetrainConfig, read_study

        if at == "":  # of a variable that is not set: it would start now
            raise ConfigError("--at is empty", hint="as 02:30; to start now leave --at out")
        plan = parse_schedule(every, at or "")
        read = RetrainConfig.read(config, {} if store is None else {"store": store})
        read_study(read)  # wrong today is wrong at night: say so while somebody looks
        make_engine(engine)  # it starts nothing
        words = ["retrain", str(config), "--once", "--store", read.store, "--engine", engine]
        with _stoppable() as stop:
            return _repeat(plan, words, rounds, stop, as_json=as_json)

    raise typer.Exit(guarded(action, as_json=as_json))


class _Stopped(Exception):  # noqa: N818 - a wish, no error
    """SIGTERM came while no round was running."""


class _Stop:
    """What SIGTERM does: a round that runs ends first, as after Ctrl-C, and stores what it has."""

    def __init__(self) -> None:
        self.asked = self.busy = False
        self.child: subprocess.Popen[str] | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        if not self.busy:
            raise _Stopped
        self.pass_on()

    @contextmanager
    def put_off(self) -> Iterator[None]:
        """Until a round has ended and was told."""
        self.busy = True
        try:
            yield
        finally:
            self.busy = False

    def pass_on(self) -> None:
        """Tell the round, if there was a wish and it has begun."""
        if self.asked and self.child is not None:
            self.child.terminate()


@contextmanager
def _stoppable() -> Iterator[_Stop]:
    stop = _Stop()
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGTERM, before)


def _repeat(
    plan: Schedule, words: list[str], rounds: int | None, stop: _Stop, *, as_json: bool
) -> int:
    codes, due = [0], None
    try:
        while not stop.asked and (rounds is None or len(codes) <= rounds):
            # An interval is no matter of the clocks on the wall, which are put on and back.
            due = plan.due(datetime.now(None if plan.at else UTC), due)
            _wait(due, as_json=as_json)
            with stop.put_off():
                told = {"round": len(codes), **_round(words, stop, as_json=as_json)}
                codes.append(told["exit_code"])
                _say(told, as_json=as_json)
    except _Stopped:
        pass
    return max(codes)


def _wait(due: datetime, *, as_json: bool) -> None:
    left = due.timestamp() - time.time()
    if left > 0 and not as_json:
        _print(f"schedule: next round at {due.astimezone():%Y-%m-%d %H:%M}")
    while left > 0:
        nap = min(left, _NAP)
        time.sleep(nap)
        # No longer than it was at first, though the clock is put back by a month.
        left = min(left - nap, due.timestamp() - time.time())


def _round(words: list[str], stop: _Stop, *, as_json: bool) -> dict[str, Any]:
    """One round in a process of its own, so that neither memory nor a crash is handed on."""
    begun, since = datetime.now(UTC), time.monotonic()
    # -P: not a module of the folder we stand in that is called like one of Python's.
    command = [sys.executable, "-P", "-m", "radlas", *words, *(["--json"] if as_json else [])]
    code, out = _ended(command, stop, as_json=as_json)
    told = {"at": begun.isoformat(timespec="seconds"), "exit_code": code}
    told["seconds"] = round(time.monotonic() - since, 1)
    return told | ({"report": _parsed(out)} if as_json else {})


def _ended(command: list[str], stop: _Stop, *, as_json: bool) -> tuple[int, str]:
    """The exit code of a round, and with ``as_json`` what it printed."""
    stdout = subprocess.PIPE if as_json else None
    try:
        child = stop.child = subprocess.Popen(command, stdout=stdout, text=True)  # noqa: S603 - ours
        stop.pass_on()
        out, _ = child.communicate()
    except OSError as error:
        if stop.child is not None:
            raise
        # No memory for it, or too many processes: perhaps not so at the next.
        return USAGE, _unbegun(refused(error), as_json=as_json)
    finally:
        if stop.child is not None:
            stop.child.wait()  # after Ctrl-C, which it got too: it is storing what is finished
        stop.child = None
    # A signal's number as shells say it.
    return child.returncode if child.returncode >= 0 else 128 - child.returncode, out


def _unbegun(error: RadlasError, *, as_json: bool) -> str:
    """What a round that could not begin would have printed of it on stdout; without data stderr."""
    if as_json:
        return json.dumps(error_data(error))
    with suppress(OSError):
        print(f"error: {error}", file=sys.stderr, flush=True)
    return ""


def _parsed(text: str) -> Any:
    """What a round printed; None if it was killed in the middle of it."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def _say(told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        _print(json.dumps(told))
        return
    line = f"schedule: round {told['round']} of {told['at']} ended with exit code"
    _print(f"{line} {told['exit_code']} after {told['seconds']:.0f} s")


def _print(line: str) -> None:
    """Where the log's disk is full, the next round comes all the same, and the line with it."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        raise  # nobody reads, and nobody will
    except OSError as error:
        with suppress(OSError):  # it may lie on the same disk: the exit code is left
            print(f"schedule: stdout: {error.strerror}", file=sys.stderr, flush=True)
