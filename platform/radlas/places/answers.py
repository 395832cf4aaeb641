"""Answers of an object storage that break off in the middle, never come, or settle nothing."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TypeVar

from radlas.errors import StoreError

T = TypeVar("T")
AWAY = "run the same command again: what was finished is stored; if it stays so, look at the server"
_RIGHTS = "renew the credentials, or give the key its rights; then run the same command again"
# What S3 and its likes call it, where the answer lies not with the server but with who asks.
_OURS = {
    "AccessDenied": _RIGHTS,
    "ExpiredToken": _RIGHTS,
    "InvalidAccessKeyId": _RIGHTS,
    "InvalidToken": _RIGHTS,
    "QuotaExceeded": "make room in the bucket; then run the same command again",
    "RequestTimeTooSkewed": "put this machine's clock right; then run the same command again",
    "SignatureDoesNotMatch": _RIGHTS,
    "TokenRefreshRequired": _RIGHTS,
    "XMinioStorageFull": "make room on the server; then run the same command again",
}
# What libraries call it where no answer came: what it means, and what to try.
_UNMET = {
    "UnknownIssuer|CaUsedAsEndEntity": (
        "its certificate is signed by none whom this machine trusts",
        "add its authority's certificate to the system's, or name the file by SSL_CERT_FILE",
    ),
    "ExpiredContext|certificate expired": (
        "its certificate has expired",
        "have the server's certificate renewed; or put this machine's clock right",
    ),
    "NotValidYet|certificate not valid yet": (
        "its certificate is not valid yet",
        "put this machine's clock right",
    ),
    "NotValidForName|not valid for": (
        "its certificate is of another host",
        "name the server in AWS_ENDPOINT_URL as its certificate does",
    ),
    "InvalidContentType": (
        "it speaks no TLS",
        "http:// in AWS_ENDPOINT_URL, if the network may see all; or its port for TLS",
    ),
    "ConnectionReset|reset by peer": ("it ended the connection", ""),
    "ConnectionRefused|Connection refused": ("nobody listens there", ""),
    "failed to lookup address": ("no such host is known", ""),
    # Where clouds give credentials to their machines; asked if no variable holds any.
    r"169\.254\.169\.254": (
        "no credentials are set",
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    ),
    "Missing (AccessKeyId|SecretAccessKey)": (
        "half of the credentials is not set",
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    ),
}
_REFUSED = re.compile(r"\b40[13] (Unauthorized|Forbidden)")  # where an answer has no body
_BUSY = re.compile(r"\b(429|50[0234]) [A-Z]")  # it has heard who asks, and for what
# What S3 calls a conflict that says nothing of who wins, and is to be asked again.
_UNSETTLED = ("ConditionalRequestConflict", "OperationAborted")
_PAUSES = (0.2, 1.0, 5.0)  # before an answer that broke off is asked for again [s]


def again_if_cut(question: Callable[[], T]) -> T:
    """The answer to a question that is asked again if its connection breaks in the middle.

    Libraries ask again for what was not answered, and give up a list of which half arrived. And
    they take for refused what a server could not settle just now.
    """
    for pause in _PAUSES:
        try:
            return question()
        except Exception as error:  # each library has its own
            if not (is_cut(error) or is_unsettled(error)):
                raise
        time.sleep(pause)
    return question()


def is_cut(error: Exception) -> bool:
    """Whether a server's answer broke off in the middle."""
    return "response body" in str(error)


def is_unsettled(error: Exception) -> bool:
    """Whether a server was at another write of the same file: it may be a first try of ours."""
    return any(code in str(error) for code in _UNSETTLED)


def unusable(answer: str, where: str, hint: str = AWAY) -> StoreError:
    """The error of a server that does not do what it is asked.

    Args:
        answer: What a library tells of it: what was asked, and the server's own words as XML, of
            which its status says nothing: a key that expired is a bad request.
        where: The place.
        hint: What to try, unless the server's words say it.
    """
    said = re.split(r"<|\n", answer)[0].strip(" :")
    code, message = (_word(answer, name) for name in ("Code", "Message"))
    unmet, remedy = ("", "") if code else _unmet(answer)
    if _REFUSED.search(said) and not remedy:
        remedy = _RIGHTS
    if _BUSY.search(said) and not remedy:
        remedy = AWAY
    words = ": ".join(filter(None, (said, code, message.rstrip("."), unmet)))
    hint = _OURS.get(code) or remedy or hint
    return StoreError(f"the bucket cannot be used: {words}", where, hint, "bucket")


def _unmet(answer: str) -> tuple[str, str]:
    """Why there is no answer, and what to try, as far as a library's words tell."""
    found = (told for name, told in _UNMET.items() if re.search(name, answer))
    return next(found, ("", ""))


def _word(answer: str, name: str) -> str:
    found = re.search(f"<{name}>([^<]*)</{name}>", answer)
    return " ".join(found[1].split()) if found else ""
