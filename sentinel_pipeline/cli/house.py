"""``sentinel ui``, ``doctor`` and ``verify``: serving and keeping the house."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import EXIT_FAILED, EXIT_INFRASTRUCTURE, BadInput
from ..store import Artefact, Home, find_home
from ..store.manifest import read_manifest, versions
from .console import AsJson, emit, err
from .run import prepare_instance


def verify(as_json: AsJson = False) -> None:
    """Hash every artefact again and name what does not match its manifest. Exit code 1 when anything is damaged.

    Example:

        sentinel verify --json
    """
    home = find_home()
    manifests = sorted(path for path in home.runs.glob("*/*/*/manifest.json") if path.parent.name[0] != ".")
    damaged: list[dict[str, str]] = []
    for path in manifests:
        try:
            names = Artefact(path.parent, read_manifest(path.parent)).damage()
        except (ValueError, KeyError, TypeError):
            names = ["manifest.json"]
        damaged += [{"artefact": str(path.parent.relative_to(home.runs)), "file": name} for name in names]
    for row in damaged:
        err.print(f"damaged: {row['artefact']}/{row['file']}: rebuild it", markup=False, highlight=False)
    err.print(f"{len(manifests)} artefacts, {len(damaged)} damaged files", highlight=False)
    if as_json:
        emit({"artefacts": len(manifests), "damaged": damaged})
    raise typer.Exit(EXIT_FAILED if damaged else 0)


def doctor(as_json: AsJson = False) -> None:
    """What is ready on this machine, and how to mend the rest. Exit code 4 when the loop cannot run.

    Example:

        sentinel doctor
    """
    from ..sandbox import isolation

    home = find_home()
    sandbox = isolation()
    free = shutil.disk_usage(home.root).free / 2**30
    facts: dict[str, Any] = {
        "home": str(home.root),
        "recipes": home.recipe_names(),
        "sandbox": sandbox.to_json(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "disk_free_gib": round(free, 1),
        "versions": versions(),
    }
    problems = _problems(home, free)
    for key, value in facts.items():
        err.print(f"[bold]{key:14}[/]", end=" ")
        err.print(value, highlight=False)
    for problem in problems:
        err.print(f"[red]mend:[/] {problem}", highlight=False)
    if as_json:
        emit(facts | {"problems": problems})
    raise typer.Exit(EXIT_INFRASTRUCTURE if problems else 0)


def _problems(home: Home, free_gib: float) -> list[str]:
    problems = []
    if free_gib < 2:
        problems.append(f"{free_gib:.1f} GiB of disk left under {home.root}; a run of tiny needs about 1: free some")
    if not home.recipe_names():
        problems.append(f"no recipes under {home.recipes}: run from the project's folder or set SENTINEL_HOME")
    return problems


def ui(
    port: Annotated[int, typer.Option(help="Port of Dagster's web server on 127.0.0.1.")] = 3000,
) -> None:
    """Start Dagster's web server and daemon on this machine's loopback address, with schedules and sensors running.

    Example:

        sentinel ui --port 3000
    """
    home = find_home()
    _check_port(port)
    prepare_instance(home)
    script = Path(sys.executable).with_name("dagster")
    command = [
        str(script),
        "dev",
        "--workspace",
        str(home.root / "workspace.yaml"),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    err.print(f"Dagster: http://127.0.0.1:{port}   (Ctrl-C stops it)", highlight=False)
    environment = {**os.environ, "SENTINEL_HOME": str(home.root)}
    child = subprocess.Popen(command, cwd=home.root, env=environment, preexec_fn=_default_signals)
    signal.signal(signal.SIGTERM, lambda *_: child.send_signal(signal.SIGINT))
    while True:
        try:
            raise typer.Exit(child.wait())
        except KeyboardInterrupt:
            child.send_signal(signal.SIGINT)


def _default_signals() -> None:
    """A shell that starts a job in the background leaves SIGINT ignored; the server could then not be stopped."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise BadInput(f"port {port} is taken.", field="--port", fix="Stop what uses it or name another.") from None
