"""Candidate files, streaming: JSON lines (``.jsonl``, ``.ndjson``), JSON documents (``.json``: an
array of rows, a row, or several one after the other), tables (``.csv``, ``.tsv``, first line the
names), all of them packed with gzip or zstd or not, and Parquet, on this machine or under a URL.

Whatever is wrong with a row or with the rest of a file comes out as a ``Quarantined`` with file,
line and reason; reading goes on. Only what a person has to correct stops it: a path that does not
exist, or a kind of file that is not read here. Memory is bounded by bytes, not by rows: it holds
one line, one row of a table, one value of a JSON document, a batch of Parquet (``store.foreign``),
and the text of a whole JSON document. Of the rows of a file that cannot be read so many are listed
as ``MAX_QUARANTINED`` says, the others are counted. Links that lead out of a folder are not
followed. Nothing is scored.
"""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol, TypeVar

from ..errors import BadInput, Infrastructure
from ..records import Candidate, Quarantined
from ..records.data_spec import FieldMap
from ..store.files import open_unpacked
from ..store.foreign import ForeignRow, TooLarge, files_under, foreign_group
from .decode import MAX_LINE_BYTES, decode_line, decode_text, quarantined
from .pairs import to_candidates
from .shapes import RowRefused
from .turns import without_nulls

_PLAIN = (".jsonl", ".ndjson", ".json", ".csv", ".tsv")
_PACKED = ("", ".gz", ".zst")
SUFFIXES = (*(name + packed for packed in _PACKED for name in _PLAIN), ".parquet")
MAX_ARRAY_BYTES = 128 * 2**20
"""Of a file whose rows are not lines, unpacked."""
MAX_QUARANTINED = 10_000
"""Rows of one file that are listed because they cannot be read."""
_FIRST_LOOK = 2**16
"""Characters of a document in which a value is looked for first; ever more where it is longer."""
_LOOKED_AT = 65536
"""Bytes of a file's beginning that say whether its rows are lines."""
_BROKEN = (EOFError, zlib.error, gzip.BadGzipFile)
"""How a packed file says that it is damaged."""
DAMAGED = "damaged"
"""How the reason begins that ends a file: nothing after it can be read."""
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


class CandidateFile(NamedTuple):
    """A file, the name under which it is recorded, and the recipe's names of fields."""

    path: Path | str
    """As text: a URL, such as that of an object store."""
    shown: str
    maps: Sequence[FieldMap]
    convert: Convert[Any]

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.path.name if isinstance(self.path, Path) else self.path.rpartition("/")[2]


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
    names = list(paths)
    for name in names:
        if "://" not in str(name):
            for link in _links_of((root / name) if root is not None else Path(name)):
                reason = "link: it leads out of the folder and is not followed"
                yield quarantined(str(link), 1, reason, "")
    for file in files_in(convert, names, root=root, maps=maps):
        yield from read_file(file)


def files_in(
    convert: Convert[T_co],
    paths: Iterable[Path | str],
    *,
    root: Path | None = None,
    maps: Sequence[FieldMap] = (),
) -> Iterator[CandidateFile]:
    """The files that ``read_as`` reads, in its order; arguments and errors are its own."""
    for name in paths:
        for place in places_of(name, root):
            shown = str(place)
            if isinstance(place, Path) and root is not None and place.is_relative_to(root):
                shown = str(place.relative_to(root))
            # A name may hold bytes that are no text; tables and JSON cannot.
            shown = shown.encode("utf-8", "replace").decode()
            yield CandidateFile(place, shown, maps, convert)


def read_file(file: CandidateFile) -> Read:
    """Every row of one file.

    Raises:
        Infrastructure: the machine failed to read on.
    """
    try:
        yield from _listed(_read(file), file.shown)
    except OSError as error:
        raise Infrastructure(
            f"{file.path} cannot be read on: {error.strerror or error}."
        ) from error


def places_of(name: Path | str, root: Path | None = None) -> list[Path] | list[str]:
    """The files of a path, relative to ``root``, or of a URL (``s3://BUCKET/FOLDER``), by name; of
    a URL Parquet files only.

    Raises:
        BadInput: as ``files_of``; or a URL that cannot be opened.
    """
    if "://" not in str(name):
        return files_of((root / name) if root is not None else Path(name))
    import fsspec

    url = str(name)
    try:
        system, path = fsspec.core.url_to_fs(url)
        paths = system.glob(path) if "*" in path else system.find(path)
        urls = sorted(system.unstrip_protocol(each) for each in paths)
    except (ImportError, ValueError, OSError) as error:
        fix = "Check the URL, its credentials, and that fsspec's package for it is installed."
        raise BadInput(f"{url} cannot be opened: {error}.", fix=fix) from error
    urls = [each for each in urls if each.lower().endswith(".parquet")]
    if not urls:
        raise BadInput(f"{url} holds no Parquet file.", fix="Of a URL, Parquet files are read.")
    return urls


