"""Candidate files, streaming: JSON lines (``.jsonl``, ``.ndjson``), JSON documents (``.json``: an
array of rows, a row, or several one after the other), tables (``.csv``, ``.tsv``, first line the
names), all of them packed with gzip or zstd or not, and Parquet.

Whatever is wrong with a row or with the rest of a file comes out as a ``Quarantined`` with file,
line and reason; reading goes on. Only what a person has to correct stops it: a path that does not
exist, or a kind of file that is not read here. Memory holds one line or one Parquet batch, and a
whole JSON document, which is bounded. Nothing is scored.
"""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol, TypeVar

from ..errors import BadInput, Infrastructure
from ..records import Candidate, Quarantined
from ..records.data_spec import FieldMap
from ..store.files import open_unpacked
from .decode import MAX_LINE_BYTES, decode_line, decode_text, quarantined
from .pairs import to_candidates
from .shapes import RowRefused
from .turns import without_nulls

_PLAIN = (".jsonl", ".ndjson", ".json", ".csv", ".tsv")
_PACKED = ("", ".gz", ".zst")
SUFFIXES = (*(name + packed for packed in _PACKED for name in _PLAIN), ".parquet")
MAX_ARRAY_BYTES = 256 * 2**20
"""Of a file whose rows are not lines, unpacked."""
_LOOKED_AT = 65536
"""Bytes of a file's beginning that say whether its rows are lines."""
_BROKEN = (EOFError, zlib.error, gzip.BadGzipFile)
"""How a packed file says that it is damaged."""
PARQUET_BATCH = 256
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

Read = Iterator[Any]
"""What rows were read as, and ``Quarantined``."""
T_co = TypeVar("T_co", covariant=True)


class Convert(Protocol[T_co]):
    """How a decoded row is read; raises ``RowRefused`` where it cannot be."""

    def __call__(
        self, row: Any, *, source: str, file: str, line: int, maps: Sequence[FieldMap] = ()
    ) -> tuple[T_co, ...]: ...


class Line(NamedTuple):
    """A line without its end; ``ended`` is False for a last line that has none, ``length`` counts
    what was passed over too."""

    number: int
    data: bytes
    ended: bool
    length: int


class _File(NamedTuple):
    """A file, the name under which it is recorded, and the recipe's names of fields."""

    path: Path
    shown: str
    maps: Sequence[FieldMap]
    convert: Convert[Any]


def read_files(
    paths: Iterable[Path | str], *, root: Path | None = None, maps: Sequence[FieldMap] = ()
) -> Iterator[Candidate | Quarantined]:
    """Every row of every file as a candidate; see ``read_as``."""
    return read_as(to_candidates, paths, root=root, maps=maps)


def read_as(
    convert: Convert[T_co],
    paths: Iterable[Path | str],
    *,
    root: Path | None = None,
    maps: Sequence[FieldMap] = (),
) -> Iterator[T_co | Quarantined]:
    """Every row of every file, files in the given order, folders by name.

    Args:
        convert: how a decoded row is read.
        paths: files, or folders that are searched for files of ``SUFFIXES``.
        root: paths are relative to it, and are recorded so.
        maps: names of the fields of rows that are of no known shape.

    Raises:
        BadInput: a path does not exist, a folder holds no such file, or a file is of another kind.
        Infrastructure: the machine failed to read on.
    """
    for name in paths:
        path = (root / name) if root is not None else Path(name)
        for file in files_of(path):
            shown = (
                str(file.relative_to(root))
                if root is not None and file.is_relative_to(root)
                else str(file)
            )
            try:
                # A name may hold bytes that are no text; tables and JSON cannot.
                shown = shown.encode("utf-8", "replace").decode()
                yield from _read(_File(file, shown, maps, convert))
            except OSError as error:
                raise Infrastructure(
                    f"{file} cannot be read on: {error.strerror or error}."
                ) from error


def files_of(path: Path) -> list[Path]:
    """A file, or every candidate file of a folder, by name.

    Raises:
        BadInput: a path that does not exist, a folder without such a file, or another kind of file.
    """
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


def _read(file: _File) -> Read:
    name = file.path.name.lower()
    if name.endswith(".parquet"):
        yield from _parquet(file)
        return
    name = name.removesuffix(".gz").removesuffix(".zst")
    with open_unpacked(file.path) as stream:
        if name.endswith((".csv", ".tsv")):
            yield from _table(stream, file, "," if name.endswith(".csv") else "\t")
        elif _is_document(stream, named_so=name.endswith(".json")):
            yield from _document(stream, file)
        else:
            yield from _jsonl(stream, file)


def _one(row: Any, file: _File, line: int, excerpt: bytes | str) -> Read:
    try:
        yield from file.convert(
            row, source=f"file:{Path(file.shown).name}", file=file.shown, line=line, maps=file.maps
        )
    except RowRefused as error:
        yield quarantined(file.shown, line, error.reason, excerpt)


def _jsonl(stream: IO[bytes], file: _File) -> Read:
    number = 0
    try:
        for line in lines(stream):
            number = line.number
            if line.length > MAX_LINE_BYTES:
                reason = f"too_long: {line.length} bytes, the most is {MAX_LINE_BYTES}"
                yield quarantined(file.shown, number, reason, line.data)
            elif line.data.strip():
                yield from _line(line, file)
    except _BROKEN as error:
        yield quarantined(
            file.shown,
            number + 1,
            f"damaged: the rest of the file cannot be unpacked ({error})",
            "",
        )


