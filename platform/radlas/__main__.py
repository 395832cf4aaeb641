"""``python -m radlas``, and the command itself.

Little is imported before it runs: every process that a run starts imports this module anew.
"""

import os
import signal
import sys
from types import FrameType
from typing import Any, NoReturn

from radlas.errors import Terminated

_UNBEGUN = b"error: interrupted before anything began\n  try: run the same command again\n"


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated(number)


def _unbegun(number: int, frame: FrameType | None) -> NoReturn:
    """Out of the middle of an import an exception would come as a traceback, or not at all."""
    os.write(2, _UNBEGUN)
    os._exit(128 + number)  # as shells say it


def _in_place_of_closed() -> None:
    """Nothing to read, and nowhere to write, where a stream was closed, as by ``>&-``.

    Python has no object for such a one, and the next file that is opened, perhaps one of the
    store, gets its number: what a library in C or a child prints would go into that.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            number = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(number, True)
            # It takes every sign, as it keeps none.
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", errors="replace"))


def main() -> None:
    """Run the command line."""
    _in_place_of_closed()
    then: dict[int, Any] = {signal.SIGTERM: _terminated}
    then[signal.SIGINT] = signal.getsignal(signal.SIGINT)
    then[signal.SIGHUP] = signal.getsignal(signal.SIGHUP)
    if then[signal.SIGHUP] is not signal.SIG_IGN:  # as it is under nohup
        then[signal.SIGHUP] = _terminated
    for number, handler in then.items():
        if handler is not signal.SIG_IGN:  # as Ctrl-C is in a script's background
            signal.signal(number, _unbegun)
    from radlas.cli import app  # noqa: PLC0415 - a second that a worker need not wait

    for number, handler in then.items():
        signal.signal(number, handler)
    app()


if __name__ == "__main__":
    main()
