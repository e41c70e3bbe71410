"""The review queue under load: 100,000 cards, 20 reviewers at once against the real server; 95th
percentiles.

Reviewers are threads of separate processes that speak HTTP and pause ``--think`` seconds between
requests, many times faster than people do. Everything else that uses the machine shows in the
figures: the raw commit of the same disk is measured in the same run, to have something to compare
with. Exit code 1 when a card was given to two people, a decision was lost, or the bar of 50 ms was
missed.

    python benchmarks/review.py [--cards 100000] [--reviewers 20] [--decisions 40] [--think 0.25]
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

BAR_MS = 50.0


def card(number: int) -> dict[str, Any]:
    return {
        "id": f"card-{number:06d}", "source": "load", "benchmark_run_id": f"run-{number % 7}",
        "timestamp": "2026-01-01T00:00:00Z", "status": "needs_review",
        "prompt_messages": [{"role": "user", "content": f"Write function number {number}. " * 12}],
        "model_response": f"def f{number}(x):\n    return x + {number}\n" * 8, "corrected_response": None,
        "quality_score": number % 10 / 10, "failure_reason": f"assertion: f({number}) expected 1, got 2",
        "task_id": f"task-{number % 900}", "task_type": ("code", "shell", "chat")[number % 3], "task_name": "load",
        "model_id": f"model-{number % 4}", "model_name": "load", "node_id": None, "gpu_id": None, "tokens_per_sec": 40.0,
    }  # fmt: skip


def reviewer(address: str, token: str, decisions: int, think: float) -> dict[str, list[Any]]:
    """One person: take a card, pause, save a draft, pause, decide; milliseconds of each request,
    and what was told."""
    from sentinel_pipeline_tests.web.server import Client

    client = Client(address, token)
    found: dict[str, list[Any]] = {"next": [], "draft": [], "decide": [], "ids": []}

    def timed(name: str, **fields: Any) -> Any:
        began = time.perf_counter()
        answer = client.post(name, **fields)
        found[name].append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200, answer.text
        time.sleep(think)
        return answer.json()

    for number in range(decisions):
        one = timed("next")["card"]
        timed("draft", id=one["id"], text="the correction, in part")
        decision = "discarded" if number % 2 else "model_rejected"
        timed("decide", id=one["id"], version=one["version"], decision=decision)
        found["ids"].append((one["id"], decision))
    return found


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def commits(folder: Path, n: int = 200) -> list[float]:
    """Milliseconds of a one-row commit in SQLite on this disk, alone: the floor of every write."""
    connection = sqlite3.connect(folder / "floor.sqlite", isolation_level=None)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    connection.execute("create table t (x)")
    found = []
    for number in range(n):
        began = time.perf_counter()
        connection.execute("insert into t values (?)", (number,))
        found.append((time.perf_counter() - began) * 1000)
    connection.close()
    return found


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cards", type=int, default=100_000)
    parser.add_argument("--reviewers", type=int, default=20)
    parser.add_argument("--decisions", type=int, default=40)
    parser.add_argument("--think", type=float, default=0.25)
    parser.add_argument("--worker", nargs=2)
    args = parser.parse_args()
    if args.worker:
        return work(args.worker[0], json.loads(args.worker[1]), args.decisions, args.think)
    with tempfile.TemporaryDirectory() as name:
        return measure(args, Path(name))


def work(address: str, tokens: list[str], decisions: int, think: float) -> int:
    with ThreadPoolExecutor(len(tokens)) as pool:
        found = list(pool.map(lambda token: reviewer(address, token, decisions, think), tokens))
    json.dump(found, sys.stdout)
    return 0


def measure(args: argparse.Namespace, folder: Path) -> int:
    from sqlalchemy import select

    from sentinel_pipeline.review.importing import import_file
    from sentinel_pipeline.review.schema import cards
    from sentinel_pipeline_tests.web.server import Server

    path = folder / "sft_candidates.jsonl"
    path.write_text("".join(json.dumps(card(number)) + "\n" for number in range(args.cards)))
    server = Server(folder)
    began = time.perf_counter()
    counts = import_file(server.desk, path, actor="load")
    print(f"import            {counts.imported} cards in {time.perf_counter() - began:.1f} s")
    floor = commits(folder)
    tokens = [server.user(f"reviewer{number}") for number in range(args.reviewers)]
    server.start()
    try:
        began = time.perf_counter()
        found = drive(server.address, tokens, args)
        seconds, cpu = time.perf_counter() - began, server.cpu_seconds()
    finally:
        server.kill()
    told = [pair for one in found for pair in one["ids"]]
    with server.desk.db.reading() as connection:
        there = dict(connection.execute(select(cards.c.id, cards.c.status)).all())
    doubled = len(told) - len({name for name, _ in told})
    lost = sum(there[name] != decision for name, decision in told)
    print(
        f"load              {args.reviewers} reviewers, {len(told)} decisions in {seconds:.1f} s, {args.think} s of thought"
    )
    print(
        f"server            {1000 * cpu / (3 * len(told)):.1f} ms of processor time a request, start and logins included"
    )
    print(
        f"one commit        p50 {percentile(floor, 0.5):.1f} ms, p95 {percentile(floor, 0.95):.1f} ms, alone on this disk"
    )
    late = False
    for kind in ("next", "draft", "decide"):
        times = [value for one in found for value in one[kind]]
        p95 = percentile(times, 0.95)
        late |= kind != "draft" and p95 > BAR_MS
        print(
            f"{kind:18}p50 {percentile(times, 0.5):.1f} ms, p95 {p95:.1f} ms, max {max(times):.1f} ms"
        )
    print(f"cards given twice {doubled}")
    print(f"decisions lost    {lost}")
    print(f"bar               p95 of next and decide at most {BAR_MS:.0f} ms")
    return 1 if doubled or lost or late else 0


def drive(address: str, tokens: list[str], args: argparse.Namespace) -> list[dict[str, list[Any]]]:
    """The reviewers, spread over two processes, so that they do not wait for each other's
    interpreter."""
    halves = [half for half in (tokens[::2], tokens[1::2]) if half]
    options = [f"--decisions={args.decisions}", f"--think={args.think}"]
    children = [
        subprocess.Popen(
            [sys.executable, __file__, *options, "--worker", address, json.dumps(half)],
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        for half in halves
    ]
    return [one for child in children for one in json.loads(child.communicate()[0])]


if __name__ == "__main__":
    raise SystemExit(main())
