"""A real PostgreSQL server, started for the tests that ask for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sentinel_pipeline_tests.tools import missing_tool


def _program(name: str) -> str | None:
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *map(str, places)]))


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a server on a socket and a loopback port of its own, in a temporary folder; its
    programs refuse to run as root."""
    programs = {name: _program(name) for name in ("initdb", "postgres")}
    absent = [name for name, path in programs.items() if path is None]
    if absent:
        missing_tool(f"PostgreSQL ({', '.join(absent)})")
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    user = None
    if os.getuid() == 0:
        user = "postgres"
        shutil.chown(folder, user)
    data, port = folder / "data", _free_port()
    subprocess.run(
        [str(programs["initdb"]), "-D", data, "-U", "sentinel", "--auth=trust", "--encoding=UTF8", "--no-sync"],
        check=True, capture_output=True, user=user, cwd=folder,
    )  # fmt: skip
    server = subprocess.Popen(
        [str(programs["postgres"]), "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", folder, "-F"],
        user=user, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"postgresql://sentinel@127.0.0.1:{port}/postgres"
    _wait(url, server)
    yield url
    server.terminate()
    server.wait(timeout=60)
    shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(url: str, server: subprocess.Popen[bytes]) -> None:
    import time

    import psycopg

    deadline = time.monotonic() + 120
    while True:
        try:
            psycopg.connect(url, connect_timeout=5).close()
            return
        except psycopg.OperationalError:
            assert server.poll() is None and time.monotonic() < deadline, (
                "the Postgres server did not start"
            )
            time.sleep(0.2)


def empty(url: str) -> None:
    """Drop everything in a Postgres database of the tests."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("drop schema public cascade")
        connection.execute("create schema public")
