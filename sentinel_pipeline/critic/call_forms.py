"""Calls of tools in the marks that models put around them, read into one form: ``{"name",
"arguments"}``, alone or in a list.

Known marks: ``<tool_call>`` (Hermes, Qwen, this package's own rows), ``[TOOL_CALLS]`` (Mistral, as
a list or name by name), ``<|python_tag|>`` and ``<function=NAME>`` (Llama), Harmony's
``to=functions.NAME``. What this module does not do: read a call without marks (it is JSON like any
other), repair one, or say whether it is right (``calls`` does).
"""

from __future__ import annotations

import re
from typing import Any

from .json_reader import Extracted, read_json

_MARKS = ("<tool_call>", "[TOOL_CALLS]", "<|python_tag|>", "<function=", "to=functions.")
_TAGGED = re.compile(r"<tool_call>\s*(.*?)\s*(?:</tool_call>|\Z)", re.DOTALL)
_NAMED = re.compile(r"<function=([\w.-]+)>\s*(.*?)\s*</function>", re.DOTALL)
_MISTRAL = re.compile(r"\[TOOL_CALLS\]\s*([\w.-]+)\s*(?:\[ARGS\])?\s*(\{.*?\})\s*(?=\[TOOL_CALLS\]|\Z)", re.DOTALL)  # fmt: skip
_HARMONY = re.compile(r"to=functions\.([\w.-]+)[^\n]*?<\|message\|>(.*?)(?:<\|call\|>|<\|end\|>|\Z)", re.DOTALL)  # fmt: skip


def marked_calls(text: str) -> Extracted | None:
    """The calls of ``text``, each with its error where a call cannot be read; None where nothing
    marks one."""
    if not any(mark in text for mark in _MARKS):
        return None
    bare = text.strip()
    if "<tool_call>" in text:
        bodies = _TAGGED.findall(text)
        return _together([read_json(body) for body in bodies])
    if bare.startswith("[TOOL_CALLS]"):
        named = _MISTRAL.findall(bare)
        return _of_names(named) if named else _whole(bare.removeprefix("[TOOL_CALLS]"))
    if bare.startswith("<|python_tag|>"):
        return _whole(bare.removeprefix("<|python_tag|>"))
    named = _NAMED.findall(text) or _HARMONY.findall(text)
    return _of_names(named) if named else None


def _whole(text: str) -> Extracted:
    """A list of calls, a call, or calls that semicolons part."""
    value = read_json(text)
    if value.error is None or ";" not in text:
        return value._replace(leniencies=("tool_call",))
    return _together([read_json(body) for body in re.split(r"(?<=\})\s*;\s*(?=\{)", text)])


def _of_names(named: list[tuple[str, str]]) -> Extracted:
    bodies = [read_json(body or "{}") for _, body in named]
    calls = [
        body if body.error else body._replace(value={"name": name, "arguments": body.value})
        for (name, _), body in zip(named, bodies, strict=True)
    ]
    return _together(calls)


def _together(calls: list[Extracted]) -> Extracted:
    """One call as it is, several as a list; the first error is that of all."""
    broken = next((call for call in calls if call.error is not None), None)
    if broken is not None:
        return broken
    values: list[Any] = [call.value for call in calls]
    return Extracted(values[0] if len(values) == 1 else values, "json", ("tool_call",))
