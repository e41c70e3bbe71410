"""Candidate files: JSONL (``.jsonl``, ``.ndjson``, gzipped or not), JSON arrays (``.json``) and Parquet, streaming.

Whatever is wrong with a row or with the rest of a file comes out as a ``Quarantined`` with file, line and reason; reading
goes on. Only what a person has to correct stops it: a path that does not exist, or a kind of file that is not read here.
Memory holds one line or one Parquet batch, and a whole ``.json`` array, which is bounded. Nothing is judged.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from sentinel_pipeline.errors import BadInput, Infrastructure
from sentinel_pipeline.records import Candidate, Quarantined
from sentinel_pipeline.store.files import open_unpacked

from .decode import MAX_LINE_BYTES, decode_line, decode_text, quarantined
from .pairs import to_candidates
from .shapes import RowRefused

SUFFIXES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz", ".json", ".json.gz", ".parquet")
MAX_ARRAY_BYTES = 256 * 2**20
PARQUET_BATCH = 256
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

Read = Iterator[Candidate | Quarantined]


class Line(NamedTuple):
    """A line without its end; ``ended`` is False for a last line that has none, ``length`` counts what was passed over too."""

    number: int
    data: bytes
    ended: bool
    length: int


def read_files(paths: Iterable[Path | str], *, root: Path | None = None) -> Read:
    """Every row of every file, files in the given order, folders by name.

    Args:
        paths: files, or folders that are searched for files of ``SUFFIXES``.
        root: paths are relative to it, and are recorded so.

    Raises:
        BadInput: a path does not exist, a folder holds no such file, or a file is of another kind.
        Infrastructure: the machine failed to read on.
    """
    for given in paths:
        path = (root / given) if root is not None else Path(given)
        for file in _expand(path):
            shown = (
                str(file.relative_to(root))
                if root is not None and file.is_relative_to(root)
                else str(file)
            )
            try:
                yield from _read(file, shown)
            except OSError as error:
                raise Infrastructure(
                    f"{file} cannot be read on: {error.strerror or error}."
                ) from error


def _expand(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(file for file in path.rglob("*") if file.is_file() and _is_supported(file))
        if not found:
            raise BadInput(
                "the folder holds no candidate file.",
                file=path,
                fix=f"Expected {', '.join(SUFFIXES)}.",
            )
        return found
    if not path.is_file():
        raise BadInput(
            "there is no such file.",
            file=path,
            fix="Check the path; it is relative to the project's root.",
        )
    if not _is_supported(path):
        raise BadInput(
            "is of a kind that is not read here.", file=path, fix=f"Expected {', '.join(SUFFIXES)}."
        )
    return [path]


def _is_supported(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIXES)


def _read(path: Path, shown: str) -> Read:
    name = path.name.lower()
    if name.endswith(".parquet"):
        yield from _parquet(path, shown)
        return
    with open_unpacked(path) as stream:
        if name.removesuffix(".gz").endswith(".json") and _starts_array(stream):
            yield from _array(stream, path, shown)
        else:
            yield from _jsonl(stream, path, shown)


def _one(row: Any, path: Path, shown: str, line: int, excerpt: bytes | str) -> Read:
    try:
        yield from to_candidates(row, source=f"file:{path.name}", file=shown, line=line)
    except RowRefused as error:
        yield quarantined(shown, line, error.reason, excerpt)


def _jsonl(stream: IO[bytes], path: Path, shown: str) -> Read:
    number = 0
    try:
        for line in lines(stream):
            number = line.number
            if line.length > MAX_LINE_BYTES:
                reason = f"too_long: {line.length} bytes, the most is {MAX_LINE_BYTES}"
                yield quarantined(shown, number, reason, line.data)
            elif line.data.strip():
                yield from _line(line, path, shown)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        yield quarantined(
            shown, number + 1, f"damaged: the rest of the file cannot be unpacked ({error})", ""
        )


def _line(line: Line, path: Path, shown: str) -> Read:
    try:
        row = decode_line(line.data, ended=line.ended)
    except RowRefused as error:
        yield quarantined(shown, line.number, error.reason, line.data)
        return
    yield from _one(row, path, shown, line.number, line.data)


def lines(stream: IO[bytes]) -> Iterator[Line]:
    """Lines of at most ``MAX_LINE_BYTES``; of a longer one the start is kept and the rest counted, never held."""
    number = 0
    while data := stream.readline(MAX_LINE_BYTES + 2):
        number += 1
        ended = data.endswith(b"\n")
        passed_over = 0
        while (
            not ended
            and len(data) + passed_over >= MAX_LINE_BYTES + 2
            and (more := stream.readline(MAX_LINE_BYTES))
        ):
            passed_over += len(more)
            ended = more.endswith(b"\n")
        data = data.rstrip(b"\r\n") if ended and not passed_over else data
        length = len(data) + passed_over
        data = data.removeprefix(BYTE_ORDER_MARK) if number == 1 else data
        yield Line(number, data if length <= MAX_LINE_BYTES else data[:1024], ended, length)


def _starts_array(stream: IO[bytes]) -> bool:
    """Whether the first character that is no space is ``[``; damage shows itself when the file is read."""
    try:
        start = stream.read(4096)
        stream.seek(0)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return False
    return start.removeprefix(BYTE_ORDER_MARK).lstrip().startswith(b"[")


def _array(stream: IO[bytes], path: Path, shown: str) -> Read:
    """Elements one by one, so that a bad one spoils the rest only where no reader could know where it ends."""
    try:
        data = stream.read(MAX_ARRAY_BYTES + 1)
        if len(data) > MAX_ARRAY_BYTES:
            raise RowRefused(
                "too_long", f"a JSON array of more than {MAX_ARRAY_BYTES} bytes: write it as JSONL"
            )
        text = data.decode("utf-8-sig")
    except (RowRefused, UnicodeDecodeError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        yield quarantined(
            shown, 1, error.reason if isinstance(error, RowRefused) else f"damaged: {error}", ""
        )
        return
    decoder = json.JSONDecoder()
    at = text.index("[") + 1
    number = 0
    while (at := _past_space(text, at)) < len(text) and text[at] != "]":
        number += 1
        try:
            _, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            yield quarantined(
                shown, number, f"json: the array cannot be read on: {error}", text[at : at + 400]
            )
            return
        try:
            yield from _one(decode_text(text[at:end]), path, shown, number, text[at:end])
        except RowRefused as error:
            yield quarantined(shown, number, error.reason, text[at:end])
        at = _past_space(text, end)
        at += text.startswith(",", at)
    if at >= len(text):
        yield quarantined(shown, number + 1, "truncated: the array has no end", text[-400:])


def _past_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _parquet(path: Path, shown: str) -> Read:
    """Rows, one small batch of a row group in memory at a time."""
    line = 0
    for batch in _batches(path):
        if isinstance(batch, str):
            yield quarantined(shown, line + 1, batch, "")
            return
        for index in range(batch.num_rows):
            line += 1
            yield from _parquet_row(batch.slice(index, 1), path, shown, line)


def _batches(path: Path) -> Iterator[Any]:
    """Arrow batches; where the file is damaged the reason, as text, ends them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(batch_size=PARQUET_BATCH)
    except (pa.ArrowException, OSError, ValueError) as error:
        yield f"damaged: no Parquet from here on: {' '.join(str(error).split())[:200]}"


def _parquet_row(single: Any, path: Path, shown: str, line: int) -> Read:
    try:
        (row,) = single.to_pylist()
    except (UnicodeDecodeError, ValueError, OverflowError) as error:
        yield quarantined(shown, line, f"encoding: {error}", "")
        return
    yield from _one(row, path, shown, line, repr(row)[:400])
