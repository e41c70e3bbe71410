"""Strict reading of suite files: JSONL, gzipped or not. A malformed line is the user's to correct,
so it stops with its place.

Suites are small and every item counts in a score, so nothing is quarantined here (candidate files
are another matter). A line, and what a packed file unpacks to, are bounded by bytes.
"""

from __future__ import annotations

import ast
import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import BadInput
from ...store.files import open_unpacked

MAX_LINE_BYTES = 256 * 2**20
"""Items whose tests are large data have lines of many megabytes."""
MAX_UNPACKED_BYTES = 4 * 2**30
"""Of a file that is packed."""


class SuiteRow(NamedTuple):
    """One row and where it stands; ``line`` is one-based."""

    fields: dict[str, Any]
    file: Path | str
    line: int

    def bad(self, field: str, message: str, fix: str | None = None) -> BadInput:
        return BadInput(message, file=self.file, line=self.line, field=field, fix=fix)

    def text(self, field: str, default: str | None = None, *, empty: bool = False) -> str:
        """The text of ``field``; ``default`` where it is absent.

        Raises:
            BadInput: absent without a default, no text, or blank while ``empty`` is False.
        """
        value = self.fields.get(field, default)
        if value is None:
            near = ", ".join(sorted(self.fields)) or "none"
            raise self.bad(field, f"is missing; expected text. Fields here: {near}.")
        if not isinstance(value, str):
            raise self.bad(field, f"expected text, got {type(value).__name__}.")
        if not empty and value != default and not value.strip():
            raise self.bad(field, "is blank; expected text.")
        return value

    def texts(self, field: str) -> list[str]:
        """A non-empty list of texts.

        Raises:
            BadInput: anything else.
        """
        value = self.fields.get(field)
        if (
            not isinstance(value, list)
            or not value
            or not all(isinstance(item, str) for item in value)
        ):
            raise self.bad(field, f"expected a non-empty list of text, got {type(value).__name__}.")
        return value

    def python(self, field: str, source: str) -> str:
        """``source``, if it parses as Python.

        Raises:
            BadInput: it does not, by the line within the field.
        """
        try:
            ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise self.bad(field, f"invalid Python: {error}.") from error
        return source


def read_rows(path: Path) -> Iterator[SuiteRow]:
    """Rows of a JSONL or ``.gz`` file, in order; blank lines are passed over.

    Raises:
        BadInput: the file is absent or damaged, or a line is not a JSON object in UTF-8.
    """
    if path.exists() and not path.is_file():
        raise BadInput("not a file.", file=path, fix="Name a JSONL file.")
    number = 0
    try:
        packed = path.name.lower().endswith((".gz", ".zst"))
        unpacked = 0
        with open_unpacked(path) as stream:
            while line := stream.readline(MAX_LINE_BYTES + 1):
                number += 1
                unpacked += len(line)
                if len(line) > MAX_LINE_BYTES:
                    problem = f"a line of more than {MAX_LINE_BYTES} bytes."
                    raise BadInput(problem, file=path, line=number, fix="Shorten the item.")
                if packed and unpacked > MAX_UNPACKED_BYTES:
                    problem = f"unpacks to more than {MAX_UNPACKED_BYTES} bytes."
                    raise BadInput(problem, file=path, line=number, fix="Unpack and divide it.")
                if line.strip():
                    yield SuiteRow(_row(line, path, number), path, number)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise BadInput(
            f"is damaged: {error}.", file=path, line=number, fix="Fetch it again."
        ) from error
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror or error}.", file=path) from error


def _row(line: bytes, path: Path, number: int) -> dict[str, Any]:
    try:
        return json_object(line, number)
    except ValueError as error:
        raise BadInput(f"{error}.", file=path, line=number) from error


def json_object(line: bytes, number: int) -> dict[str, Any]:
    """One line of JSONL; the first, number 1, may begin with a byte order mark.

    Raises:
        ValueError: no JSON in UTF-8, or no object.
    """
    try:
        value = json.loads(line.rstrip(b"\r\n").decode("utf-8-sig" if number == 1 else "utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"invalid JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"expected a JSON object, got {type(value).__name__}")
    return value
