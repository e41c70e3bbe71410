"""A double of the hub's API on this machine: repositories, uploads of large files, and commits,
kept in memory."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_double"


class Hub:
    """What was asked of it. ``refuse`` answers every request with that status."""

    def __init__(self) -> None:
        self.address = ""
        self.refuse = 0
        self.created: list[dict[str, Any]] = []
        self.blobs: dict[str, bytes] = {}
        self.files: dict[str, bytes] = {}
        """The repository after its commits."""
        self.commits: list[str] = []


@contextmanager
def hub() -> Iterator[Hub]:
    """A running double."""
    state = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def answer(self, value: Any, status: int = 200) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def body(self) -> bytes:
            if self.headers.get("transfer-encoding") == "chunked":
                parts = []
                while size := int(self.rfile.readline(), 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)
            return self.rfile.read(int(self.headers.get("content-length") or 0))

        def refused(self) -> bool:
            given = self.headers.get("authorization", "")
            status = state.refuse or (
                0 if given == f"Bearer {TOKEN}" or self.command == "PUT" else 401
            )
            if status:
                self.body()
                self.answer({"error": "refused"}, status)
            return bool(status)

        def do_GET(self) -> None:
            if not self.refused():
                self.answer({"id": "ann/model", "sha": "0" * 40, "siblings": [], "private": True})

        def do_PUT(self) -> None:
            state.blobs[self.path.rpartition("/")[2]] = self.body()
            self.answer({})

        def do_POST(self) -> None:
            if self.refused():
                return
            data, path = self.body(), self.path
            if path == "/api/repos/create":
                state.created.append(json.loads(data))
                self.answer({"url": f"{state.address}/ann/model", "name": "ann/model", "id": "1"})
            elif path.endswith("/preupload/main"):
                files = [
                    {**one, "uploadMode": mode(one["path"]), "shouldIgnore": False}
                    for one in json.loads(data)["files"]
                ]
                self.answer({"files": files})
            elif path.endswith("/info/lfs/objects/batch"):
                objects = [
                    {
                        **one,
                        "actions": {
                            "upload": {"href": f"{state.address}/lfs/{one['oid']}", "header": {}}
                        },
                    }
                    for one in json.loads(data)["objects"]
                ]
                self.answer({"transfer": "basic", "objects": objects})
            elif "/commit/" in path:
                self.commit([json.loads(line) for line in data.splitlines()])
            else:
                self.answer({"errors": [], "warnings": []})

        def commit(self, rows: list[dict[str, Any]]) -> None:
            for row in rows:
                value = row["value"]
                if row["key"] == "header":
                    state.commits.append(value["summary"])
                elif row["key"] == "file":
                    state.files[value["path"]] = base64.b64decode(value["content"])
                elif row["key"] == "lfsFile":
                    state.files[value["path"]] = state.blobs[value["oid"]]
            url = f"{state.address}/ann/model/commit/{'1' * 40}"
            self.answer({"success": True, "commitOid": "1" * 40, "commitUrl": url})

    def mode(path: str) -> str:
        return "lfs" if path.endswith(".safetensors") else "regular"

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.address = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield state
    server.shutdown()
