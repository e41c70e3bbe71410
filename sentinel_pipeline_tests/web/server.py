"""A real review server for the tests: its own process, home and database, killed without mercy."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import httpx
import psutil

from sentinel_pipeline.review.database import Database
from sentinel_pipeline.review.review_queue import ReviewQueue
from sentinel_pipeline.review.users import add_user
from sentinel_pipeline_tests.conftest import ROOT


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """``python -m sentinel_pipeline.web`` on a database; ``start`` again after ``kill``."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.url = f"sqlite:///{folder / 'review.sqlite'}"
        self.desk = ReviewQueue(db=Database(self.url))
        self.port, self._options, self._folder = free_port(), options, folder
        self.address = f"http://127.0.0.1:{self.port}"
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> Server:
        command = [
            sys.executable,
            "-m",
            "sentinel_pipeline.web",
            f"--port={self.port}",
            *self._options,
        ]
        env = {**os.environ, "SENTINEL_DATABASE_URL": self.url, "SENTINEL_HOME": str(self._folder)}
        with (self._folder / "server.log").open("ab") as log:
            self._child = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"{self.address}/healthz", timeout=5)
                return self
            except OSError:
                assert self._child.poll() is None and time.monotonic() < deadline, self.log()
                time.sleep(0.05)

    def kill(self) -> None:
        assert self._child is not None
        self._child.send_signal(signal.SIGKILL)
        self._child.wait(timeout=60)

    @property
    def pid(self) -> int:
        assert self._child is not None
        return self._child.pid

    def cpu_seconds(self) -> float:
        """Processor time of the server so far."""
        assert self._child is not None
        times = psutil.Process(self._child.pid).cpu_times()
        return float(times.user + times.system)

    def log(self) -> str:
        return (self._folder / "server.log").read_text(errors="replace")

    def user(self, name: str, role: Any = "reviewer") -> str:
        return add_user(self.desk, name, role)


class Client:
    """A person at the server, logged in."""

    def __init__(self, address: str, token: str) -> None:
        self.http = httpx.Client(base_url=address, timeout=120)
        answer = self.http.post("/login", data={"token": token})
        assert answer.status_code == 303, answer.text
        page = self.http.get("/").text
        self.csrf = page.partition('data-csrf="')[2].partition('"')[0]

    def post(self, name: str, **fields: Any) -> httpx.Response:
        return self.http.post(f"/api/{name}", json=fields, headers={"x-csrf-token": self.csrf})
