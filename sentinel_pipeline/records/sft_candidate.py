"""A failure of a benchmark as a candidate for fine-tuning, field for field as the labelling request
has it, and its strict reading.

``corrected_response: null`` is a contract: it means "a human has to write it", which is not the
same as an absent key. What this module does not do: read files, or say what is right; a task's
tests travel beside the record (``ReviewTask``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from msgspec import Meta

from ..errors import did_you_mean
from .bounds import NotNegative, Share
from .decode import Fault, build, check_rules
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
    source: str
    benchmark_run_id: Name
    timestamp: str
    """ISO 8601, as the harness wrote it."""
    status: Status
    prompt_messages: tuple[Message, ...]
    model_response: str
    """Hostile text: shown and stored as it is, never executed outside of the sandbox. May be
    empty."""
    corrected_response: str | None
    quality_score: Share | None
    """Share of the task's criteria that the response met, within [0, 1]; None where the harness has
    no score."""
    failure_reason: str
    task_id: Name
    task_type: str
    task_name: str
    model_id: Name
    model_name: str
    node_id: str | None
    gpu_id: Annotated[int, Meta(ge=0, lt=2**31)] | None
    tokens_per_sec: NotNegative | None

    def to_json(self) -> dict[str, Any]:
        """The record with the labelling request's keys, in its order."""
        rest = {name: getattr(self, name) for name in self.__slots__}
        return rest | {"prompt_messages": [turn.to_dict() for turn in self.prompt_messages]}

    @classmethod
    def from_json(cls, data: Any) -> SftCandidate:
        """Read one decoded line strictly; unknown keys are refused, since dropping them would lose
        what they say.

        Raises:
            ValueError: names the field, what it holds and what was expected.
        """
        if isinstance(data, dict) and "prompt_messages" in data:
            try:
                data = data | {"prompt_messages": messages_from(data["prompt_messages"])}
            except ValueError as error:
                raise ValueError(f"prompt_{error}") from error
        return build(cls, data)

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
        """Read what ``to_json`` wrote.

        Raises:
            ValueError: a field is missing, unknown or of the wrong type.
        """
        if not isinstance(data, dict):
            raise Fault(f"expected table, got {type(data).__name__}")
        for key in data:
            if key not in cls.__slots__:
                raise Fault("unknown key", key, did_you_mean(key, cls.__slots__))
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
