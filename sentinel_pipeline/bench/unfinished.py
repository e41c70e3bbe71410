"""A JSONL file that is written row by row, is resumed after a kill, and gets its name when it is
whole.

Beside ``NAME`` stand ``.NAME.part``, the rows so far, and ``.NAME.key``, which says what they are
rows of and is locked while a process writes. What this module does not do: know what the rows mean.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ..errors import Infrastructure
from ..store.files import cut_torn_line, sync_folder


class Unfinished:
    """The rows so far, and a way to add one."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        cut_torn_line(stream)

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows that an earlier process wrote, in order."""
        self._stream.seek(0)
        for line in self._stream:
            yield json.loads(line)

    def add(self, row: dict[str, Any]) -> None:
        """Write a row through to the kernel: a killed process loses at most the row that it was
        at."""
        self._stream.write(json.dumps(row).encode("ascii") + b"\n")
        self._stream.flush()


@contextmanager
def unfinished(path: Path, key: str) -> Iterator[Unfinished]:
    """Open the unfinished ``path``; rows of another ``key`` are dropped. On a clean exit it is made
    durable and named.

    Raises:
        Infrastructure: another process writes the same file.
        OSError: the folder cannot be written, or the disk is full; what is done stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    mark = path.with_name(f".{path.name}.key")
    with _locked(mark, path) as holder:
        holder.seek(0)
        if holder.read() != key:
            part.unlink(missing_ok=True)
            holder.truncate(0)
            holder.write(key)
            holder.flush()
        with part.open("ab+") as stream:
            yield Unfinished(stream)
            os.fsync(stream.fileno())
        part.replace(path)
        mark.unlink()
    sync_folder(path.parent)


@contextmanager
def _locked(mark: Path, path: Path) -> Iterator[IO[str]]:
    """The mark, locked. One that its last owner removed in the meantime guards nothing: then the
    next is tried."""
    while True:
        with mark.open("a+", encoding="ascii", errors="replace") as holder:
            try:
                fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                message = (
                    f"another process is grading into {path}: wait for it, or choose another --out."
                )
                raise Infrastructure(message) from None
            if _stands(mark, holder):
                yield holder
                return


def _stands(mark: Path, holder: IO[str]) -> bool:
    try:
        return os.path.samestat(os.fstat(holder.fileno()), mark.stat())
    except FileNotFoundError:
        return False
