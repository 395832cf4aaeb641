"""``python -m radlas``, and the command itself.

Little is imported before it runs: every process that a run starts imports this module anew.
"""

import signal
from types import FrameType

from radlas.errors import Terminated


def _terminated(number: int, frame: FrameType | None) -> None:
    raise Terminated


def main() -> None:
    """Run the command line."""
    signal.signal(signal.SIGTERM, _terminated)
    from radlas.cli import app  # noqa: PLC0415 - a second that a worker need not wait

    app()


if __name__ == "__main__":
    main()
