"""A real chat server for the tests: its own process over a home with two small random
checkpoints."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import httpx

from sentinel_pipeline.chat.guard import SWITCH
from sentinel_pipeline.review.database import Database, database_url
from sentinel_pipeline.review.review_queue import ReviewQueue
from sentinel_pipeline.review.users import add_user
from sentinel_pipeline.store import Home
from sentinel_pipeline_tests.chat.material import (
    add_checkpoint,
    add_probe,
    license_scorers,
    write_model,
)
from sentinel_pipeline_tests.conftest import ROOT
from sentinel_pipeline_tests.web.server import Client, free_port


class ChatServer:
    """``tiny/sft`` has passed its format probe; ``tiny/dpo`` was never asked."""

    def __init__(self, home: Home, folder: Path, **model: Any) -> None:
        self.home, self.port = home, free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        add_checkpoint(home, "tiny", "sft", write_model(folder / "sft", **model))
        add_checkpoint(home, "tiny", "dpo", write_model(folder / "dpo", seed=9, **model))
        add_probe(home, "tiny", "sft", 40)
        license_scorers(home)
        self.desk = ReviewQueue(db=Database(database_url(home.review)))
        self.token = add_user(self.desk, "ann", "lead")
        self.child: subprocess.Popen[bytes] | None = None

    def start(self, *options: str, switch: str | None = "0") -> ChatServer:
        env = {key: value for key, value in os.environ.items() if key != SWITCH}
        env |= {
            "SENTINEL_HOME": str(self.home.root),
            **({SWITCH: switch} if switch is not None else {}),
        }
        command = [
            sys.executable,
            "-m",
            "sentinel_pipeline.web.chat",
            f"--port={self.port}",
            *options,
        ]
        with (self.home.root / "chat.log").open("ab") as log:
            self.child = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"{self.address}/healthz", timeout=5)
                return self
            except OSError:
                assert self.child.poll() is None and time.monotonic() < deadline, self.log()
                time.sleep(0.05)

    def stop(self) -> None:
        if self.child is not None:
            self.child.kill()
            self.child.wait(timeout=60)

    def log(self) -> str:
        return (self.home.root / "chat.log").read_text(errors="replace")

    def person(self) -> Client:
        return Client(self.address, self.token)

    def api(self, key: str | None = None) -> httpx.Client:
        headers = {"authorization": f"Bearer {key or self.token}"}
        return httpx.Client(base_url=f"{self.address}/v1", headers=headers, timeout=300)
