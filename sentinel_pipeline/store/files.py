"""Files that are whole or absent: temporary name, fsync, rename. Knows nothing of artifacts."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from ..errors import BadInput

STATE = "state"
"""Name of the folder whose content is this installation's own and nobody else's on the machine."""


def private_folder(folder: Path) -> None:
    """Make a folder that only this user may enter. One that is there is closed to others where it
    is the state's own; other people's folders are left as they are."""
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    elif folder.name == STATE:
        _close(folder, 0o700)


def private_file(path: Path) -> None:
    """Make a file that only this user may read, or close it to others; also what SQLite keeps
    beside it. Whoever makes it goes on to write it."""
    private_folder(path.parent)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    for beside in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
        _close(beside, 0o600)


def _close(path: Path, mode: int) -> None:
    with suppress(OSError):
        status = path.stat()
        if stat.S_IMODE(status.st_mode) & 0o077 and status.st_uid == os.geteuid():
            path.chmod(mode)


@contextmanager
def atomic_write(path: Path, mode: str = "w", *, private: bool = False) -> Iterator[IO[Any]]:
    """Open a temporary neighbour of ``path``; on a clean exit fsync and rename it into place, else
    remove it. What is ``private`` only this user may read."""
    if private:
        private_folder(path.parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, mode, encoding=None if "b" in mode else "utf-8") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o600 if private else 0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, value: Any, *, private: bool = False) -> None:
    """Indented JSON with sorted keys and a final newline, atomically."""
    with atomic_write(path, private=private) as stream:
        json.dump(value, stream, indent=2, sort_keys=True, ensure_ascii=False)
        stream.write("\n")


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    """One JSON object a line, atomically and streaming; returns the number of rows."""
    count = 0
    with atomic_write(path) as stream:
        for count, row in enumerate(rows, start=1):  # noqa: B007
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")
    return count


class _Zstd(io.RawIOBase):
    """A zstd file unpacked while it is read; damage shows itself as ``EOFError``, as it does in a
    gzip file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open()

    def _open(self) -> None:
        import pyarrow as pa

        self._at = 0
        self._file = self._path.open("rb")
        self._stream = pa.CompressedInputStream(pa.PythonFile(self._file, mode="r"), "zstd")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Back to the start; nobody asks for another place."""
        if offset or whence != io.SEEK_SET:
            raise io.UnsupportedOperation("a zstd file is read from its start")
        self._stream.close()
        self._file.close()
        self._open()
        return 0

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._stream.read(len(buffer))
        except OSError as error:
            raise EOFError(" ".join(str(error).split())[:200]) from error
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
            self._file.close()
        super().close()


def open_unpacked(path: Path) -> IO[bytes]:
    """Open for reading, unpacked where the name ends in ``.gz`` or ``.zst``."""
    if path.name.lower().endswith(".zst"):
        return io.BufferedReader(_Zstd(path))
    opener: Any = gzip.open if path.name.lower().endswith(".gz") else open
    stream: IO[bytes] = opener(path, "rb")
    return stream


def whole_lines(stream: IO[bytes]) -> Iterator[bytes]:
    """The lines of a file that were written to their end; a last one without a line end, left by a
    kill, is passed over."""
    return (line for line in stream if line.endswith(b"\n"))


def cut_torn_line(stream: IO[bytes]) -> None:
    """Drop a last line that was not written to its end, from a file open for reading and
    writing."""
    stream.seek(0)
    stream.seek(stream.truncate(sum(map(len, whole_lines(stream)))))


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a JSONL file of our own writing.

    Raises:
        BadInput: a line is not a JSON object, by file and line.
    """
    with path.open(encoding="utf-8") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise BadInput(f"invalid JSON: {error}.", file=path, line=number) from error
            if not isinstance(row, dict):
                raise BadInput("expected a JSON object.", file=path, line=number)
            yield row


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, streaming."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
