"""``sentinel doctor``: what is ready on this machine, and how to fix the rest.

The device is asked through torch, in a process of its own beside this one. What it does not do:
change anything, run a candidate, or load a heavy library itself.
"""

from __future__ import annotations

import datetime as dt
import importlib.util
import json
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
from ..sandbox.bounds import candidate_bounds
from ..store import Home, find_home
from ..store.manifest import versions
from ..worker.device import CHOICE, cores, device_owner
from .console import AsJson, emit, err, styled
from .run import prepare_instance

LEAST_GIB = 2.0
"""A run of ``tiny`` writes about one."""
STALE_HEARTBEAT_S = 120.0
TIMEOUT_S = 120.0
"""How long Dagster and torch may take to be loaded on a busy machine."""
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
        status = (f"{finding.status:5}", colours[finding.status])
        err.print(styled(status, (f"{finding.name:10}", "bold")), end=" ")
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
    asking = [
        sys.executable, "-W", "ignore", "-c", "from sentinel_pipeline.worker.device import tell; tell()",
    ]  # fmt: skip
    devices = subprocess.Popen(asking, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    yield _recipes(home)
    yield _sandbox()
    yield _bounds()
    yield _disk(home)
    yield device_finding(home, _answer(devices, "torch"))
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


def _bounds() -> Finding:
    """Whether anything bounds all candidates together."""
    fix = "run as the service of deploy/systemd, or begin with: systemd-run --user --scope -p MemoryMax=8G -p TasksMax=1024"
    try:
        bounds = candidate_bounds()
    except SentinelError as error:
        return Finding(name="limits", status="fail", found="no such control group", fix=str(error))
    if bounds.memory_bytes is None:
        text = "nothing bounds the memory of all candidates together, only that of each process"
        return Finding(name="limits", status="warn", found=text, fix=fix)
    memory = f"{bounds.memory_bytes / 2**30:.1f} GiB"
    tasks = "no bound on processes" if bounds.tasks is None else f"{bounds.tasks} processes"
    text = f"all candidates together: at most {memory}, {tasks} ({bounds.group})"
    if bounds.tasks is None:
        return Finding(name="limits", status="warn", found=text, fix=fix)
    return Finding(name="limits", status="ok", found=text)


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


def device_finding(home: Home, told: dict[str, Any]) -> Finding:
    """What torch can use; a GPU that is there and cannot be used stops the loop, since a run would
    not fall back to the CPU unless torch was built for it alone."""
    owner = device_owner(home.device_lock)
    busy = f"; in use by process {owner}" if owner else ""
    if told.get("error"):
        return Finding(
            name="device",
            # A machine that is busy has not answered yet; it has not failed.
            status="warn" if told.get("late") else "fail",
            found=str(told["error"]) + busy,
            fix="make `python -c 'import torch'` work",
        )
    if told["unusable"]:
        return Finding(
            name="device",
            status="warn" if told.get("cpu_build") else "fail",
            found=f"a GPU is here, and torch cannot use it: {told['unusable']}{busy}",
            fix=f"install the torch build and driver that belong to it, or set {CHOICE}=cpu to compute on the CPU",
        )
    gpus = [
        f"{device['name']} ({device['kind'].upper()}, {device['memory_bytes'] / 2**30:.0f} GiB)"
        for device in told["devices"]
        if device["kind"] != "cpu"
    ]
    words = f"{len(gpus)} GPU: {', '.join(gpus)}" if gpus else f"no GPU, {cores()} cores"
    return Finding(name="device", status="ok", found=words + busy)


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
    health = _answer(process, "Dagster")
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


def _answer(process: subprocess.Popen[str], who: str) -> dict[str, Any]:
    """What a child that looks for us printed as JSON, or ``error``."""
    try:
        out, _ = process.communicate(timeout=TIMEOUT_S)
        return dict(json.loads(out))
    except (ValueError, subprocess.TimeoutExpired) as error:
        process.kill()
        late = isinstance(error, subprocess.TimeoutExpired)
        return {"error": f"{who} is not reachable: {error}", "late": late}
