"""Keeping the house: seconds to the first page of ``sentinel ui``, of ``sentinel doctor``, and from
a failed check to its alert.

The peers are Dagster's own commands in the same run: ``dagster dev`` on this graph up to its first
page, and ``import dagster`` for what no verb that asks Dagster can be quicker than. The alert goes
from a check of a real run, through the daemon's sensor and Apprise, to a webhook here.

    python benchmarks/house.py [--rounds 3]
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
CLI = [sys.executable, "-c", "from sentinel_pipeline.cli import main; main()"]
BARS = {"first page": 15.0, "doctor": 3.0, "alert": 30.0}
PATIENCE_S = 120.0
NAMES = ("port", "front-port", "review-port", "chat-port")
CHECK = """
import dagster as dg
from sentinel_pipeline.defs.stage import RECIPES

@dg.asset(partitions_def=RECIPES)
def report() -> None: ...

@dg.asset_check(asset=report, partitions_def=RECIPES)
def pass_at_1() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, description="31.0 % [26.0, 36.5], n 300")

with dg.DagsterInstance.get() as instance:
    instance.add_dynamic_partitions("recipe", ["tiny"])
    job = dg.define_asset_job("nightly", selection=dg.AssetSelection.all(), partitions_def=RECIPES)
    defs = dg.Definitions(assets=[report], asset_checks=[pass_at_1], jobs=[job])
    defs.resolve_job_def("nightly").execute_in_process(instance=instance, partition_key="tiny", run_config={
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}})
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str) -> bool:
    try:
        return bool(urllib.request.urlopen(url, timeout=2).status == 200)
    except OSError:
        return False


def seconds_until(true: Callable[[], bool], began: float) -> float:
    while not true():
        if time.monotonic() - began > PATIENCE_S:
            raise SystemExit("waited in vain")
        time.sleep(0.05)
    return time.monotonic() - began


@contextmanager
def home(hook: str = "") -> Iterator[dict[str, str]]:
    """A project folder of its own, and the environment that names it."""
    with tempfile.TemporaryDirectory(prefix="sentinel-house-") as folder:
        place = Path(folder)
        for name in ("workspace.yaml", "dagster.yaml"):
            shutil.copy(ROOT / name, place / name)
        shutil.copytree(ROOT / "data" / "recipes", place / "data" / "recipes")
        shutil.copytree(ROOT / "data" / "canaries", place / "data" / "canaries")
        shutil.copy(ROOT / "data" / "alerts.toml", place / "data" / "alerts.toml")
        dagster = place / "data" / "state" / "dagster"
        dagster.mkdir(parents=True)
        shutil.copy(ROOT / "dagster.yaml", dagster / "dagster.yaml")
        yield os.environ | {
            "SENTINEL_HOME": folder, "DAGSTER_HOME": str(dagster), "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore",
            "SENTINEL_ALERTS": hook,
        }  # fmt: skip


@contextmanager
def started(command: list[str], environment: dict[str, str]) -> Iterator[float]:
    """A server; yields when it was started, and ends it by SIGINT."""
    began = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=environment["SENTINEL_HOME"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield began
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()


def first_pages() -> tuple[float, float]:
    """``sentinel ui``: seconds to the landing page, and to Dagster's."""
    ports = {name: free_port() for name in NAMES}
    with home() as environment:
        command = [*CLI, "ui", *(f"--{name}={port}" for name, port in ports.items())]
        with started(command, environment) as began:
            front = seconds_until(
                lambda: answers(f"http://127.0.0.1:{ports['front-port']}/"), began
            )
            return front, seconds_until(
                lambda: answers(f"http://127.0.0.1:{ports['port']}/server_info"), began
            )


def plain_dagster() -> float:
    """``dagster dev`` on the same graph: seconds to its page."""
    port = free_port()
    with home() as environment:
        dagster = str(Path(sys.executable).with_name("dagster"))
        workspace = f"{environment['SENTINEL_HOME']}/workspace.yaml"
        with started([dagster, "dev", "-w", workspace, "--port", str(port)], environment) as began:
            return seconds_until(lambda: answers(f"http://127.0.0.1:{port}/server_info"), began)


def doctor() -> float:
    with home() as environment:
        command = [*CLI, "doctor", "--json"]
        for _ in range(2):  # the first makes Dagster's tables
            began = time.monotonic()
            subprocess.run(
                command,
                env=environment,
                cwd=environment["SENTINEL_HOME"],
                capture_output=True,
                timeout=PATIENCE_S,
            )
            seconds = time.monotonic() - began
        return seconds


def import_dagster() -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, "-W", "ignore", "-c", "import dagster"], check=True)
    return time.monotonic() - began


def _longer(came: list[float], count: int) -> bool:
    return len(came) > count


@contextmanager
def webhook() -> Iterator[tuple[str, list[float]]]:
    """Its Apprise URL, and when something came (``time.time()``)."""
    came: list[float] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            came.append(time.time())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"json://127.0.0.1:{server.server_address[1]}/", came
    finally:
        server.shutdown()
        server.server_close()


def alerts(rounds: int) -> list[float]:
    """Seconds from the end of a run with a failed check to the webhook, the daemon being up."""
    found = []
    with webhook() as (url, came), home(url) as environment:
        daemon = str(Path(sys.executable).with_name("dagster-daemon"))
        subprocess.run(
            [*CLI, "doctor"], env=environment, cwd=environment["SENTINEL_HOME"], capture_output=True
        )
        command = [daemon, "run", "-w", f"{environment['SENTINEL_HOME']}/workspace.yaml"]
        with started(command, environment):
            for place in range(rounds):
                subprocess.run(
                    [sys.executable, "-c", CHECK], env=environment, check=True, capture_output=True
                )
                checked = time.time()
                seconds_until(partial(_longer, came, place), time.monotonic())
                found.append(came[place] - checked)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    pages = [first_pages() for _ in range(rounds)]
    front, dagster = (median(one[i] for one in pages) for i in (0, 1))
    peer = median(plain_dagster() for _ in range(rounds))
    asked, floor = (median(one() for _ in range(rounds)) for one in (doctor, import_dagster))
    late = alerts(rounds)
    print(f"{'sentinel ui, landing page':36}{front:7.1f} s   (bar: {BARS['first page']:g} s)")
    print(f"{'sentinel ui, Dagster page':36}{dagster:7.1f} s   {dagster / peer:5.2f} × dagster dev")
    print(f"{'dagster dev, Dagster page':36}{peer:7.1f} s")
    print(
        f"{'sentinel doctor':36}{asked:7.1f} s   (bar: {BARS['doctor']:g} s)   {asked / floor:5.2f} × import dagster"
    )
    print(f"{'import dagster':36}{floor:7.1f} s")
    print(
        f"{'alert after its check, worst of ' + str(rounds):36}{max(late):7.1f} s   (bar: {BARS['alert']:g} s)"
    )
    print(f"{'alert after its check, median':36}{median(late):7.1f} s")


if __name__ == "__main__":
    main()
