"""The whole loop on ``tiny`` in a folder of its own: wall time, the orchestrator's share, memory,
and what was learnt.

The peer is the stages' own work: the share is the wall time that no stage accounts for. With
``--twice`` the loop runs again and every artifact's content hash is compared.

    python benchmarks/loop.py [--recipe tiny] [--twice]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[1]


def new_home(folder: Path) -> Path:
    for name in ("workspace.yaml", "dagster.yaml"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("recipes", "suites"):
        shutil.copytree(ROOT / "data" / name, folder / "data" / name)
    return folder


def run(home: Path, recipe: str) -> tuple[dict[str, Any], float, float]:
    """The run's summary, its wall time in seconds, and the largest resident memory of its whole
    process tree in MiB."""
    command = [str(Path(sys.executable).with_name("sentinel")), "run", recipe, "--json"]
    environment = {key: value for key, value in os.environ.items() if key != "DAGSTER_HOME"} | {
        "SENTINEL_HOME": str(home)
    }
    began = time.monotonic()
    child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    peak = [0.0]
    watcher = threading.Thread(target=watch, args=(child.pid, peak), daemon=True)
    watcher.start()
    out, _ = child.communicate()
    if child.returncode not in (0, 3):  # a gate that refuses is a result
        raise SystemExit(f"sentinel run {recipe} ended with exit code {child.returncode}")
    return json.loads(out), time.monotonic() - began, peak[0]


def watch(pid: int, peak: list[float]) -> None:
    """Proportional set size of the tree, twice a second: shared pages count once."""
    while True:
        try:
            family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        total = 0
        for process in family:
            try:
                total += process.memory_full_info().pss
            except psutil.Error:
                continue
        peak[0] = max(peak[0], total / 2**20)
        time.sleep(0.5)


def content(home: Path, recipe: str) -> dict[str, str]:
    manifests = sorted((home / "data" / "runs" / recipe).glob("*/*/manifest.json"))
    return {path.parts[-3]: json.loads(path.read_text())["content_hash"] for path in manifests}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", default="tiny")
    parser.add_argument("--twice", action="store_true")
    args = parser.parse_args()
    hashes = []
    for _ in range(2 if args.twice else 1):
        with tempfile.TemporaryDirectory() as folder:
            home = new_home(Path(folder))
            summary, seconds, memory = run(home, args.recipe)
            hashes.append(content(home, args.recipe))
            show(summary, seconds, memory)
    if args.twice:
        differing = sorted(name for name in hashes[0] if hashes[0][name] != hashes[1].get(name))
        print(
            f"two runs of one seed: {len(hashes[0])} artifacts, differing: {', '.join(differing) or 'none'}"
        )


def show(summary: dict[str, Any], seconds: float, memory: float) -> None:
    own = sum(stage["seconds"] for stage in summary["stages"])
    for stage in summary["stages"]:
        print(f"{stage['name']:24}{stage['seconds']:8.1f} s  {stage['seconds'] / seconds:6.1%}")
    print(f"{'wall time':24}{seconds:8.1f} s   (bar: 300 s)")
    print(f"{'orchestrator share':24}{1 - own / seconds:8.1%}   (bar: 15 %)")
    print(f"{'peak memory of the tree':24}{memory:8.0f} MiB (bar: 3072 MiB)")
    for stage, suites in summary["reports"].items():
        for suite, report in suites.items():
            print(
                f"{stage:6}{suite:10} Pass@1 {report['pass_at_1']:.1%} {report['interval']} n {report['n']}"
            )
    for one in summary["comparisons"]:
        print(
            f"{one['from']} -> {one['to']} on {one['suite']}: {one['difference']:+.1%}, exact McNemar p {one['p']:.2g}"
        )


if __name__ == "__main__":
    main()
