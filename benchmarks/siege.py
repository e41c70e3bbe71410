"""The web servers under siege: 20 reviewers at work while one client floods checks, half logins and
broken requests; memory while wrong keys and endless conversations come; 10,000 random requests.

Prints the 95th percentile of the next card, quiet and besieged, in the same run; the most memory of
the review server, of chat (before and after it loaded a model) and of the landing page; and how many
answers were a 5xx. The machine's load stands beside the figures, since everything else that runs
shows in them. Exit code 1 when a bar is missed: 200 ms, 200 MiB (a loaded model is a process of its
own, which has no bar), no 5xx.

    python benchmarks/siege.py [--reviewers 20] [--decisions 10] [--requests 10000]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import string
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

BAR_MS = 200.0
BAR_MIB = 200
ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2**53, 10**30, 0.5, 1e308, 5e-324, "", " ", "\ud800", "\x00\x1b[31m", "[/red]", "../..",
    "<img src=x onerror=alert(1)>", "x" * 5000, [], {}, [None], {"a": [1]}, "card-000001", "approved", "pending",
    "tiny/sft", [{"role": "user", "content": "x"}], [{"role": "user", "content": None}], [{"role": 1, "content": "\udfff"}],
)  # fmt: skip
FIELDS = (
    "id", "version", "decision", "text", "change", "place", "score", "run", "model", "batch", "item", "label", "recipe",
    "verdict", "subject_hash", "note", "messages", "temperature", "top_p", "max_tokens", "seed", "stop", "stream", "n",
)  # fmt: skip


class Memory(threading.Thread):
    """The most resident memory of a process, in MiB, by looking ten times a second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._process = psutil.Process(pid)
        self._stop = threading.Event()
        self.first = self.most = self._process.memory_info().rss >> 20
        self.start()

    def run(self) -> None:
        while not self._stop.wait(0.1):
            with contextlib.suppress(psutil.Error):
                self.most = max(self.most, self._process.memory_info().rss >> 20)

    def end(self) -> str:
        self._stop.set()
        return f"{self.first} MiB before, {self.most} MiB at most"


def flood_work(port: int, token: str, seconds: float) -> Counter[str]:
    """One person's attack on work and connections: parallel checks, half and cut-off bodies, broken
    requests, idle connections."""
    from sentinel_pipeline_tests.web.attackers import broken, cut_off, half_sent, idle
    from sentinel_pipeline_tests.web.server import Client

    address = f"http://127.0.0.1:{port}"
    eve = Client(address, token)
    card = eve.post("next").json()["card"]["id"]
    counts: Counter[str] = Counter()
    deadline = time.monotonic() + seconds

    def checks(number: int) -> None:
        with contextlib.suppress(httpx.HTTPError, KeyError):
            client = Client(address, token)
            while time.monotonic() < deadline:
                text = f"def f(x):\n    while True:\n        x += {number}\n"
                answer = client.post("check", id=card, text=text)
                counts[f"check {answer.status_code}"] += 1
                time.sleep(0.05)

    def hold(port: int, number: int) -> None:
        for connection in idle(port, number):
            connection.close()

    def others(number: int) -> None:
        attacks = (
            lambda: half_sent(port, 40),
            lambda: cut_off(port, 20, path="/api/draft"),
            lambda: broken(port),
            lambda: hold(port, 150),
        )
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                attacks[number % len(attacks)]()
            counts[f"attack {number % len(attacks)}"] += 1

    with ThreadPoolExecutor(32) as threads:
        for number in range(24):
            threads.submit(checks, number)
        for number in range(4):
            threads.submit(others, number)
    return counts


def flood_keys(port: int, token: str, seconds: float, api: bool) -> Counter[str]:
    """Wrong keys in parallel, and with a right one the largest bodies there are."""
    from sentinel_pipeline_tests.web.attackers import wrong_keys
    from sentinel_pipeline_tests.web.server import Client

    address = f"http://127.0.0.1:{port}"
    counts: Counter[str] = Counter()
    deadline = time.monotonic() + seconds
    user = [{"role": "user", "content": "x"}]
    large = [
        json.dumps({"model": "tiny/sft", "messages": user * 60_000}),
        json.dumps({"model": "tiny/sft", "messages": [{"role": "user", "content": "é" * 300_000}]}),
        '{"id": [' + "[]," * 500_000 + "[]]}",
        json.dumps({"id": "x", "text": "\U0001f600" * 150_000}),
    ]
    paths = ("/v1/chat/completions", "/api/answer") if api else ("/api/draft", "/api/decide")

    def keys(number: int) -> None:
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.HTTPError):
                counts.update(f"key {status}" for status in wrong_keys(address, 10, api=api))

    def bodies(number: int) -> None:
        with contextlib.suppress(httpx.HTTPError):
            client = Client(address, token)
            headers = {"x-csrf-token": client.csrf, "authorization": f"Bearer {token}"}
            while time.monotonic() < deadline:
                path, body = paths[number % 2], large[number % 4]
                answer = client.http.post(path, content=body.encode(), headers=headers)
                counts[f"body {answer.status_code}"] += 1

    with ThreadPoolExecutor(24) as threads:
        for number in range(12):
            threads.submit(keys, number)
            threads.submit(bodies, number)
    return counts