def _line(line: Line, file: _File) -> Read:
    try:
        row = decode_line(line.data, ended=line.ended)
    except RowRefused as error:
        yield quarantined(file.shown, line.number, error.reason, line.data)
        return
    yield from _one(row, file, line.number, line.data)


def lines(stream: IO[bytes]) -> Iterator[Line]:
    """Lines of at most ``MAX_LINE_BYTES``; of a longer one the start is kept and the rest counted,
    never held."""
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


def _is_document(stream: IO[bytes], *, named_so: bool) -> bool:
    """Whether rows stretch over lines: an array, or an object that the first line opens and does
    not close.

    Under a name of JSON lines the first line has to be the bracket alone and a value has to begin
    there: a broken line stays one.
    """
    try:
        start = stream.read(_LOOKED_AT)
    except _BROKEN:
        return False  # damage shows itself when the file is read
    finally:
        stream.seek(0)
    text = start.removeprefix(BYTE_ORDER_MARK).decode("utf-8", "replace").lstrip()
    first, more, rest = text.partition("\n")
    if named_so and text.startswith("["):
        return True
    alone = first.strip() in ("[", "{")
    if not alone and not (named_so and more and first.startswith("{")):
        return False
    if len(start) == _LOOKED_AT and alone:
        return rest.lstrip().startswith('"' if text.startswith("{") else ("{", "["))
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return False
    return end > len(first)


def _document(stream: IO[bytes], file: _File) -> Read:
    """Rows one by one, so that a bad one spoils the rest only where no reader could know where it
    ends."""
    try:
        data = stream.read(MAX_ARRAY_BYTES + 1)
        if len(data) > MAX_ARRAY_BYTES:
            raise RowRefused(
                "too_long",
                f"a JSON document of more than {MAX_ARRAY_BYTES} bytes: write it as JSON lines",
            )
        text = data.decode("utf-8-sig")
    except (RowRefused, UnicodeDecodeError, *_BROKEN) as error:
        yield quarantined(
            file.shown,
            1,
            error.reason if isinstance(error, RowRefused) else f"damaged: {error}",
            "",
        )
        return
    decoder = json.JSONDecoder()
    at = _past_space(text, 0)
    array = text.startswith("[", at)
    at += array
    number = 0
    while (at := _past_space(text, at)) < len(text) and not (array and text[at] == "]"):
        number += 1
        try:
            _, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            what = "array" if array else "file"
            yield quarantined(
                file.shown,
                number,
                f"json: the {what} cannot be read on: {error}",
                text[at : at + 400],
            )
            return
        try:
            row = decode_text(text[at:end])
        except RowRefused as error:
            yield quarantined(file.shown, number, error.reason, text[at:end])
        else:
            yield from _one(row, file, number, text[at:end])
        at = _past_space(text, end)
        at += text.startswith(",", at)
    if array and at >= len(text):
        yield quarantined(file.shown, number + 1, "truncated: the array has no end", text[-400:])


def _past_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _table(stream: IO[bytes], file: _File, separator: str) -> Read:
    """Rows of a table of text whose first line holds the names; an empty cell counts as absent."""
    csv.field_size_limit(MAX_LINE_BYTES)
    start = 1
    names: list[str] | None = None
    try:
        reader = csv.reader(_texts(stream), delimiter=separator, strict=True)
        for cells in reader:
            line = start
            start = reader.line_num + 1
            if not any(cells):
                continue
            if names is None:
                names = [cell.strip() for cell in cells]
                if len(set(names)) < len(names):
                    yield quarantined(file.shown, line, "header: duplicate name", repr(cells))
                    return
            elif len(cells) != len(names):
                reason = f"cells: {len(cells)} where the first line names {len(names)}"
                yield quarantined(file.shown, line, reason, repr(cells))
            else:
                row = {name: cell for name, cell in zip(names, cells, strict=True) if cell}
                yield from _one(row, file, line, repr(cells))
    except UnicodeDecodeError as error:
        reason = f"encoding: byte 0x{error.object[error.start]:02x} is not UTF-8: the table cannot be read on"
        yield quarantined(file.shown, start, reason, "")
    except csv.Error as error:
        yield quarantined(file.shown, start, f"table: it cannot be read on: {error}", "")
    except _BROKEN as error:
        yield quarantined(
            file.shown, start, f"damaged: the rest of the file cannot be unpacked ({error})", ""
        )


def _texts(stream: IO[bytes]) -> Iterator[str]:
    """A table's lines with their ends, which belong to a cell where it is quoted."""
    while data := stream.readline(MAX_LINE_BYTES):
        yield data.decode("utf-8").removeprefix("\ufeff")


def _parquet(file: _File) -> Read:
    """Rows, one small batch of a row group in memory at a time."""
    line = 0
    for batch in _batches(file.path):
        if isinstance(batch, str):
            yield quarantined(file.shown, line + 1, batch, "")
            return
        for index in range(batch.num_rows):
            line += 1
            yield from _parquet_row(batch.slice(index, 1), file, line)


def _batches(path: Path) -> Iterator[Any]:
    """Arrow batches; where the file is damaged the reason, as text, ends them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(batch_size=PARQUET_BATCH)
    except (pa.ArrowException, OSError, ValueError) as error:
        yield f"damaged: no Parquet from here on: {' '.join(str(error).split())[:200]}"


def _parquet_row(single: Any, file: _File, line: int) -> Read:
    try:
        (row,) = single.to_pylist()
    except (UnicodeDecodeError, ValueError, OverflowError) as error:
        yield quarantined(file.shown, line, f"encoding: {error}", "")
        return
    yield from _one(without_nulls(row), file, line, repr(row)[:400])
