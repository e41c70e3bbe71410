"""``sentinel ui``: nothing starts where a port is taken, everything answers, and everything ends
with it, however it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from sentinel_pipeline.cli.ui import Child, _check_ports
from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.store import Home
from sentinel_pipeline_tests.conftest import ROOT
from sentinel_pipeline_tests.web.server import free_port

NAMES = ("port", "front-port", "review-port", "chat-port")


class Ui:
    """The command in its own process, on free ports."""

    def __init__(self, home: Home, log: Path) -> None:
        self.ports = {name: free_port() for name in NAMES}
        run = "from sentinel_pipeline.cli import main; main()"
        options = [f"--{name}={port}" for name, port in self.ports.items()]
        env = {**os.environ, "PYTHONPATH": str(ROOT), "SENTINEL_WEB_CHAT_DISABLED": "0"}
        self.log = log
        with log.open("wb") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-c", run, "ui", *options],
                cwd=ROOT,
                env=env,
                stdout=stream,
                stderr=stream,
            )

    def get(self, name: str, path: str = "/") -> str:
        url = f"http://127.0.0.1:{self.ports[name]}{path}"
        body: bytes = urllib.request.urlopen(url, timeout=30).read()
        return body.decode()

    def wait(self, name: str, path: str) -> None:
        def up() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            try:
                return bool(self.get(name, path))
            except OSError:
                return False

        until(up)


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 240
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.3)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_everything_answers_and_ends_with_the_command(
    home: Home, tmp_path: Path, end: signal.Signals
) -> None:
    ui = Ui(home, tmp_path / "ui.log")
    try:
        for name in NAMES[1:]:
            ui.wait(name, "/healthz")
        ui.wait("port", "/server_info")
        page = ui.get("front-port")
        for name in ("port", "review-port", "chat-port"):
            assert f"http://127.0.0.1:{ui.ports[name]}" in page
        assert page.count('chip good">up') == 3 and "No tuned checkpoint yet" in page
        children = psutil.Process(ui.process.pid).children(recursive=True)
        assert len(children) >= 5
        ui.process.send_signal(end)
        assert ui.process.wait(timeout=120) == (-signal.SIGKILL if end == signal.SIGKILL else 0), (
            ui.log.read_text()
        )
        until(
            lambda: (
                not [
                    one
                    for one in children
                    if one.is_running() and one.status() != psutil.STATUS_ZOMBIE
                ]
            )
        )
    finally:
        if ui.process.poll() is None:
            ui.process.kill()


def test_a_port_that_is_taken_or_named_twice_stops_it_before_anything_starts() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BadInput, match=f"'--chat-port': port {port} is taken"):
            _check_ports([Child("Start", free_port(), []), Child("Chat", port, [])])
    with pytest.raises(BadInput, match="named twice"):
        _check_ports([Child("Start", 4001, []), Child("Dagster", 4001, [])])


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_what_a_child_leaves_behind_ends_too(tmp_path: Path, end: signal.Signals) -> None:
    """As a run does, which outlives the server that started it."""
    left = tmp_path / "pid"
    nap = f"import os, time; open({str(left)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    child = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {nap!r}]); time.sleep(600)"
    serve = (
        "import os, sys; from pathlib import Path; from sentinel_pipeline.cli.ui import Child, _serve\n"
        f"sys.exit(_serve([Child('Nest', 1, [sys.executable, '-c', {child!r}])], Path('.'), dict(os.environ)))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", serve], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    until(lambda: left.exists() and left.read_text().isdigit())
    grandchild = psutil.Process(int(left.read_text()))
    process.send_signal(end)
    assert process.wait(timeout=120) == 0
    assert not grandchild.is_running()


def test_the_landing_page_listens_before_the_others_start(tmp_path: Path) -> None:
    """All at once on two processors, they kept it waiting for seconds."""
    port, listens, other = free_port(), tmp_path / "listens", tmp_path / "other"
    front = (
        "import socket, time; time.sleep(1); server = socket.socket(); "
        f"open({str(listens)!r}, 'w').write(str(time.monotonic())); "
        f"server.bind(('127.0.0.1', {port})); server.listen(); time.sleep(600)"
    )
    late = f"import time; open({str(other)!r}, 'w').write(str(time.monotonic())); time.sleep(600)"
    serve = (
        "import os, sys; from pathlib import Path; from sentinel_pipeline.cli.ui import Child, _serve\n"
        f"children = [Child('Start', {port}, [sys.executable, '-c', {front!r}]), "
        f"Child('Chat', 1, [sys.executable, '-c', {late!r}])]\n"
        "sys.exit(_serve(children, Path('.'), dict(os.environ)))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", serve], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    until(lambda: other.exists() and other.read_text() != "")
    assert float(other.read_text()) > float(listens.read_text())
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=120) == 0