def _listed(rows: Read, shown: str) -> Read:
    """The rows of a file, and its first ``MAX_QUARANTINED`` that cannot be read; of the others one
    that says how many they are."""
    refused = 0
    last: Quarantined | None = None
    for row in rows:
        if isinstance(row, Quarantined):
            refused += 1
            if refused > MAX_QUARANTINED:
                last = row
                continue
        yield row
    if last is not None:
        more = refused - MAX_QUARANTINED
        reason = (
            f"too_many: {more} more rows of this file cannot be read, the last one: {last.reason}"
        )
        yield quarantined(shown, last.line, reason, "")


def _links_of(path: Path) -> list[Path]:
    return files_under(path, _is_supported)[1] if path.is_dir() else []


def files_of(path: Path) -> list[Path]:
    """A file, or every candidate file of a folder, by name; not those that a link brings in from
    elsewhere.

    Raises:
        BadInput: a path that does not exist, a folder without such a file, or another kind of file.
    """
    if path.is_dir():
        files, links = files_under(path, _is_supported)
        if not files:
            fix = f"Expected {', '.join(SUFFIXES)}."
            if links:
                fix = (
                    f"Links that lead out of it are not followed ({links[0].name}): name the file."
                )
            raise BadInput("the folder holds no candidate file.", file=path, fix=fix)
        return files
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


def _read(file: CandidateFile) -> Read:
    name = file.name.lower()
    if name.endswith(".parquet"):
        yield from _parquet(file)
        return
    name = name.removesuffix(".gz").removesuffix(".zst")
    with open_unpacked(Path(file.path)) as stream:
        if name.endswith((".csv", ".tsv")):
            yield from _table(stream, file, "," if name.endswith(".csv") else "\t")
        elif _is_document(stream, named_so=name.endswith(".json")):
            yield from _document(stream, file)
        else:
            yield from _jsonl(stream, file)


def has_lines(file: CandidateFile) -> bool:
    """Whether a file's rows are lines of unpacked text, of which stretches can be read."""
    name = file.name.lower()
    if not name.endswith((".jsonl", ".ndjson", ".json")):
        return False
    with open_unpacked(Path(file.path)) as stream:
        return not _is_document(stream, named_so=name.endswith(".json"))


def stretch_lines(file: CandidateFile, first: int, end: int) -> int:
    """How many lines of a file begin from byte ``first`` to before byte ``end``."""
    with Path(file.path).open("rb") as stream:
        # A line begins where the file does, and after each line end.
        stream.seek(max(first - 1, 0))
        count = int(first == 0 and end > 0)
        left = end - 1 - max(first - 1, 0)
        while left > 0 and (data := stream.read(min(left, 2**20))):
            count += data.count(b"\n")
            left -= len(data)
    return count


def read_stretch(file: CandidateFile, first: int, end: int, before: int) -> Read:
    """The rows of the lines that begin from byte ``first`` to before byte ``end``, ``before`` of
    the file's lines being before them."""
    with Path(file.path).open("rb") as stream:
        if first:
            stream.seek(first - 1)
            while (data := stream.readline(MAX_LINE_BYTES)) and not data.endswith(b"\n"):
                continue
        if stream.tell() < end:
            yield from _jsonl(stream, file, before, end)


def _one(row: Any, file: CandidateFile, line: int, excerpt: bytes | str) -> Read:
    try:
        yield from file.convert(
            row, source=f"file:{Path(file.shown).name}", file=file.shown, line=line, maps=file.maps
        )
    except RowRefused as error:
        yield quarantined(file.shown, line, error.reason, excerpt)


def _jsonl(stream: IO[bytes], file: CandidateFile, before: int = 0, end: int | None = None) -> Read:
    """Lines, ``before`` of them being before the first; to the last that begins before ``end``."""
    number = before
    try:
        for line in lines(stream, before):
            number = line.number
            if line.length > MAX_LINE_BYTES:
                reason = f"too_long: {line.length} bytes, the most is {MAX_LINE_BYTES}"
                yield quarantined(file.shown, number, reason, line.data)
            elif line.data.strip():
                yield from _line(line, file)
            if end is not None and stream.tell() >= end:
                return
    except _BROKEN as error:
        yield quarantined(
            file.shown,
            number + 1,
            f"{DAMAGED}: the rest of the file cannot be unpacked ({error})",
            "",
        )


def _line(line: Line, file: CandidateFile) -> Read:
    try:
        row = decode_line(line.data, ended=line.ended)
    except RowRefused as error:
        yield quarantined(file.shown, line.number, error.reason, line.data)
        return
    yield from _one(row, file, line.number, line.data)


def lines(stream: IO[bytes], before: int = 0) -> Iterator[Line]:
    """Lines of at most ``MAX_LINE_BYTES``, numbered from ``before`` + 1; of a longer one the start
    is kept and the rest counted, never held."""
    number = before
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


