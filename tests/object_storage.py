"""moto's server with three buckets: ``radlas``, and two that ignore what a write depends on.

``careless`` takes a file twice, and ``forgetful`` one that was changed since.

Prints its address, and ends when its standard input does. After a request of ``/cut/3`` the third
answer from then breaks off in the middle; after one of ``/busy/3`` the next three writes are in
conflict with another one, as S3 has it.
"""

from __future__ import annotations

import socket
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server


class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"  # a connection serves many requests

    def log_request(self, *_: object) -> None:
        pass


class Server:
    """moto; in two buckets as if it did not know conditional writes."""

    def __init__(self) -> None:
        self._moto = create_backend_app("s3")  # moto's dispatcher seeks the service every time
        self._left = self._busy = 0

    def __call__(self, request: dict[str, Any], answer: Callable[..., Any]) -> Iterable[bytes]:
        if request["PATH_INFO"].startswith("/cut/"):
            self._left = int(request["PATH_INFO"].removeprefix("/cut/"))
            answer("204 No Content", [])
            return []
        if request["PATH_INFO"].startswith("/busy/"):
            self._busy = int(request["PATH_INFO"].removeprefix("/busy/"))
            answer("204 No Content", [])
            return []
        if request["REQUEST_METHOD"] == "PUT" and self._busy:
            self._busy -= 1
            return self._conflict(request, answer)
        self._left -= 1
        if self._left == 0:
            return self._half(request)
        if request["PATH_INFO"].startswith("/careless/"):
            request.pop("HTTP_IF_NONE_MATCH", None)
        if request["PATH_INFO"].startswith("/forgetful/"):
            request.pop("HTTP_IF_MATCH", None)
        found: Iterable[bytes] = self._moto(request, answer)
        return found

    def _conflict(self, request: dict[str, Any], answer: Callable[..., Any]) -> Iterable[bytes]:
        """Do nothing, and say that somebody is at it."""
        request["wsgi.input"].read(int(request.get("CONTENT_LENGTH") or 0))
        told = b"<Code>ConditionalRequestConflict</Code><Message>Try again.</Message>"
        body = b"<Error>" + told + b"</Error>"
        answer("409 Conflict", [("Content-Length", str(len(body)))])
        return [body]

    def _half(self, request: dict[str, Any]) -> Iterable[bytes]:
        """Do it, and end the connection while it is told."""
        begun: list[Any] = []
        body = b"".join(self._moto(request, lambda *told: begun.append(told)))
        status, headers = begun[0]
        head = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers), "\r\n"]
        line: socket.socket = request["werkzeug.socket"]
        line.sendall("\r\n".join(head).encode() + body[: len(body) // 2])
        line.shutdown(socket.SHUT_RDWR)
        return [b""]


def main() -> None:
    server = make_server("127.0.0.1", 0, Server(), threaded=True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    for bucket in ("radlas", "careless", "forgetful"):
        make = urllib.request.Request(f"{url}/{bucket}", method="PUT")  # noqa: S310
        urllib.request.urlopen(make).close()  # noqa: S310 - the server above
    print(url, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
