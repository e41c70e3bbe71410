"""Is the answer in the form that was asked, and does it say what was expected? JSON, unified diffs,
short texts, stops.

Each function returns None when all is well, else a reason ``CODE: detail``. What this module does
not do: extract (it gets the extracted value), run code, apply a diff with fuzz or offsets, or touch
a file: patches apply to texts in memory.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from io import StringIO
from typing import Any, NamedTuple

from ..records import JsonAnswer, TextAnswer
from .mentions import only_named

STOPS = (
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|end|>",
    "<|eom_id|>",
    "<end_of_turn>",
    "<|return|>",
)
"""Stop tokens as text, in the families of chat templates that this package knows."""


def same_json(a: Any, b: Any) -> bool:
    """Equality of decoded JSON values with exact types: ``1`` is not ``1.0`` is not ``True``; key
    order is free."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same_json(value, b[key]) for key, value in a.items())
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same_json, a, b))
    return bool(a == b)


def json_difference(value: Any, expected: Any, path: str = "$") -> str | None:
    """Where two decoded values first differ, as ``json_value: …`` or ``json_keys: …`` with a JSON
    path; None when equal."""
    if same_json(value, expected):
        return None
    if isinstance(value, dict) and isinstance(expected, dict):
        missing = sorted(expected.keys() - value.keys())
        extra = sorted(value.keys() - expected.keys())
        if missing or extra:
            return f"json_keys: at {path} missing {_short(missing)}, unexpected {_short(extra)}"
        key = next(key for key in sorted(expected) if not same_json(value[key], expected[key]))
        return json_difference(value[key], expected[key], f"{path}.{key}"[:80])
    if isinstance(value, list) and isinstance(expected, list) and len(value) == len(expected):
        index = next(i for i, item in enumerate(expected) if not same_json(value[i], item))
        return json_difference(value[index], expected[index], f"{path}[{index}]"[:80])
    return f"json_value: at {path} expected {_short(expected)}, got {_short(value)}"


def _short(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True)[:60]


@lru_cache(maxsize=1024)
def _validator(schema: str) -> Any:
    import jsonschema_rs

    return jsonschema_rs.validator_for(schema)


def schema_problem(value: Any, schema: str) -> str | None:
    """The first violation of a JSON Schema (given as JSON text), as ``json_schema: …``."""
    error = next(_validator(schema).iter_errors(value), None)
    if error is None:
        return None
    place = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.instance_path
    )
    return f"json_schema: at ${place[:60]}: {_line(error.message)[:120]}"


def _line(text: str) -> str:
    """One printable line: what is quoted comes from hostile text."""
    return "".join(char if char.isprintable() else "?" for char in text)


@lru_cache(maxsize=1024)
def _decoded(text: str) -> Any:
    return json.loads(text)


def judge_json(value: Any, verifier: JsonAnswer) -> str | None:
    """Schema first, then the value."""
    try:
        problem = schema_problem(value, verifier.schema) if verifier.schema else None
        return problem or json_difference(value, _decoded(verifier.expected))
    except RecursionError:
        return "too_deep"


# -- unified diffs ---------------------------------------------------------------------------------


class Hunk(NamedTuple):
    """``old`` and ``new`` are whole lines with their line ends; ``start`` is the zero-based first
    old line."""

    start: int
    old: tuple[str, ...]
    new: tuple[str, ...]


class FilePatch(NamedTuple):
    """``source`` is None where the file is created, ``target`` where it is deleted."""

    source: str | None
    target: str | None
    hunks: tuple[Hunk, ...]


MAX_DIFF_CHARS = 1_000_000


def parse_diff(text: str) -> list[FilePatch] | str:
    """The files of a unified diff, or ``CODE: detail``. At least one file and one hunk; every
    hunk's counts must hold."""
    from unidiff import PatchSet
    from unidiff.errors import UnidiffParseError

    if len(text) > MAX_DIFF_CHARS:
        return f"too_large: {len(text)} characters"
    try:
        patch = PatchSet(text)
    except UnidiffParseError as error:
        return f"bad_diff: {_line(str(error))}"[:160]
    except (ValueError, IndexError, AttributeError, AssertionError) as error:
        return f"bad_diff: {type(error).__name__}"
    files = [_file_patch(each) for each in patch]
    if not files:
        return "no_diff: no file header"
    if any(not each.hunks for each in files):
        return "bad_diff: a file without hunks"
    return _stray_line(text) or files


_HUNK_HEAD = re.compile(r"@@ -\d+(?:,(\d{1,9}))? \+\d+(?:,(\d{1,9}))? @@")


def _stray_line(text: str) -> str | None:
    """A line of change or context that no hunk counts: unidiff passes over it."""
    old = new = 0
    for number, line in enumerate(text.split("\n"), 1):
        if old > 0 or new > 0:
            old -= line[:1] in ("", " ", "-")
            new -= line[:1] in ("", " ", "+")
        elif head := _HUNK_HEAD.match(line):
            old, new = (int(count) if count is not None else 1 for count in head.groups())
        elif line[:1] in ("+", "-", " ") and not line.startswith(("--- ", "+++ ")) and line.strip():
            return f"bad_diff: line {number} stands outside every hunk"
    return None


