"""A webhook and a mail server on loopback that speak the real protocols and remember what came."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Webhook:
    """Answers ``status`` to every POST; ``got`` holds the JSON bodies of those it accepted."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.status = 200
        double = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if double.status == 200:
                    double.got.append(json.loads(body))
                self.send_response(double.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"json://127.0.0.1:{self.server.server_address[1]}/hook"


@contextmanager
def webhook() -> Iterator[Webhook]:
    double = Webhook()
    thread = threading.Thread(target=double.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield double
    finally:
        double.server.shutdown()
        double.server.server_close()


class Mailbox:
    """An ``aiosmtpd`` handler that keeps every message."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    async def handle_DATA(  # noqa: N802 -- aiosmtpd calls it so
        self, server: object, session: object, envelope: Any
    ) -> str:
        self.messages.append(envelope.content.decode())
        return "250 kept"
