"""``sentinel ui``: one front door to Dagster, the review pages and chat, as children that end with
it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from ..errors import BadInput, Infrastructure
from ..ports import require_free
from ..processes import die_with_parent
from ..store import Home, find_home
from .console import err
from .run import prepare_instance

if TYPE_CHECKING:
    import psutil

HOST = "127.0.0.1"
HEAD_START_S = 5.0
"""How long the others wait at most for the first child to listen: all at once on few processors,
they keep a person waiting for the landing page too."""
PATIENCE_S = 30.0
"""How long a child may take to stop when it is asked; then it is killed."""


class Child(NamedTuple):
    """A server: what people call it, its port, its command, and the signal that it stops by."""

    name: str
    port: int
    command: list[str]
    stop_by: signal.Signals = signal.SIGTERM

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}"


def ui(
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of Dagster's web server.")
    ] = 3000,
    front_port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of the landing page.")
    ] = 8000,
    review_port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of the review pages.")
    ] = 8080,
    chat_port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of chat and its API.")
    ] = 8081,
    experimental: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RECIPE/STAGE",
            help="A checkpoint that chat opens without a passed format probe, under a label; repeatable.",
        ),
    ] = None,
) -> None:
    """Start Dagster (web server and daemon), the review pages, chat and a landing page on this
    machine's loopback address.

    Chat stays closed until its guard lets it open (docs/chat.md). Ctrl-C stops everything.

    Example:

        sentinel ui
    """
    home = find_home()
    labelled: list[str] = []
    if experimental:
        from ..chat.models import full_name

        labelled = [full_name(home, name) for name in experimental]
    children = _children(home, port, front_port, review_port, chat_port, labelled)
    _check_ports(children)
    prepare_instance(home)
    front = children[0].address
    environment = {
        **os.environ,
        "SENTINEL_HOME": str(home.root),
        "SENTINEL_FRONT": front,
        # That `dagster dev` is superseded by a command of another package concerns nobody here.
        "PYTHONWARNINGS": os.environ.get("PYTHONWARNINGS", "ignore"),
    }
    for child in children:
        err.print(f"{child.name + ':':9} {child.address}", highlight=False)
    err.print("Ctrl-C stops all of them.", highlight=False)
    raise typer.Exit(_serve(children, home.root, environment))


def _children(
    home: Home,
    port: int,
    front_port: int,
    review_port: int,
    chat_port: int,
    labelled: Sequence[str] = (),
) -> list[Child]:
    def web(module: str, module_port: int, *more: str) -> list[str]:
        return [sys.executable, "-m", module, f"--port={module_port}", *more]

    dagster = [
        sys.executable,
        "-m",
        "sentinel_pipeline.defs.dev_server",
        "dev",
        "--workspace",
        str(home.workspace),
    ]
    others = [
        Child("Dagster", port, [*dagster, "--host", HOST, "--port", str(port)], signal.SIGINT),
        Child("Review", review_port, web("sentinel_pipeline.web", review_port)),
        Child(
            "Chat",
            chat_port,
            web(
                "sentinel_pipeline.web.chat",
                chat_port,
                *(f"--labelled={name}" for name in labelled),
            ),
        ),
    ]
    links = [f"--{child.name.lower()}={child.address}" for child in others]
    return [
        Child("Start", front_port, web("sentinel_pipeline.web.front", front_port, *links)),
        *others,
    ]


def _check_ports(children: list[Child]) -> None:
    """
    Raises:
        BadInput: a port is taken, or named twice; nothing was started.
    """
    ports = [child.port for child in children]
    for child in children:
        if ports.count(child.port) > 1:
            raise BadInput(
                f"port {child.port} is named twice.", field=_option(child), fix="Name another."
            )
        require_free(HOST, child.port, option=_option(child))


def _option(child: Child) -> str:
    return {"Dagster": "--port", "Start": "--front-port"}.get(
        child.name, f"--{child.name.lower()}-port"
    )


def _serve(children: list[Child], folder: Path, environment: dict[str, str]) -> int:
    """Run the children until a signal asks to stop.

    Raises:
        Infrastructure: one of them ended by itself; the others were stopped.
    """
    signals: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _: signals.append(received))
    running: list[tuple[Child, subprocess.Popen[bytes]]] = []
    try:
        for child in children:
            process = subprocess.Popen(
                child.command, cwd=folder, env=environment, preexec_fn=_ending_by(child.stop_by)
            )
            running.append((child, process))
            if child is children[0]:
                _wait_until_it_listens(child, process, signals)
        while not signals:
            time.sleep(0.2)
            for child, process in running:
                if process.poll() is not None and not signals:
                    raise Infrastructure(
                        f"{child.name} ended by itself (exit code {process.returncode})."
                    )
    finally:
        _stop(running)
    return 0


def _wait_until_it_listens(
    child: Child, process: subprocess.Popen[bytes], signals: Sequence[int]
) -> None:
    deadline = time.monotonic() + HEAD_START_S
    while not signals and process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection((HOST, child.port), timeout=0.2):
            return
        time.sleep(0.05)


def _ending_by(sig: signal.Signals) -> Callable[[], None]:
    """In the child: default signals (a shell's background job ignores SIGINT), and an end when its
    parent ends."""

    def prepare() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        die_with_parent(sig)

    return prepare


def _stop(running: list[tuple[Child, subprocess.Popen[bytes]]]) -> None:
    """Ask every child to stop, and what they leave behind, as a run that outlives its server: it
    saves what it has."""
    import psutil

    family = [process_left for _, process in running for process_left in _family(process.pid)]
    for child, process in running:
        with suppress(ProcessLookupError):
            process.send_signal(child.stop_by)
    deadline = time.monotonic() + PATIENCE_S
    for _, process in running:
        try:
            process.wait(timeout=max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for stop in ("terminate", "kill"):
        _, family = psutil.wait_procs(family, timeout=1.0)
        for process_left in family:
            with suppress(psutil.NoSuchProcess):
                getattr(process_left, stop)()
        _, family = psutil.wait_procs(family, timeout=PATIENCE_S)


def _family(pid: int) -> list[psutil.Process]:
    """Everything that a child has started and that still runs."""
    import psutil

    with suppress(psutil.NoSuchProcess):
        children: list[psutil.Process] = psutil.Process(pid).children(recursive=True)
        return children
    return []
