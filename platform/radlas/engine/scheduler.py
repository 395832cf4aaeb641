"""A Dask scheduler that is reached: whether one listens there, and has workers fit for work."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from distributed import Client, LocalCluster
from distributed.client import ClosedClientError
from distributed.comm.addressing import get_address_host_port
from distributed.comm.core import connect
from distributed.security import Security

from radlas.errors import ConfigError, WorkerError

_CONNECT_TIMEOUT = 10  # [s]


def connected(target: LocalCluster | str | None, name: str) -> Client:
    """A client of a scheduler whose workers are fit for work.

    Raises:
        ConfigError: Nobody answers or can be asked, there is no worker, or workers lack this radlas
            or may not have a child.
        WorkerError: The scheduler was lost meanwhile.
    """
    try:
        if isinstance(target, str):
            _check_address(target)
            _greet(target)
        client = Client(target, timeout=_CONNECT_TIMEOUT)
    except OSError as error:
        raise ConfigError(
            f"no Dask scheduler answers: {error}", name, "start one: dask scheduler"
        ) from None
    with ExitStack() as if_refused:
        if_refused.callback(client.close)
        with scheduler_there():
            _check_workers(client, name)
        if_refused.pop_all()
    return client


def _check_address(address: str) -> None:
    """A client that fails to ask is left half made by Dask, with a thread that nobody ends.

    Raises:
        ConfigError: There is no port, or no certificate where traffic is to be encrypted.
        OSError: The certificate cannot be read.
    """
    encryption, by_tls = Security().get_connection_args("client"), address.startswith("tls://")
    lack = ""
    try:
        get_address_host_port(address, strict=True)
    except ValueError as error:
        lack = str(error)
    if by_tls and not encryption["ssl_context"]:
        lack = "no certificate for TLS in Dask's configuration"
    if encryption["require_encryption"] and not by_tls:
        lack = "encryption required by Dask's configuration"
    if lack:
        hint = "tcp://host:8786; or tls://host:8786, with certificates in Dask's configuration"
        raise ConfigError(f"no Dask scheduler can be reached there: {lack}", address, hint)


def _greet(address: str) -> None:
    """Exchange a first word with a scheduler: a client waits for it for ever.

    Raises:
        ConfigError: Whoever listens there says nothing, or what no scheduler says.
        OSError: Nobody listens there, or hangs up.
    """

    async def exchange() -> None:
        encryption = Security().get_connection_args("client")
        async with asyncio.timeout(2 * _CONNECT_TIMEOUT):  # half of it for who listens to nobody
            comm = await connect(address, timeout=_CONNECT_TIMEOUT, **encryption)
        await comm.close()

    try:
        with ThreadPoolExecutor(1) as apart:  # a notebook has a loop in its own thread
            apart.submit(asyncio.run, exchange()).result()
    except Exception as error:
        if isinstance(error, OSError) and not isinstance(error, TimeoutError):
            raise
        # Of other bytes it fails in many ways: it takes some for the length of what follows.
        raise ConfigError(
            "what listens there does not answer as a Dask scheduler does",
            address,
            "look at host and port: a scheduler says its own when it starts, as tcp://host:8786",
        ) from error


def _check_workers(client: Client, name: str) -> None:
    """Wait for workers, and ask them.

    Raises:
        ConfigError: None came, or some lack this radlas or may not have a child.
    """
    try:
        client.wait_for_workers(1, timeout=30)
    except TimeoutError:
        raise ConfigError("no worker came within 30 s", name, "start some: dask worker") from None
    told = client.run(_is_daemon, on_error="return")
    errors = {where: one for where, one in told.items() if isinstance(one, Exception)}
    for where, error in errors.items():
        if not isinstance(error, OSError):  # one that is lost for a moment comes back
            raise ConfigError(
                f"the worker at {where} cannot open what it is sent: {error}",
                name,
                "give all workers the same radlas as the machine that asks; then run again",
            )
    if any(answer is True for answer in told.values()):
        raise ConfigError(
            "the workers are daemons, which may have no child process",
            name,
            "start them with DASK_DISTRIBUTED__WORKER__DAEMON=False",
        )


def _is_daemon() -> bool:
    return multiprocessing.current_process().daemon


@contextmanager
def scheduler_there() -> Iterator[None]:
    """What Dask raises of a scheduler that it has lost, told as that.

    Raises:
        WorkerError: The scheduler is gone, and with it everything that was not finished.
    """
    try:
        yield
    except (CancelledError, ClosedClientError, OSError):  # their texts name sockets and keys
        raise scheduler_lost() from None


def scheduler_lost() -> WorkerError:
    """The error of a run whose scheduler is gone."""
    hint = "run the same command again: what was finished is stored"
    return WorkerError("the scheduler was lost", hint=hint, reason="scheduler_lost")
