"""An object storage that speaks S3: asked with patience, its refusals told in words.

Where and who is said by the usual variables: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
AWS_REGION, AWS_ENDPOINT_URL.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import S3Store

from radlas.errors import ConfigError, StoreError
from radlas.places.answers import AWAY, again_if_cut, is_unsettled, unusable

T = TypeVar("T")
_REFUSED = (AlreadyExistsError, PreconditionError)
_LONGEST = 30  # that one answer is waited for [s]
_LARGE = 4 << 20  # bytes that may take longer than that to be sent
_SENDING = timedelta(minutes=10)  # that they are waited for
# Until a server has answered once: an address that is wrong is told at once.
_RETRIES: Any = {"max_retries": 4, "retry_timeout": timedelta(seconds=_LONGEST)}
# Then: one that says "slow down", or is started anew, is back in seconds, and a run takes hours.
_PATIENT: Any = {
    "max_retries": 20,
    "retry_timeout": timedelta(seconds=_LONGEST),
    "backoff": {
        "init_backoff": timedelta(milliseconds=200),
        "max_backoff": timedelta(seconds=5),
        "base": 3,
    },
}
_PATIENT_LOG = {
    "max_retries": "20",
    "retry_timeout": f"{_LONGEST}s",
    "backoff_config.init_backoff": "200ms",
    "backoff_config.max_backoff": "5s",
    "backoff_config.base": "3",
}
_WRONG = (
    "look at AWS_ENDPOINT_URL, its http or https too, AWS_REGION, AWS_ACCESS_KEY_ID and the key's"
    " rights"
)


class Objects:
    """The objects below a prefix of a bucket.

    All methods raise StoreError, ``bucket``, where the server does not do what it is asked, and
    FileNotFoundError for an object that is not there.

    Args:
        url: ``s3://bucket/prefix``.
        known: Its server has answered before, and is waited for if it does not.
    """

    def __init__(self, url: str, known: bool = False) -> None:
        self.url, self.known = url, known

    def read(self, name: str) -> bytes:
        """An object's bytes."""
        return self._ask(lambda: bytes(obstore.get(self._objects, name).bytes()))

    def read_tagged(self, name: str) -> tuple[bytes, str]:
        """An object's bytes, and the tag that names this state of it."""

        def tagged() -> tuple[bytes, str]:
            found = obstore.get(self._objects, name)
            return bytes(found.bytes()), str(found.meta["e_tag"])

        return self._ask(tagged)

    def stream(self, name: str, take: Callable[[Iterable[bytes]], T]) -> T:
        """What is made of an object's bytes, piece by piece; begun anew if an answer breaks off."""
        return self._ask(lambda: take(obstore.get(self._objects, name).stream()))

    def tags(self, prefix: str | None) -> dict[str, str]:
        """Every object whose name begins so, and its state: its tag and how many bytes."""
        found = self._ask(lambda: obstore.list(self._objects, prefix).collect())
        return {one["path"]: f"{one['e_tag']} {one['size']}" for one in found}

    def times(self, prefix: str) -> dict[str, datetime]:
        """Every object whose name begins so, and when it was written, by the server's clock."""
        found = self._ask(lambda: obstore.list(self._objects, prefix).collect())
        return {one["path"]: one["last_modified"] for one in found}

    def size(self, name: str) -> int:
        """An object's bytes, counted."""
        return int(self._ask(lambda: obstore.head(self._objects, name))["size"])

    def written(self, name: str) -> datetime:
        """When an object was written, by the server's clock."""
        found: datetime = self._ask(lambda: obstore.head(self._objects, name))["last_modified"]
        return found

    def remove(self, name: str) -> None:
        """Remove an object."""
        self._ask(lambda: obstore.delete(self._objects, name))

    def upload(self, file: Path, name: str) -> None:
        """Write a file of this machine to an object."""
        self._ask(lambda: obstore.put(self._objects, name, file))

    def put(self, name: str, data: bytes, mode: Any) -> None:
        """Write an object.

        Args:
            name: Of the object.
            data: Its bytes.
            mode: ``create``, ``overwrite``, or ``{"e_tag": tag}`` for one that is in that state.

        Raises:
            FileExistsError: It is there already, or in another state.
        """
        try:
            self._ask(lambda: obstore.put(self._taking(len(data)), name, data, mode=mode))
        except _REFUSED as error:
            if not self._holds(name, data):
                raise FileExistsError(name) from error
        except FileNotFoundError as error:
            raise self._without_bucket() from error

    def at(self, name: str, patience: timedelta = timedelta(seconds=_LONGEST)) -> Any:
        """The store of obstore for what lies below a folder, or for all if that is empty."""
        _check_endpoint()
        bucket, _, prefix = self.url.partition("://")[2].partition("/")
        below = "/".join(part for part in (prefix, name) if part)
        return S3Store(
            bucket,
            prefix=below or None,
            client_options={"allow_http": _is_plain(), "timeout": patience},
            retry_config=_PATIENT if self.known else _RETRIES,
        )

    @cached_property
    def _objects(self) -> Any:
        return self.at("")

    def _taking(self, size: int) -> Any:
        """Where so many bytes are written: what is made once cannot be sent in pieces."""
        return self._objects if size < _LARGE else self.at("", _SENDING)

    def _holds(self, name: str, data: bytes) -> bool:
        """Whether an object is what was to be written: the answer to a first try was lost then."""
        try:
            return self.read(name) == data
        except FileNotFoundError:
            return False

    def _ask(self, question: Callable[[], T]) -> T:
        """An answer of the server; what went wrong otherwise, in words."""
        try:
            answer = again_if_cut(question)
            if not self.known:
                self.known = True
                self.__dict__.pop("_objects", None)  # the next is made for patience
            return answer
        except (FileNotFoundError, BaseError) as error:
            if isinstance(error, _REFUSED) and not is_unsettled(error):
                raise
            if "NoSuchBucket" in str(error):
                raise self._without_bucket() from error
            if isinstance(error, FileNotFoundError):  # it tells the server's whole answer
                said = str(error).partition(": Error")[0]
                raise FileNotFoundError(errno.ENOENT, said) from error
            raise unusable(str(error), self.url, AWAY if self.known else _WRONG) from error

    def _without_bucket(self) -> StoreError:
        hint = "make it first, or look at AWS_ENDPOINT_URL"
        if self.known:
            hint = "it was there before: ask who removed it"
        return StoreError(
            "the bucket cannot be used: there is no such bucket", self.url, hint, "bucket"
        )


def delta_options() -> dict[str, str]:
    """The same patience for deltalake, which has a client of its own."""
    return _PATIENT_LOG | ({"AWS_ALLOW_HTTP": "true"} if _is_plain() else {})


def _is_plain() -> bool:
    """Whether the server is spoken to without encryption, as its address says."""
    return os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")


def _check_endpoint() -> None:
    """The library dies of an address that is none."""
    found = os.environ.get("AWS_ENDPOINT_URL")
    if found is not None and not re.match(r"https?://[^/\s]+", found):
        raise ConfigError(f"no address of a server: {found!r}", "AWS_ENDPOINT_URL", "https://…")
