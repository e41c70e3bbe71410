"""A file of stored model outputs, and what the extractor makes of each of them: values, leniencies,
errors, and a comparison with ``json.loads`` (the V4.1 handoff: run the parser over stored outputs
before any training run).

What this module does not do: score a value, write anything, or stop at a bad row: it comes out with
its line and its reason.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import BadInput
from .extract import extract
from .formats import same_json
from .json_reader import Extracted, JsonReading
from .thoughts import with_thought

FIELDS = ("completion", "output", "response", "generation", "answer", "text", "content", "messages")
"""Where a row's output is looked for when no field is named, in this order."""
_THOUGHTS = ("reasoning_content", "reasoning", "thinking")
MAX_LINE = 20_000_000
EXAMPLES = 20


def _is_json(value: Any) -> bool:
    """False where a number overflowed to infinity, which JSON does not know."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


class Output(NamedTuple):
    """One line of the file: the text that a model wrote, or why there is none."""

    line: int
    text: str | None
    error: str | None = None


class Read(NamedTuple):
    """``before`` is what ``json.loads`` made of the text, ``failed`` why it made nothing."""

    line: int
    found: Extracted
    before: Any
    failed: str | None

    def to_json(self) -> dict[str, Any]:
        if not _is_json(self.found.value):
            return {"value": None, "leniencies": [], "error": "not_json: a number out of range"}
        return {
            "value": self.found.value,
            "leniencies": list(self.found.leniencies),
            "error": self.found.error,
        }


def outputs(path: Path, name: str | None = None) -> Iterator[Output]:
    """Every line that is not blank; ``.gz`` is unpacked. A row is a JSON string, or an object with
    the output under ``name``.

    Raises:
        BadInput: no such file, or it cannot be read as text.
    """
    if not path.is_file():
        raise BadInput(
            "no such file.", file=path, fix="Give a JSONL file with one model output a line."
        )
    number = 0
    with (
        gzip.open(path, "rt", encoding="utf-8")
        if path.suffix == ".gz"
        else path.open(encoding="utf-8") as stream
    ):
        try:
            while line := stream.readline(MAX_LINE):
                number += 1
                if line.strip():
                    yield _output(number, line, name)
        except (OSError, EOFError, UnicodeDecodeError) as error:
            raise BadInput(
                f"cannot be read: {error}.", file=path, line=number + 1, fix="Expected UTF-8 text."
            ) from error


def _output(number: int, line: str, name: str | None) -> Output:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        return Output(number, None, f"bad_row: invalid JSON: {error}"[:160])
    if isinstance(row, str) and name is None:
        return Output(number, row)
    if not isinstance(row, dict):
        return Output(number, None, f"bad_row: expected an object, got {type(row).__name__}")
    names = (name,) if name is not None else FIELDS
    field = next((each for each in names if each in row), None)
    if field is None:
        return Output(
            number, None, f"bad_row: no field {' or '.join(names)}; name one with --field"
        )
    value = row[field]
    holder = row
    if isinstance(value, list) and value and isinstance(value[-1], dict):
        holder = value[-1]
        value = holder.get("content")
    thought = next((holder[each] for each in _THOUGHTS if holder.get(each)), None)
    if isinstance(thought, str) and (value is None or isinstance(value, str)):
        value = with_thought(thought, value or "")
    if not isinstance(value, str):
        return Output(number, None, f"bad_row: field {field} holds no text")
    return Output(number, value)


def read_outputs(rows: Iterable[Output], reading: JsonReading = "mend") -> Iterator[Read]:
    """The extractor's answer for each row; a bad row's error is passed on."""
    for row in rows:
        if row.text is None:
            yield Read(row.line, Extracted(None, "json", (), row.error), None, row.error)
        else:
            yield Read(row.line, extract(row.text, "json", reading=reading), *_plainly(row.text))


def _plainly(text: str) -> tuple[Any, str | None]:
    """``json.loads`` and nothing else; NaN and infinity are not JSON."""
    try:
        return json.loads(text, parse_constant=_refuse), None
    except (ValueError, RecursionError) as error:
        return None, str(error)[:120]


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not valid JSON")


@dataclass(slots=True, kw_only=True)
class Comparison:
    """What changes when the extractor takes the place of ``json.loads``; fed by ``add``."""

    rows: int = 0
    read_before: int = 0
    read_now: int = 0
    gained: int = 0
    """Failed before, read now."""
    lost: int = 0
    """Read before, failed now."""
    changed: int = 0
    """Read by both, to different values."""
    bad_rows: int = 0
    """Lines without an output; they count in ``rows`` only."""
    leniencies: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    """Error codes of what is not read now."""
    examples: list[dict[str, Any]] = field(default_factory=list)
    """Of rows that were lost or changed, the first ones."""

    def add(self, read: Read) -> None:
        self.rows += 1
        if (read.found.error or "").startswith("bad_row"):
            self.bad_rows += 1
            self._example(read)
            return
        before = read.failed is None
        now = read.found.error is None
        self.read_before += before
        self.read_now += now
        self.gained += now and not before
        self.lost += before and not now
        self.leniencies.update(read.found.leniencies)
        if not now:
            self.errors[str(read.found.error).partition(":")[0]] += 1
        changed = before and now and not same_json(read.before, read.found.value)
        self.changed += changed
        if changed or (before and not now):
            self._example(read)

    def _example(self, read: Read) -> None:
        if len(self.examples) < EXAMPLES:
            self.examples.append({"line": read.line, **read.to_json()})

    def to_json(self) -> dict[str, Any]:
        names = ("rows", "bad_rows", "read_before", "read_now", "gained", "lost", "changed")
        counts = {name: getattr(self, name) for name in names}
        tables = {
            name: dict(getattr(self, name).most_common()) for name in ("leniencies", "errors")
        }
        return counts | tables | {"examples": self.examples}
