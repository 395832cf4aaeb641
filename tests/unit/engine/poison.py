"""Work that goes wrong in the ways real work does; importable, because workers import it."""

from __future__ import annotations

import os
import signal
import time

from radlas.reasons import data_error


def work(task: int) -> int:
    if task == 3:
        os.kill(os.getpid(), signal.SIGSEGV)
    if task == 5:
        time.sleep(60)
    if task == 7:
        raise data_error("empty_mask", "no voxel")
    if task == 9:
        raise ValueError("surprise")
    return task * task