def random_requests(address: str, token: str, number: int, seed: int) -> Counter[int]:
    """Statuses of requests of random methods, paths, fields and bytes, by somebody logged in."""
    from sentinel_pipeline_tests.web.server import Client

    chance = random.Random(seed)
    statuses: Counter[int] = Counter()
    if token:
        client = Client(address, token)
        http, headers = (
            client.http,
            {"x-csrf-token": client.csrf, "authorization": f"Bearer {token}"},
        )
    else:
        http, headers = httpx.Client(base_url=address, timeout=120), {}
    names = ("next", "open", "renew", "skip", "draft", "decide", "undo", "blind", "sign", "answer", "review", "recent", "list",
             "around", "choices", "progress", "status")  # fmt: skip
    paths = (
        *(f"/api/{name}" for name in names), "/v1/models", "/v1/chat/completions", "/", "/summary", "/trail", "/blind/x",
        "/response/card-000001", "/data/tiny", "/data/tiny/row/x", "/data/tiny/download", "/samples/tiny",
        "/samples/tiny/heldout/x", "/comparison/tiny", "/digest/2026-01-01", "/static/page.css", "/openapi.json", "/gap",
    )  # fmt: skip

    def text() -> str:
        return "".join(chance.choices(string.printable + "é\u202e%/.", k=chance.randrange(20)))

    for _ in range(number):
        path = chance.choice(paths) if chance.random() < 0.9 else "/" + text()
        query = {chance.choice(FIELDS): text() for _ in range(chance.randrange(3))}
        fields = {chance.choice(FIELDS): chance.choice(ODD) for _ in range(chance.randrange(6))}
        body = json.dumps(fields).encode()
        if chance.random() < 0.15:
            body = chance.randbytes(chance.randrange(200))
        if chance.random() < 0.1:
            body = body[: chance.randrange(len(body) + 1)]
        method = chance.choice(("GET", "POST", "POST", "POST", "PUT", "HEAD", "OPTIONS"))
        if path == "/logout":
            continue
        try:
            answer = http.request(method, path, params=query, content=body, headers=headers)
            statuses[answer.status_code] += 1
            if answer.status_code >= 500:
                print(
                    f"{answer.status_code}: {method} {path} {query} {body[:200]!r}", file=sys.stderr
                )
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError):
            statuses[0] += 1
    return statuses


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def review_under_siege(args: argparse.Namespace, folder: Path) -> bool:
    from review import card

    from sentinel_pipeline.review.importing import import_file
    from sentinel_pipeline_tests.web.server import Server

    path = folder / "sft_candidates.jsonl"
    path.write_text("".join(json.dumps(card(number)) + "\n" for number in range(args.cards)))
    server = Server(folder)
    import_file(server.desk, path, actor="load")
    tokens = [server.user(f"reviewer{number}") for number in range(args.reviewers)]
    eve = server.user("eve")
    server.start()
    try:
        memory = Memory(server.pid)
        quiet = reviewers(server.address, tokens, args)
        print(
            f"next card, quiet      p50 {percentile(quiet, 0.5):.0f} ms, p95 {percentile(quiet, 0.95):.0f} ms"
        )
        attack = start_attack("work", server.port, eve, 600)
        time.sleep(3)
        besieged = reviewers(server.address, tokens, args)
        attack.terminate()
        attack.wait()
        p95 = percentile(besieged, 0.95)
        print(
            f"next card, besieged   p50 {percentile(besieged, 0.5):.0f} ms, p95 {p95:.0f} ms   ({load()})"
        )
        print(f"review, checks and half requests   {memory.end()}")
        memory = Memory(server.pid)
        counts = start_attack("keys", server.port, eve, args.seconds).communicate()[0]
        print(f"review, keys and large bodies      {memory.end()}   {counts.strip()}")
        statuses = fuzz(server.address, eve, args.requests * 6 // 10)
        print(f"review, random requests            {dict(statuses)}")
        clean = "Traceback" not in server.log()
        print(
            f"review, log                        {len(server.log())} characters, tracebacks: {not clean}"
        )
    finally:
        server.kill()
    return p95 <= BAR_MS and memory.most <= BAR_MIB and max(statuses) < 500 and clean


def chat_under_siege(args: argparse.Namespace, folder: Path) -> bool:
    from sentinel_pipeline.store import Home
    from sentinel_pipeline_tests.web.chat_server import ChatServer

    shutil.copytree(ROOT / "data" / "recipes", folder / "data" / "recipes")
    server = ChatServer(Home(folder), folder / "models")
    server.start(switch=None)
    try:
        assert server.child is not None
        memory = Memory(server.child.pid)
        attack = ("keys", server.port, server.token, args.seconds / 2, "--closed")
        counts = start_attack(*attack).communicate()[0]
        print(f"chat, no model loaded              {memory.end()}   {counts.strip()}")
        small = memory.most
        server.stop()
        server.start()
        body = {
            "model": "tiny/sft",
            "messages": [{"role": "user", "content": "x"}],
            "max_tokens": 2,
        }
        server.api().post("/chat/completions", json=body)
        memory = Memory(server.child.pid)
        counts = start_attack(
            "keys", server.port, server.token, args.seconds, "--api"
        ).communicate()[0]
        print(f"chat, a model loaded               {memory.end()}   {counts.strip()}")
        statuses = fuzz(server.address, server.token, args.requests // 4)
        print(f"chat, random requests              {dict(statuses)}")
        clean = "Traceback" not in server.log()
        print(
            f"chat, log                          {len(server.log())} characters, tracebacks: {not clean}"
        )
    finally:
        server.stop()
    return max(small, memory.most) <= BAR_MIB and max(statuses) < 500 and clean


def front_under_siege(args: argparse.Namespace, folder: Path) -> bool:
    from sentinel_pipeline_tests.web.attackers import broken, half_sent
    from sentinel_pipeline_tests.web.server import free_port

    shutil.copytree(ROOT / "data" / "recipes", folder / "data" / "recipes")
    port = free_port()
    links = [f"--{name}=http://127.0.0.1:9" for name in ("dagster", "review", "chat")]
    command = [sys.executable, "-m", "sentinel_pipeline.web.front", f"--port={port}", *links]
    with (folder / "front.log").open("wb") as log:
        child = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, "SENTINEL_HOME": str(folder)}, stdout=log, stderr=log
        )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while True:
            with contextlib.suppress(httpx.HTTPError):
                httpx.get(f"{address}/healthz")
                break
            assert time.monotonic() < deadline
            time.sleep(0.1)
        memory = Memory(child.pid)
        half_sent(port, 100)
        broken(port)
        statuses = fuzz(address, "", args.requests - args.requests * 6 // 10 - args.requests // 4)
        print(f"landing page                       {memory.end()}")
        print(f"landing page, random requests      {dict(statuses)}")
    finally:
        child.kill()
        child.wait()
    clean = "Traceback" not in (folder / "front.log").read_text(errors="replace")
    print(f"landing page, log                  tracebacks: {not clean}")
    return memory.most <= BAR_MIB and max(statuses) < 500 and clean


def reviewers(address: str, tokens: list[str], args: argparse.Namespace) -> list[float]:
    """Milliseconds of every next card, by processes of their own."""
    command = [
        sys.executable, str(ROOT / "benchmarks" / "review.py"), "--decisions", str(args.decisions), "--think",
        str(args.think), "--worker", address,
    ]  # fmt: skip
    shares = [tokens[number::2] for number in range(2)]
    children = [
        subprocess.Popen([*command, json.dumps(share)], stdout=subprocess.PIPE) for share in shares
    ]
    people = [person for child in children for person in json.loads(child.communicate()[0])]
    return [milliseconds for person in people for milliseconds in person["next"]]


def start_attack(
    kind: str, port: int, token: str, seconds: float, *more: str
) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        str(Path(__file__)),
        "--attack",
        kind,
        str(port),
        token,
        str(seconds),
        *more,
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def fuzz(address: str, token: str, number: int) -> Counter[int]:
    with ThreadPoolExecutor(4) as threads:
        jobs = [
            threads.submit(random_requests, address, token, number // 4, seed) for seed in range(4)
        ]
        return sum((job.result() for job in jobs), Counter[int]())


def load() -> str:
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--reviewers", type=int, default=20)
    parser.add_argument("--decisions", type=int, default=10)
    parser.add_argument("--think", type=float, default=0.5)
    parser.add_argument("--cards", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--only", choices=["review", "chat", "front"], default="")
    parser.add_argument("--attack", nargs=4)
    parser.add_argument("--api", action="store_true")
    parser.add_argument("--closed", action="store_true")
    args = parser.parse_args()
    if args.attack:
        kind, port, token, seconds = args.attack
        if kind == "work":
            counts = flood_work(int(port), token, float(seconds))
        else:
            counts = flood_keys(int(port), token, float(seconds), args.api or args.closed)
        print(dict(sorted(counts.items())))
        return 0
    print(f"machine               {load()}")
    fine = []
    sieges = {"review": review_under_siege, "chat": chat_under_siege, "front": front_under_siege}
    for name, siege in sieges.items():
        if args.only not in ("", name):
            continue
        with tempfile.TemporaryDirectory() as folder:
            fine.append(siege(args, Path(folder)))
    print(f"machine               {load()}")
    return 0 if all(fine) else 1


if __name__ == "__main__":
    raise SystemExit(main())