def _document(stream: IO[bytes], file: CandidateFile) -> Read:
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
        del data
    except (RowRefused, UnicodeDecodeError, *_BROKEN) as error:
        yield quarantined(
            file.shown,
            1,
            error.reason if isinstance(error, RowRefused) else f"{DAMAGED}: {error}",
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
            end = _end_of_value(decoder, text, at)
        except RowRefused as error:
            yield quarantined(file.shown, number, error.reason, text[at : at + 400])
            return
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


def _end_of_value(decoder: json.JSONDecoder, text: str, at: int) -> int:
    """Where the value that begins at ``at`` ends; looked for in windows, since what is decoded
    takes many times the memory of its text.

    Raises:
        RowRefused: it is longer than a line may be.
        ValueError: there is no value.
    """
    window = _FIRST_LOOK
    while True:
        piece = text[at : at + window]
        whole = at + len(piece) >= len(text)
        try:
            _, end = decoder.raw_decode(piece)
            # A number may go on behind the window.
            if whole or end < len(piece):
                return at + end
        except ValueError:
            if whole:
                raise
        if window > MAX_LINE_BYTES:
            problem = f"a value of more than {MAX_LINE_BYTES} characters, or no value, so the rest is not read"
            raise RowRefused("too_long", problem)
        window = min(16 * window, MAX_LINE_BYTES + 1)


def _past_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _table(stream: IO[bytes], file: CandidateFile, separator: str) -> Read:
    """Rows of a table of text whose first line holds the names; an empty cell counts as absent."""
    csv.field_size_limit(MAX_LINE_BYTES)
    start = 1
    names: list[str] | None = None
    lines_of_row = _Texts(stream)
    try:
        reader = csv.reader(lines_of_row, delimiter=separator, strict=True)
        for cells in reader:
            lines_of_row.size = 0
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
            file.shown, start, f"{DAMAGED}: the rest of the file cannot be unpacked ({error})", ""
        )


class _Texts:
    """A table's lines with their ends, which belong to a cell where it is quoted. ``size`` counts
    the bytes of a row; whoever has read one sets it back."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.size = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        data = self._stream.readline(MAX_LINE_BYTES)
        if not data:
            raise StopIteration
        self.size += len(data)
        if self.size > MAX_LINE_BYTES:
            raise csv.Error(f"a row of more than {MAX_LINE_BYTES} bytes")
        return data.decode("utf-8").removeprefix("\ufeff")


def _parquet(file: CandidateFile) -> Read:
    """Rows, one small batch of a row group in memory at a time."""
    line = 0
    groups = row_groups(file)
    if isinstance(groups, str):
        yield quarantined(file.shown, 1, groups, "")
        return
    for group, rows in enumerate(groups):
        for row in read_row_group(file, group, line):
            yield row
            if isinstance(row, Quarantined) and row.reason.startswith(DAMAGED):
                return
        line += rows


def row_groups(file: CandidateFile) -> list[int] | str:
    """The rows of each row group of a Parquet file; the reason, as text, where it is damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with _opened(file) as source, pq.ParquetFile(source) as parquet:
            footer = parquet.metadata
            return [footer.row_group(n).num_rows for n in range(footer.num_row_groups)]
    except (pa.ArrowException, OSError, ValueError) as error:
        return _damage(error)


def read_row_group(file: CandidateFile, group: int, before: int) -> Read:
    """The rows of one row group, ``before`` of the file's rows being before them."""
    for line, row in enumerate(_rows_or_reason(file, group), start=before + 1):
        if isinstance(row, str):
            yield quarantined(file.shown, line, row, "")
        elif row.data is None:
            reason = f"too_long: {row.size} bytes, the most is {MAX_LINE_BYTES}"
            yield quarantined(file.shown, line, reason, "")
        else:
            yield from _parquet_row(row.data, file, line)


def _rows_or_reason(file: CandidateFile, group: int) -> Iterator[ForeignRow | str]:
    """Rows of a row group; where it is damaged or a bomb the reason, as text, ends them."""
    import pyarrow as pa

    try:
        with _opened(file) as source:
            yield from foreign_group(source, group, MAX_LINE_BYTES)
    except TooLarge as error:
        yield f"too_large: {error}"
    except (pa.ArrowException, OSError, ValueError) as error:
        yield _damage(error)


def _opened(file: CandidateFile) -> AbstractContextManager[Any]:
    if isinstance(file.path, Path):
        return file.path.open("rb")
    import fsspec

    opened: AbstractContextManager[Any] = fsspec.open(file.path, "rb")
    return opened


def _damage(error: BaseException) -> str:
    return f"{DAMAGED}: no Parquet from here on: {' '.join(str(error).split())[:200]}"


def _parquet_row(single: Any, file: CandidateFile, line: int) -> Read:
    try:
        (row,) = single.to_pylist()
    except (UnicodeDecodeError, ValueError, OverflowError) as error:
        yield quarantined(file.shown, line, f"encoding: {error}", "")
        return
    yield from _one(without_nulls(row), file, line, repr(row)[:400])
