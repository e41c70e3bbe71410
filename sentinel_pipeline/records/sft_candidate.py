"""A failure of a benchmark as a candidate for fine-tuning, field for field as seed 004 has it, and its strict reading.

``corrected_response: null`` is a contract: it means "a human has to write it", which is not the same as an absent key.
What this module does not do: read files, or say what is right; a task's tests travel beside the record (``ReviewTask``).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

from .messages import Message, messages_from
from .verifiers import Verifier, verifier_from_json, verifier_to_json

Status = Literal["needs_review", "approved", "discarded", "model_rejected"]
STATUSES: tuple[Status, ...] = ("needs_review", "approved", "discarded", "model_rejected")
"""``needs_review`` goes to the queue, ``approved`` to the export, the other two to analytics only."""
MAX_ID = 200
"""Characters of an id or a name: what is longer is text in the wrong field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SftCandidate:
    """One record of ``sft_candidates.jsonl``; field order is the file's key order."""

    id: str
    source: str
    benchmark_run_id: str
    timestamp: str
    """ISO 8601, as the harness wrote it."""
    status: Status
    prompt_messages: tuple[Message, ...]
    model_response: str
    """Hostile text: shown and stored as it is, never executed outside of the sandbox. May be empty."""
    corrected_response: str | None
    quality_score: float | None
    """Share of the task's criteria that the response met, within [0, 1]; None where the harness has no score."""
    failure_reason: str
    task_id: str
    task_type: str
    task_name: str
    model_id: str
    model_name: str
    node_id: str | None
    gpu_id: int | None
    tokens_per_sec: float | None

    def to_json(self) -> dict[str, Any]:
        """The record with the seed's keys in the seed's order."""
        rest = {name: getattr(self, name) for name in self.__slots__}
        return rest | {"prompt_messages": [turn.to_dict() for turn in self.prompt_messages]}

    @classmethod
    def from_json(cls, data: Any) -> SftCandidate:
        """Read one decoded line strictly; unknown keys are refused, since dropping them would lose what they say.

        Raises:
            ValueError: names the field, what it holds and what was expected.
        """
        if not isinstance(data, dict):
            raise ValueError(f"expected an object, got {type(data).__name__}")
        _keys(data, cls.__slots__)
        names = {key: _name(data, key) for key in ("id", "benchmark_run_id", "task_id", "model_id")}
        texts = {
            key: _text(data, key)
            for key in ("source", "timestamp", "failure_reason", "task_type", "task_name")
        }
        record = cls(
            **names,
            **texts,
            status=_status(data),
            prompt_messages=_prompt(data["prompt_messages"]),
            model_response=_text(data, "model_response"),
            corrected_response=None
            if data["corrected_response"] is None
            else _text(data, "corrected_response"),
            quality_score=_number(data, "quality_score", most=1.0),
            model_name=_text(data, "model_name"),
            node_id=None if data["node_id"] is None else _text(data, "node_id"),
            gpu_id=_integer(data, "gpu_id"),
            tokens_per_sec=_number(data, "tokens_per_sec"),
        )
        _contract(record)
        return record


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewTask:
    """What a record does not say of its task: the suite that it judges in, and how an answer is checked."""

    task_id: str
    suite: str
    family: str
    verifier: Verifier

    def to_json(self) -> dict[str, Any]:
        rest = {name: getattr(self, name) for name in self.__slots__}
        return rest | {"verifier": verifier_to_json(self.verifier)}

    @classmethod
    def from_json(cls, data: Any) -> ReviewTask:
        """Read what ``to_json`` wrote.

        Raises:
            ValueError: a field is missing, unknown or of the wrong type.
        """
        if not isinstance(data, dict):
            raise ValueError(f"expected an object, got {type(data).__name__}")
        _keys(data, cls.__slots__)
        verifier = verifier_from_json(_text(data, "verifier"))
        if verifier is None:
            raise ValueError("verifier: expected an object, got null")
        return cls(
            verifier=verifier, **{key: _name(data, key) for key in ("task_id", "suite", "family")}
        )


def _keys(data: dict[str, Any], wanted: Any) -> None:
    missing = [key for key in wanted if key not in data]
    if missing:
        raise ValueError(f"{missing[0]}: the key is missing")
    unknown = sorted(str(key) for key in data if key not in wanted)
    if unknown:
        raise ValueError(f"{unknown[0][:40]}: unknown key")


def _text(data: dict[str, Any], key: str) -> str:
    if not isinstance(data[key], str):
        raise ValueError(f"{key}: expected text, got {type(data[key]).__name__}")
    return str(data[key])


def _name(data: dict[str, Any], key: str) -> str:
    value = _text(data, key)
    if not value.strip() or len(value) > MAX_ID:
        raise ValueError(f"{key}: expected 1 to {MAX_ID} characters, got {len(value)}")
    if not value.isprintable():
        raise ValueError(f"{key}: holds characters that cannot be printed")
    return value


def _status(data: dict[str, Any]) -> Status:
    for status in STATUSES:
        if data["status"] == status:
            return status
    raise ValueError(f"status: {str(data['status'])[:40]!r} is not one of {', '.join(STATUSES)}")


def _prompt(value: Any) -> tuple[Message, ...]:
    try:
        turns = messages_from(value)
    except ValueError as error:
        raise ValueError(f"prompt_{error}") from error
    if turns[-1].role not in ("user", "tool"):
        raise ValueError(
            f"prompt_messages: ends with a turn of {turns[-1].role}, expected user or tool"
        )
    return turns


def _number(data: dict[str, Any], key: str, most: float | None = None) -> float | None:
    value = data[key]
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
        raise ValueError(f"{key}: expected a number or null, got {str(value)[:40]!r}")
    if value < 0 or (most is not None and value > most):
        raise ValueError(f"{key}: {value:g} is out of range")
    return float(value)


def _integer(data: dict[str, Any], key: str) -> int | None:
    value = data[key]
    if value is not None and (
        isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31
    ):
        raise ValueError(f"{key}: expected a small whole number or null, got {str(value)[:40]!r}")
    return value


def _contract(record: SftCandidate) -> None:
    """A correction goes with ``approved``, and with nothing else."""
    if record.status == "approved" and (
        record.corrected_response is None or not record.corrected_response.strip()
    ):
        raise ValueError("corrected_response: status is approved, but there is no correction")
    if record.status != "approved" and record.corrected_response is not None:
        raise ValueError(f"corrected_response: expected null while status is {record.status}")
