"""How fast the pages of ``sentinel ui`` answer: every page over the artifacts of a real run, rows by
the million, samples by the hundred thousand, and the start to a landing page with results.

    python benchmarks/pages.py                      # the project's own newest run
    python benchmarks/pages.py --home FOLDER --rows 1000000 --samples 100000 --start

Bars: a landing page with results within 5 s of the start, every page p95 <= 150 ms on ``tiny``, the
first page of a million rows <= 1 s, a search over 100,000 samples p95 <= 100 ms, a page's weight
<= 300 kB without data. CPU seconds stand beside the wall clock: on a machine with other work the
wall clock tells of that work. What this does not do: measure a browser.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from sentinel_pipeline.bench.report import build_report, newest_reports, report_to_json
from sentinel_pipeline.bench.samples import write_samples
from sentinel_pipeline.records import SampleScore
from sentinel_pipeline.records.stages import REPORT_STAGES
from sentinel_pipeline.store import Home, Store, find_home, read_parquet
from sentinel_pipeline.web.front import Links, create_app

STATIC = Path(__file__).resolve().parents[1] / "sentinel_pipeline" / "web" / "static"
WORDS = (
    "list", "of", "the", "squares", "return", "def", "item", "user", "value", "sort", "key", "text",
    "file", "line", "shell", "diff",
)  # fmt: skip


def client(home: Home) -> TestClient:
    links = Links("http://127.0.0.1:9", "http://127.0.0.1:9", "http://127.0.0.1:9")
    app = create_app(home, links, frozenset({"127.0.0.1:8000"}))
    return TestClient(app, base_url="http://127.0.0.1:8000")


def measured(name: str, work: Callable[[int], Any], rounds: int, bar_ms: float | None) -> None:
    """Wall and CPU of ``rounds`` calls after one that warms up; with more than one thread the CPU
    may be more than the wall."""
    first = time.perf_counter()
    work(-1)
    first = time.perf_counter() - first
    wall, cpu = [], []
    for place in range(rounds):
        began, burnt = time.perf_counter(), time.process_time()
        work(place)
        wall.append(1000 * (time.perf_counter() - began))
        cpu.append(1000 * (time.process_time() - burnt))
    p95 = sorted(wall)[max(0, round(0.95 * rounds) - 1)]
    cpu95 = sorted(cpu)[max(0, round(0.95 * rounds) - 1)]
    bar = f"  bar {bar_ms:.0f} ms: {'ok' if p95 <= bar_ms else 'OVER'}" if bar_ms else ""
    print(
        f"{name:44} first {1000 * first:7.0f} ms  median {statistics.median(wall):6.0f}"
        f"  p95 {p95:6.0f}  cpu p95 {cpu95:6.0f} ms{bar}",
        flush=True,
    )


def pages(home: Home, recipe: str, rounds: int) -> None:
    site = client(home)
    store = Store.reading(home, recipe)
    paths = ["/", "/training", f"/training/{recipe}", f"/data/{recipe}", f"/comparison/{recipe}"]
    reports = newest_reports(store, REPORT_STAGES)
    last = list(reports.values())[-1]
    suite = next(last.folder.glob("*/samples.parquet")).parent.name
    item = next(iter(read_parquet(last.path(f"{suite}/samples.parquet"))))["task_id"]
    row = next(iter(read_parquet(store.get("raw_candidates").path("candidates.parquet"))))["id"]
    paths += [f"/samples/{recipe}", f"/samples/{recipe}?change=lost&text=the"]
    paths += [f"/samples/{recipe}/{suite}/{item}", f"/data/{recipe}/row/{row}"]
    paths += [f"/data/{recipe}?table=mix&text=list", f"/data/{recipe}?table=rejected"]
    for path in paths:

        def get(_: int, path: str = path) -> None:
            answer = site.get(path)
            assert answer.status_code == 200, (path, answer.status_code)

        measured(path[:44], get, rounds, 150)
    styles = sum((STATIC / name).stat().st_size for name in ("page.css", "front.css"))
    scripts = sum((STATIC / name).stat().st_size for name in ("theme.js", "live.js"))
    heaviest = max(paths, key=lambda path: len(site.get(path).content))
    weight = len(site.get(heaviest).content)
    print(f"weight without data: {(styles + scripts) / 1000:.0f} kB; heaviest page {heaviest}:"
          f" {weight / 1000:.0f} kB with data")  # fmt: skip


def text(source: random.Random, words: int) -> str:
    return " ".join(source.choices(WORDS, k=words))


def rows(folder: Path, count: int) -> None:
    """The first page, a facet and a search over ``count`` made rows."""
    home = empty_home(folder)

    def candidates() -> Iterator[dict[str, Any]]:
        source = random.Random(7)
        for place in range(count):
            yield {
                "id": f"row-{place}", "source": ("hub", "file", "model")[place % 3],
                "messages": [{"role": "user", "content": text(source, 20)}],
                "completion": text(source, 30),
                "category": ("devops", "tool_use", "code_editing")[place % 3 - 1], "task_id": None,
                "verifier": None, "file": "a.jsonl", "line": place, "corrected_by": None, "planted": None,
            }  # fmt: skip

    with Store(home, "tiny", "r", "r").writing("raw_candidates", recipe_hash="-", seed=1) as out:
        out.table("candidates.parquet", candidates(), "candidates")
    site = client(home)
    for name, query in (("first page", ""), ("facet", "?source=hub"), ("search", "?text=sort key")):
        measured(f"{count:,} rows, {name}", lambda _, q=query: site.get(f"/data/tiny{q}"), 5, 1000)  # type: ignore[misc]  # mypy cannot infer a lambda with a default


def samples(folder: Path, count: int) -> None:
    """The list, and searches for different words, over ``count`` made answers."""
    home = empty_home(folder)
    source = random.Random(7)
    for stage in ("base", "sft"):
        made = [
            SampleScore(
                task_id=str(place), category="c", family=f"family-{place % 5}",
                completion=f"{text(source, 40)} {place}", outcome="pass" if source.random() < 0.5 else "fail",
                reason="assertion: no", syntax_ok=True, stopped=True, tokens=9, seconds=0.0,
            )
            for place in range(count)
        ]  # fmt: skip
        with Store(home, "tiny", stage, "loop").writing(
            f"{stage}_report", recipe_hash="-", seed=1
        ) as out:
            write_samples(out, "heldout", made)
            report = build_report(
                made, stage=stage, suite="heldout", model="m", model_hash=stage, scorer_version="s", decoding={}
            )  # fmt: skip
            out.json("heldout/report.json", report_to_json(report))
    site = client(home)
    path = "/samples/tiny"
    measured(f"{count:,} samples, list", lambda _: site.get(path), 20, 1000)

    def search(place: int) -> None:
        words = f"{WORDS[place % len(WORDS)]} {WORDS[(place * 5 + 3) % len(WORDS)]}"
        assert site.get(path, params={"text": words}).status_code == 200

    measured(f"{count:,} samples, search", search, 40, 100)


def empty_home(folder: Path) -> Home:
    (folder / "data" / "recipes").mkdir(parents=True)
    (folder / "data" / "recipes" / "tiny.toml").write_text("")
    return Home(folder)


def start(home: Home) -> None:
    """From ``sentinel ui`` to a landing page with results."""

    def port() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    names = ("port", "front-port", "review-port", "chat-port")
    ports = {name: port() for name in names}
    run = "from sentinel_pipeline.cli import main; main()"
    options = [f"--{name}={number}" for name, number in ports.items()]
    env = {**os.environ, "SENTINEL_HOME": str(home.root)}
    began = time.perf_counter()
    child = subprocess.Popen([sys.executable, "-c", run, "ui", *options], env=env)
    try:
        while time.perf_counter() - began < 300:
            try:
                page = urllib.request.urlopen(
                    f"http://127.0.0.1:{ports['front-port']}/", timeout=60
                ).read()
            except OSError:
                time.sleep(0.05)
                continue
            assert b'class="result"' in page, "no results on the landing page"
            break
        print(f"sentinel ui to a landing page with results: {time.perf_counter() - began:.1f} s")
    finally:
        child.terminate()
        child.wait(timeout=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, help="A project with a finished run.")
    parser.add_argument("--recipe", default="tiny")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--samples", type=int, default=0)
    parser.add_argument("--start", action="store_true")
    args = parser.parse_args()
    home = Home(args.home.resolve()) if args.home else find_home()
    os.environ["SENTINEL_HOME"] = str(home.root)
    print(json.dumps({"load": os.getloadavg()[0], "cores": os.cpu_count()}))
    pages(home, args.recipe, args.rounds)
    if args.start:
        start(home)
    for count, work in ((args.rows, rows), (args.samples, samples)):
        if count:
            with tempfile.TemporaryDirectory() as folder:
                work(Path(folder), count)


if __name__ == "__main__":
    main()
