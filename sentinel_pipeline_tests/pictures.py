"""The pictures of the README, taken from a finished run of a recipe in a project's folder.

    sentinel run tiny && python -m sentinel_pipeline_tests.pictures tiny

Starts ``sentinel ui`` on free ports, opens its pages and Dagster's in Chromium, writes
``docs/images/*.png`` and stops the servers. What this module does not do: run anything.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from sentinel_pipeline.records.stages import STAGE_NAMES
from sentinel_pipeline.store import Store, find_home
from sentinel_pipeline_tests.web.server import free_port

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run"]


def take(recipe: str, chromium: str) -> list[str]:
    """Take every picture; returns the names of their files.

    Raises:
        RuntimeError: the pages did not come up within two minutes.
    """
    from playwright.sync_api import sync_playwright

    home = find_home()
    store = Store.reading(home, recipe)
    last = [name for name in STAGE_NAMES if store.find(f"{name}_report")][-1]
    run_id = store.get(f"{last}_report").manifest.run_id
    ports = {name: free_port() for name in ("", "front-", "review-", "chat-")}
    command = [str(Path(sys.executable).with_name("sentinel")), "ui"]
    command += [f"--{name}port={port}" for name, port in ports.items()]
    server = subprocess.Popen(
        command,
        env={**os.environ, "SENTINEL_HOME": str(home.root)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    front = f"http://127.0.0.1:{ports['front-']}"
    dagster = f"http://127.0.0.1:{ports['']}"
    pages = {
        "start": (f"{front}/", 1280, 1500),
        "training": (f"{front}/training/{recipe}", 1280, 1300),
        "answers": (f"{front}/samples/{recipe}", 1280, 1000),
        "data": (f"{front}/data/{recipe}", 1280, 1000),
        "comparison": (f"{front}/comparison/{recipe}", 1280, 1200),
        "report": (
            f"{dagster}/assets/{last}_report?view=partitions&partition={recipe}",
            1600,
            1000,
        ),
        "gate-passed": (
            f"{dagster}/assets/{last}_report?view=checks&checkDetail={last}_pass_at_1",
            1600,
            900,
        ),
        "run": (f"{dagster}/runs/{run_id}", 1600, 1000),
    }
    try:
        for address in (front, f"{dagster}/server_info"):
            _wait_for(address)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            for name, (address, width, height) in pages.items():
                page: Any = browser.new_page(viewport={"width": width, "height": height})
                page.goto(address)
                page.wait_for_load_state("load")
                # Dagster's pages draw after they have loaded, and say nothing when they are done.
                page.wait_for_timeout(6000 if address.startswith(dagster) else 1000)
                page.screenshot(path=IMAGES / f"{name}.png")
                page.close()
            browser.close()
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=60)
    return [f"{name}.png" for name in pages]


def _wait_for(address: str) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(address, timeout=5)
            return
        except OSError:
            time.sleep(0.5)
    raise RuntimeError(f"{address} did not come up")


if __name__ == "__main__":
    names = ("chromium", "chromium-browser", "google-chrome")
    browser_path = next((path for name in names if (path := shutil.which(name))), None)
    if browser_path is None:
        sys.exit("Chromium is not installed.")
    sys.stdout.write("\n".join(take(sys.argv[1], browser_path)) + "\n")
