"""``sentinel ui``, ``verify`` and ``gc``: serving and keeping the house."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from ..errors import EXIT_FAILED, BadInput
from ..store import Artefact, find_home
from ..store.manifest import read_manifest
from ..store.retention import removable, remove
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


def gc(
    keep: Annotated[int, typer.Option(min=1, help="Newest artefacts of each asset that always stay.")] = 3,
    days: Annotated[float, typer.Option(min=0, help="Younger ones stay too.")] = 30.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove old artefacts and forgotten drafts; never what a ledger entry or a release names, or what those newest were made of.

    Example:

        sentinel gc --keep 3 --days 30 --dry-run
    """
    home = find_home()
    doomed = removable(home, keep=keep, days=days)
    for one in doomed if dry_run else remove(doomed):
        where = one.folder.relative_to(home.runs)
        err.print(
            f"{'would go' if dry_run else 'gone'}: {where} ({one.bytes / 2**20:.1f} MiB): {one.why}", highlight=False
        )
    freed = sum(one.bytes for one in doomed)
    err.print(f"{len(doomed)} folders, {freed / 2**20:.1f} MiB", highlight=False)
    if as_json:
        folders = [str(one.folder.relative_to(home.runs)) for one in doomed]
        emit({"removed": [] if dry_run else folders, "removable": folders, "bytes": freed})


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
