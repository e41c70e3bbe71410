"""A failure of a benchmark as a candidate for fine-tuning, field for field as the labelling request
has it, and its reading.

What a card cannot do without is required, everything else may be absent, and keys that the request
does not name are kept: they travel with the record and come out where it does.
``corrected_response: null`` is a contract: it means "a human has to write it", which is not the
same as an absent key. What this module does not do: read files, or say what is right; a task's
tests travel beside the record (``ReviewTask``).
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from msgspec import Meta

from .bounds import NotNegative, Share
from .decode import Fault, build, check_rules, required_of
from .messages import Message, messages_from
from .rows import TableRow
from .verifiers import Verifier

Status = Literal["needs_review", "approved", "discarded", "model_rejected"]
STATUSES: tuple[Status, ...] = ("needs_review", "approved", "discarded", "model_rejected")
"""``needs_review`` goes to the queue, ``approved`` to the export, the other two to analytics
only."""
Name = Annotated[str, Meta(min_length=1, max_length=200)]
"""An id or a name: what is longer is text in the wrong field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SftCandidate:
    """One record of ``sft_candidates.jsonl``; field order is the file's key order."""

    id: Name
    source: str = ""
    benchmark_run_id: Name
    timestamp: str = ""
    """ISO 8601, as the harness wrote it."""
    status: Status
    prompt_messages: tuple[Message, ...]
    model_response: str
    """Hostile text: shown and stored as it is, never executed outside of the sandbox. May be
    empty."""
    corrected_response: str | None
    quality_score: Share | None = None
    """Share of the task's criteria that the response met, within [0, 1]; None where the harness has
    no score."""
    failure_reason: str
    task_id: Name
    task_type: str
    task_name: str = ""
    """Empty: the task's id stands for it."""
    model_id: Name
    model_name: str = ""
    """Empty: the model's id stands for it."""
    node_id: str | None = None
    gpu_id: Annotated[int, Meta(ge=0, lt=2**31)] | None = None
    tokens_per_sec: NotNegative | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    """Keys of the line that the request does not name, with their values: whoever wrote them gets
    them back."""

    def to_json(self) -> dict[str, Any]:
        """The record with the labelling request's keys, in its order, then the line's own keys."""
        rest = {name: getattr(self, name) for name in self.__slots__ if name != "extra"}
        turns = [turn.to_dict() for turn in self.prompt_messages]
        return rest | {"prompt_messages": turns} | self.extra

    @classmethod
    def from_json(cls, data: Any) -> SftCandidate:
        """Read one decoded line. Optional keys may be absent; unknown keys are kept as ``extra``.

        Raises:
            ValueError: names the field, what it holds and what was expected.
        """
        if not isinstance(data, dict):
            return build(cls, data)
        named = {key: value for key, value in data.items() if key in _KEYS}
        extra = {key: value for key, value in data.items() if key not in _KEYS}
        if "prompt_messages" in named:
            try:
                named["prompt_messages"] = messages_from(named["prompt_messages"])
            except ValueError as error:
                raise ValueError(f"prompt_{error}") from error
        try:
            record = build(cls, named)
        except Fault as fault:
            # A required key may be there under a misspelt name.
            if fault.key in _REQUIRED and fault.key not in named:
                near = difflib.get_close_matches(fault.key, [str(key) for key in extra], n=1)
                fix = f"The line has {near[0]!r}: rename it" if near else None
                raise Fault(fault.message, fault.key, fix) from None
            raise
        for key, value in extra.items():
            _check_name("an extra key", key)
            try:
                json.dumps(value, allow_nan=False)
            except ValueError:
                raise Fault("holds NaN or Infinity, which JSON does not have", key) from None
        return replace(record, extra=extra)

    def check(self) -> None:
        """Names are names; the prompt asks; a correction goes with ``approved``, and with nothing
        else."""
        for key in ("id", "benchmark_run_id", "task_id", "model_id"):
            _check_name(key, getattr(self, key))
        last = self.prompt_messages[-1].role
        if last not in ("user", "tool"):
            message = f"ends with a turn of {last}, expected user or tool"
            raise Fault(message, "prompt_messages")
        if self.status != "approved" and self.corrected_response is not None:
            raise Fault(f"expected null while status is {self.status}", "corrected_response")
        if self.status == "approved" and not (self.corrected_response or "").strip():
            raise Fault("status is approved, but there is no correction", "corrected_response")


_KEYS = frozenset(SftCandidate.__slots__) - {"extra"}
"""The keys that the labelling request names."""
_REQUIRED = frozenset(required_of(SftCandidate))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewTask(TableRow):
    """What a record does not say of its task: the suite that it judges in, and how an answer is
    checked."""

    task_id: Name
    suite: Name
    family: Name
    verifier: Verifier

    def to_json(self) -> dict[str, Any]:
        return self.to_row()

    @classmethod
    def from_json(cls, data: Any) -> ReviewTask:
        """Read what ``to_json`` wrote; keys that somebody added to it say nothing here.

        Raises:
            ValueError: a field is missing or of the wrong type.
        """
        if not isinstance(data, dict):
            raise Fault(f"expected table, got {type(data).__name__}")
        task = cls.from_row(data)
        check_rules(task)
        return task

    def check(self) -> None:
        for key in ("task_id", "suite", "family"):
            _check_name(key, getattr(self, key))


def _check_name(key: str, name: str) -> None:
    """Beyond its length: a name is seen, on pages and in logs, as what it is."""
    if not name.strip():
        raise Fault("is empty", key)
    if not name.isprintable():
        raise Fault("holds characters that cannot be printed", key)
