"""A small server on this machine that speaks the chat and completion protocol, and fails as it is
told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]
Reply = tuple[int, Any] | tuple[int, Any, dict[str, str]]
"""Status, body (JSON, or bytes as they are), headers."""


class Served:
    """What was asked, and where."""

    def __init__(self, answer: Callable[[Body], Reply | str]) -> None:
        self.answer, self.asked, self.keys = answer, list[Body](), list[str | None]()
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        self.url = ""
        self.models: list[Body] = []
        """What ``/v1/models`` lists."""

    def handle(self, path: str, body: Body, key: str | None) -> Reply:
        with self.lock:
            self.asked.append(body | {"path": path})
            self.keys.append(key)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            said = self.answer(body)
        finally:
            with self.lock:
                self.at_once -= 1
        return (
            (200, completion(said, chat=path.endswith("chat/completions")))
            if isinstance(said, str)
            else said
        )


def completion(text: str | None, *, chat: bool = True, finish: str = "stop") -> Body:
    part = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    usage = {"prompt_tokens": 10, "completion_tokens": len((text or "").split())}
    return {"choices": [{"index": 0, "finish_reason": finish, **part}], "usage": usage}


@contextmanager
def serving(answer: Callable[[Body], Reply | str]) -> Iterator[Served]:
    """``answer`` gets each request's body and returns a text, or a whole reply."""
    state = Served(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            status, said, *headers = state.handle(
                self.path, body, self.headers.get("authorization")
            )
            data = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            for name, value in (headers[0] if headers else {}).items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            data = json.dumps({"object": "list", "data": state.models}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
