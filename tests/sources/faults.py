"""A web server over a folder with the faults that a test asks for; everything else about it is real."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Fault = Callable[["Request", bytes], None]


class FaultyServer(ThreadingHTTPServer):
    """Serves `root` with ranges and ETags. `faults` maps the end of a path to faults, one used up by each request."""

    daemon_threads = True

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.root = root
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.faults: dict[str, list[Fault]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.sent = 0
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that hangs up is what half of the tests are for

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]


class Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultyServer

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers)))
        file = self.server.root / self.path.partition("?")[0].lstrip("/")
        if not file.is_file():
            return self.answer(404, b"not here")
        body = file.read_bytes()
        for end, faults in self.server.faults.items():
            if self.path.partition("?")[0].endswith(end) and faults:
                return faults.pop(0)(self, body)
        self.whole(body)

    def whole(self, body: bytes, upto: int | None = None) -> None:
        """The body or the part of it that is asked for; only the first `upto` bytes of that, then the line is cut."""
        tag = f'"{hashlib.md5(body).hexdigest()}"'
        start, asked = 0, self.headers.get("Range", "")
        if asked.startswith("bytes=") and self.headers.get("If-Range", tag) == tag:
            start = int(asked.removeprefix("bytes=").partition("-")[0])
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("ETag", tag)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        piece = body[start:][:upto]
        self.wfile.write(piece)
        self.server.sent += len(piece)
        if upto is not None:
            self.close_connection = True

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def cut(upto: int) -> Fault:
    return lambda request, body: request.whole(body, upto)


def status(code: int, **headers: str) -> Fault:
    return lambda request, body: request.answer(code, b"", **headers)


def other(body: bytes) -> Fault:
    return lambda request, _: request.answer(200, body)


def drip(head: bytes, endless: bytes) -> Fault:
    """`head`, and then a byte of `endless` every so often, without end."""

    def fault(request: Request, body: bytes) -> None:
        request.wfile.write(head)
        for byte in endless * 100_000:
            request.wfile.write(bytes([byte]))
            time.sleep(0.02)

    return fault


def raw(content: bytes) -> Fault:
    def fault(request: Request, body: bytes) -> None:
        request.wfile.write(content)
        request.close_connection = True

    return fault
