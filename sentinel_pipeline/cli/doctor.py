"""``sentinel doctor``: what is ready on this machine, and how to fix the rest.

What it does not do: change anything, run a candidate, or load a heavy library.
"""

from __future__ import annotations

import datetime as dt
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import typer

from ..alerts.rules import load_rules
from ..errors import EXIT_INFRASTRUCTURE, SentinelError
from ..sandbox import Level, isolation
from ..store import Home, find_home
from ..store.manifest import versions
from ..worker.device import device_owner
from .console import AsJson, emit, err
from .run import prepare_instance

LEAST_GIB = 2.0
"""A run of ``tiny`` writes about one."""
STALE_HEARTBEAT_S = 120.0
EXTRAS = {
    "vllm": ("gpu", "fast generation on a GPU"),
    "bitsandbytes": ("gpu", "4-bit models"),
    "ray": ("ray", "work over many machines"),
    "psycopg": ("postgres", "PostgreSQL for the queue and for Dagster"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at; ``warn`` leaves the loop able to run, ``fail`` does not."""

    name: str
    status: Literal["ok", "warn", "fail"]
    found: str
    fix: str = ""


def doctor(as_json: AsJson = False) -> None:
    """Check what is ready on this machine, and show how to fix the rest.

    Exit code 4 when the loop cannot run.

    Example:

        sentinel doctor
    """
    home = find_home()
    findings = list(look(home))
    colours = {"ok": "green", "warn": "yellow", "fail": "red"}
    for finding in findings:
        err.print(
            f"[{colours[finding.status]}]{finding.status:5}[/][bold]{finding.name:10}[/]", end=" "
        )
        err.print(finding.found, markup=False, highlight=False)
        if finding.fix:
            err.print(f"{'':15} fix: {finding.fix}", markup=False, highlight=False)
    failed = any(finding.status == "fail" for finding in findings)
    if as_json:
        emit(
            {
                "ready": not failed,
                "home": str(home.root),
                "recipes": home.recipe_names(),
                "sandbox": isolation().to_json(),
                "checks": [asdict(finding) for finding in findings],
                "versions": versions(),
            }
        )
    raise typer.Exit(EXIT_INFRASTRUCTURE if failed else 0)


def look(home: Home) -> Iterator[Finding]:
    """Every finding, each one question that a person would ask; Dagster, the slowest, is asked
    meanwhile."""
    prepare_instance(home)
    code = "import gc; gc.disable(); from sentinel_pipeline.defs.health import tell; tell()"
    command = [sys.executable, "-W", "ignore", "-c", code]
    dagster = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    yield _recipes(home)
    yield _sandbox()
    yield _disk(home)
    yield _device(home)
    yield _clock(home)
    yield _extras()
    yield _browser()
    yield _alerts(home)
    yield from _dagster(dagster)


def _recipes(home: Home) -> Finding:
    names = home.recipe_names()
    broken = home.every_recipe().broken
    if not names:
        fix = "run from the project's folder, or set SENTINEL_HOME"
        return Finding(name="recipes", status="fail", found=f"none under {home.recipes}", fix=fix)
    if broken:
        text = f"{len(broken)} of {len(names)} invalid"
        return Finding(name="recipes", status="fail", found=text, fix="; ".join(broken.values()))
    return Finding(name="recipes", status="ok", found=", ".join(names))


def _sandbox() -> Finding:
    isolated = isolation()
    gaps = "; ".join(f"{name}: {why}" for name, why in isolated.missing.items())
    if isolated.level.rank < Level.SECCOMP.rank:
        return Finding(
            name="sandbox",
            status="fail",
            found=f"level {isolated.level.value}: no candidate may run",
            fix=gaps,
        )
    status: Literal["ok", "warn"] = "ok" if isolated.level is Level.FULL else "warn"
    return Finding(name="sandbox", status=status, found=f"level {isolated.level.value}", fix=gaps)


def _disk(home: Home) -> Finding:
    free = shutil.disk_usage(home.root).free / 2**30
    if free < LEAST_GIB:
        return Finding(
            name="disk",
            status="fail",
            found=f"{free:.1f} GiB free",
            fix="free some: sentinel gc --dry-run",
        )
    return Finding(name="disk", status="ok", found=f"{free:.1f} GiB free")


def _device(home: Home) -> Finding:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    gpus = _gpus()
    words = f"{len(gpus)} GPU: {', '.join(gpus)}" if gpus else f"no GPU, {cores} cores"
    owner = device_owner(home.device_lock)
    return Finding(
        name="device", status="ok", found=words + (f"; in use by process {owner}" if owner else "")
    )


def _gpus() -> list[str]:
    """Names as the driver's tool tells them; loading torch only to ask takes seconds."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    command = [tool, "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return (
        [line.strip() for line in done.stdout.splitlines() if line.strip()]
        if done.returncode == 0
        else []
    )


def _clock(home: Home) -> Finding:
    """A clock that was set back makes new work look older than old work."""
    now = dt.datetime.now(dt.UTC)
    newest = max(
        (path.stat().st_mtime for path in home.runs.glob("*/*/*/manifest.json")), default=0.0
    )
    ahead = newest - now.timestamp()
    if ahead > 60:
        text = f"the newest artifact was made {ahead:.0f} s from now"
        return Finding(
            name="clock",
            status="warn",
            found=text,
            fix="set the clock; the newest artifact is not the current one",
        )
    return Finding(name="clock", status="ok", found=now.isoformat(timespec="seconds"))


def _extras() -> Finding:
    there = [name for name in EXTRAS if importlib.util.find_spec(name)]
    missing = [
        f"{name} ({what}: pip install 'sentinel-pipeline[{extra}]')"
        for name, (extra, what) in EXTRAS.items()
        if name not in there
    ]
    return Finding(
        name="extras",
        status="ok",
        found="; ".join([f"installed: {', '.join(there) or 'none'}", *missing]),
    )


def _browser() -> Finding:
    browser = (
        shutil.which("chromium")
        or shutil.which("chromium-browser")
        or shutil.which("google-chrome")
    )
    return Finding(
        name="browser", status="ok", found=browser or "no Chromium: the browser tests will skip"
    )


def _alerts(home: Home) -> Finding:
    try:
        rules = load_rules(home.alert_rules)
    except SentinelError as error:
        return Finding(name="alerts", status="fail", found="invalid rules", fix=str(error))
    set_up = [name for name in rules.channels if rules.url(name)]
    if not set_up:
        fix = "set SENTINEL_ALERTS to an Apprise URL, then: sentinel alert test"
        return Finding(
            name="alerts",
            status="warn",
            found="alerts are not delivered: no channel is configured",
            fix=fix,
        )
    return Finding(name="alerts", status="ok", found=f"sent by {', '.join(set_up)}")


def _dagster(process: subprocess.Popen[str]) -> Iterator[Finding]:
    health = _answer(process)
    if health.get("error"):
        fix = "correct dagster.yaml or DAGSTER_HOME"
        yield Finding(name="dagster", status="fail", found=str(health["error"]), fix=fix)
        return
    text = f"{health['home']} ({health['storage']}), {health['active_runs']} runs going"
    yield Finding(name="dagster", status="ok", found=text)
    ages: dict[str, float | None] = health["daemons"]
    silent = [name for name, age in ages.items() if age is None or age > STALE_HEARTBEAT_S]
    if silent:
        fix = "start it: sentinel ui (schedules, sensors and alerts rest until then)"
        yield Finding(
            name="daemon", status="warn", found=f"no heartbeat of {', '.join(silent)}", fix=fix
        )
    else:
        yield Finding(name="daemon", status="ok", found=f"{len(ages)} daemons alive")


def _answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    try:
        out, _ = process.communicate(timeout=60)
        return dict(json.loads(out))
    except (ValueError, subprocess.TimeoutExpired) as error:
        process.kill()
        return {"error": f"Dagster is not reachable: {error}"}