def _file_patch(each: Any) -> FilePatch:
    hunks = tuple(map(_hunk, each))
    return FilePatch(_path(each.source_file, "a/"), _path(each.target_file, "b/"), hunks)


def _hunk(hunk: Any) -> Hunk:
    """Whole lines; a no-newline marker takes the line end of the line before it, a missing last
    line end is mended."""
    lines: list[tuple[str, str]] = []
    for line in hunk:
        if line.line_type != "\\":
            lines.append(
                (line.line_type, line.value if line.value.endswith("\n") else line.value + "\n")
            )
        elif lines:
            lines[-1] = (lines[-1][0], lines[-1][1].removesuffix("\n"))
    return Hunk(
        max(hunk.source_start - (1 if hunk.source_length else 0), 0),
        tuple(text for kind, text in lines if kind != "+"),
        tuple(text for kind, text in lines if kind != "-"),
    )


def _path(name: str, prefix: str) -> str | None:
    return None if name == "/dev/null" else name.removeprefix(prefix)


def apply_diff(text: str, files: dict[str, str]) -> dict[str, str] | str:
    """The files after a strict apply: every line of context where its hunk says, no fuzz, no
    offset; else ``CODE: detail``."""
    parsed = parse_diff(text)
    if isinstance(parsed, str):
        return parsed
    result = dict(files)
    for patch in parsed:
        problem = _apply_file(patch, result)
        if problem:
            return problem
    return result


def _apply_file(patch: FilePatch, files: dict[str, str]) -> str | None:
    source = patch.source
    target = patch.target
    if source is not None and source not in files:
        return f"unknown_file: {_line(source)[:80]}"
    if target is not None and target != source and target in files:
        return f"file_exists: {_line(target)[:80]}"
    lines = list(StringIO(files[source], newline="\n")) if source is not None else []
    done = _apply_hunks(lines, patch.hunks)
    if isinstance(done, str):
        return done
    if source is not None:
        del files[source]
    if target is not None:
        files[target] = "".join(done)
    elif done:
        return f"hunk_mismatch: {_line(source or '')[:80]} is deleted but lines are left"
    return None


def _apply_hunks(lines: list[str], hunks: tuple[Hunk, ...]) -> list[str] | str:
    lines_out: list[str] = []
    at = 0
    for number, hunk in enumerate(hunks, 1):
        if hunk.start < at:
            return f"hunk_order: hunk {number} begins before the end of the one before"
        if tuple(lines[hunk.start : hunk.start + len(hunk.old)]) != hunk.old or hunk.start > len(
            lines
        ):
            return f"hunk_mismatch: hunk {number} does not match at line {hunk.start + 1}"
        lines_out += lines[at : hunk.start]
        lines_out += hunk.new
        at = hunk.start + len(hunk.old)
    return lines_out + lines[at:]


def files_difference(got: dict[str, str], expected: dict[str, str]) -> str | None:
    """Which file differs from what was expected, as ``files_differ: …``."""
    for path in sorted(got.keys() | expected.keys()):
        if got.get(path) != expected.get(path):
            state = (
                "is missing"
                if path not in got
                else "is not expected"
                if path not in expected
                else "differs"
            )
            return f"files_differ: {_line(path)[:80]} {state}"
    return None


# -- texts and stops -------------------------------------------------------------------------------


def judge_text(text: str, verifier: TextAnswer) -> str | None:
    """One of the accepted answers exactly (case and outer space aside); then the facts that must
    and must not be there.

    A fact is found as whole words: ``art`` is not in ``party``.
    """
    folded = " ".join(text.split()).casefold()
    if verifier.accepted and folded not in {
        " ".join(text_accepted.split()).casefold() for text_accepted in verifier.accepted
    }:
        return "text_answer: is none of the accepted answers"
    missing = [fact for fact in verifier.must_contain if not _holds(folded, fact)]
    if missing:
        return f"missing_fact: {_line(missing[0])[:80]}"
    unwanted = [fact for fact in verifier.must_not_contain if _holds(folded, fact)]
    return f"unwanted_text: {_line(unwanted[0])[:80]}" if unwanted else None


def _holds(folded: str, fact: str) -> bool:
    fact_text = " ".join(fact.split()).casefold()
    return bool(re.search(rf"(?<!\w){re.escape(fact_text)}(?!\w)", folded))


def stop_problem(completion: str, stop: str | None = None) -> str | None:
    """Text after a stop token, or — when ``stop`` is demanded — its absence: ``after_stop: …`` or
    ``no_stop``."""
    for token in (stop,) if stop else STOPS:
        at = completion.find(token) if "<" in completion or stop else -1
        while at >= 0 and only_named(completion, at, at + len(token)):
            at = completion.find(token, at + len(token))
        if at >= 0:
            rest = completion[at + len(token) :].strip()
            return f"after_stop: {len(rest)} characters follow {token}" if rest else None
    return "no_stop" if stop else None
