"""One row of any supported shape, recognised and normalised into a ``Candidate``.

Shapes, in the order in which they are tried: MBPP and HumanEval as distributed; ``messages``
(ChatML), alone or as the prompt of a ``completion``; ShareGPT ``conversations``; ``prompt`` with
``completion`` (text, or TRL's lists of turns); ``prompt`` with ``response``; Alpaca
``instruction``/``input``/``output``. ``tests``, ``entry_point``, ``setup``, ``verifier``,
``category`` and ``task_id`` may stand in any of them. What a model thought before its answer
(``reasoning_content`` of a turn or a row, ``thinking``, a turn's ``reasoning``) is kept before the
answer, in tags by which the two are parted again. A field that is null counts as absent, because
tables of mixed rows are full of nulls.

Nothing is judged here: a completion that is wrong, secret-bearing or garbage is the critic's to say. A row is refused only
when it cannot be read as somebody asking and somebody answering.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

from sentinel_pipeline.critic.thoughts import with_thought
from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.records import Candidate, Message, Verifier, messages_from
from sentinel_pipeline.tasks.suites import humaneval, mbpp, own
from sentinel_pipeline.tasks.suites.rows import SuiteRow

from .turns import ROW_THOUGHTS, THOUGHTS, order_problem, plain_turn, thought_of, with_tools

SHAREGPT_ROLES = {
    "system": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
}


class RowRefused(ValueError):
    """A row that cannot be read as a candidate; ``reason`` is ``code: detail`` and becomes a ``Quarantined``."""

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        self.reason = f"{code}: {detail}"
        super().__init__(self.reason)


class Answered(NamedTuple):
    """What every shape boils down to."""

    messages: tuple[Message, ...]
    completion: str
    verifier: Verifier | None = None


def to_candidate(row: Any, *, source: str, file: str, line: int) -> Candidate:
    """Read one row.

    Args:
        row: the decoded row.
        source: recorded as it is (``file:NAME``, ``hub:NAME``).
        file: where it was read; part of the id.
        line: one-based.

    Raises:
        RowRefused: with the reason: ``shape`` (no known shape), ``field`` (a field's value is wrong), ``order`` (of turns),
            ``encoding`` (text that is not Unicode, so no table can hold it).
    """
    if not isinstance(row, dict):
        raise RowRefused("shape", f"expected an object, got {type(row).__name__}")
    fields = {name: value for name, value in row.items() if value is not None}
    try:
        answered = _normalise(SuiteRow(fields, file, line))
    except BadInput as error:
        raise RowRefused("field", _without_place(error)) from error
    except ValueError as error:
        raise error if isinstance(error, RowRefused) else RowRefused("field", str(error)) from error
    category = fields.get("category")
    task_id = fields.get("task_id")
    candidate = Candidate(
        id=candidate_id(source, file, line, answered.messages, answered.completion),
        source=source,
        messages=answered.messages,
        completion=answered.completion,
        category=category if isinstance(category, str) and category.strip() else None,
        task_id=str(task_id) if isinstance(task_id, (str, int)) else None,
        verifier=answered.verifier,
        file=file,
        line=line,
    )
    _refuse_surrogates(candidate)
    return candidate


def candidate_id(
    source: str, file: str, line: int, messages: tuple[Message, ...], completion: str
) -> str:
    """16 hex digits of a SHA-256 over place and content: two equal rows at two places are two candidates."""
    digest = hashlib.sha256()
    for part in (
        source,
        file,
        str(line),
        *(text for turn in messages for text in turn),
        completion,
    ):
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:16]


def _without_place(error: BadInput) -> str:
    """The message with its field but without file and line, which a ``Quarantined`` holds by itself."""
    text = str(error)
    return text.partition(f"{error.file}:{error.line}, ")[2] or text


def _refuse_surrogates(candidate: Candidate) -> None:
    for text in (
        *(turn.content for turn in candidate.messages),
        candidate.completion,
        candidate.task_id or "",
    ):
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise RowRefused(
                "encoding", f"holds a lone surrogate U+{ord(text[error.start]):04X}"
            ) from error


def _normalise(row: SuiteRow) -> Answered:
    has = row.fields.keys()
    if has >= mbpp.FIELDS and has & {"text", "prompt"}:
        checked = mbpp.verifier(row)
        return Answered((Message("user", mbpp.prompt(row, checked)),), mbpp.solution(row), checked)
    if has >= humaneval.FIELDS:
        tested = humaneval.verifier(row)
        stub = (Message("user", humaneval.ASK + tested.prefix),)
        return Answered(stub, row.text("canonical_solution"), tested)
    messages, completion = _conversation(row)
    if thought := thought_of(row.fields, ROW_THOUGHTS, "row"):
        completion = with_thought(thought, completion)
    if not any(turn.role == "user" for turn in messages):
        raise RowRefused("field", "the prompt has no user turn")
    if messages[-1].role == "assistant":
        raise RowRefused(
            "field",
            "the prompt ends with an assistant turn; expected a user or tool turn before the answer",
        )
    if problem := order_problem((*messages, Message("assistant", completion))):
        raise RowRefused("order", problem)
    return Answered(with_tools(messages, row.fields.get("tools")), completion, own.verifier(row))


def _conversation(row: SuiteRow) -> tuple[tuple[Message, ...], str]:
    """Prompt turns and the answer, whatever the shape calls them."""
    has = row.fields.keys()
    if "messages" in has:
        turns = _turns(row.fields["messages"], "messages")
        return (
            (turns, _answer(row, "completion"))
            if "completion" in has
            else _split(turns, "messages")
        )
    if "conversations" in has:
        return _split(_sharegpt(row), "conversations")
    if "prompt" in has and "completion" in has:
        return _prompt(row), _answer(row, "completion")
    if "prompt" in has and "response" in has:
        return _prompt(row), _answer(row, "response")
    if "instruction" in has and "output" in has:
        return _alpaca(row), row.text("output")
    shown = ", ".join(sorted(str(name)[:40] for name in has)[:12]) or "none"
    raise RowRefused("shape", f"no known shape has the fields {shown}")


def _split(turns: tuple[Message, ...], field: str) -> tuple[tuple[Message, ...], str]:
    """The last turn is the answer."""
    if turns[-1].role != "assistant":
        raise RowRefused(
            "field", f"{field}: the last turn must be the assistant's, not {turns[-1].role}"
        )
    if len(turns) == 1:
        raise RowRefused("field", f"{field}: holds an answer without a prompt")
    return turns[:-1], turns[-1].content


def _prompt(row: SuiteRow) -> tuple[Message, ...]:
    value = row.fields["prompt"]
    turns = (
        _turns(value, "prompt")
        if isinstance(value, list)
        else (Message("user", row.text("prompt")),)
    )
    system = row.fields.get("system")
    if isinstance(system, str) and system.strip() and turns[0].role != "system":
        return (Message("system", system), *turns)
    return turns


def _answer(row: SuiteRow, field: str) -> str:
    value = row.fields[field]
    if not isinstance(value, list):
        return row.text(field)
    turns = _turns(value, field)
    if len(turns) != 1 or turns[0].role != "assistant":
        raise RowRefused(
            "field", f"{field}: expected exactly one assistant turn, got {len(turns)} turn(s)"
        )
    return turns[0].content


def _alpaca(row: SuiteRow) -> tuple[Message, ...]:
    given = row.text("input", "", empty=True)
    text = row.text("instruction")
    return (Message("user", f"{text}\n\n{given}" if given.strip() else text),)


def _turns(value: Any, field: str) -> tuple[Message, ...]:
    """Turns of plain text: parts are joined, tool calls and results written out."""
    try:
        return messages_from(
            [plain_turn(turn, index) for index, turn in enumerate(value)]
            if isinstance(value, list)
            else value
        )
    except ValueError as error:
        raise RowRefused("field", str(error).replace("messages", field, 1)) from error


def _sharegpt(row: SuiteRow) -> tuple[Message, ...]:
    value = row.fields["conversations"]
    if not isinstance(value, list) or not value:
        raise RowRefused(
            "field", f"conversations: expected a non-empty list, got {type(value).__name__}"
        )
    turns = [_sharegpt_turn(turn, index) for index, turn in enumerate(value)]
    system = row.fields.get("system")
    if isinstance(system, str) and system.strip() and turns[0]["role"] != "system":
        turns.insert(0, {"role": "system", "content": system})
    return _turns(turns, "conversations")


def _sharegpt_turn(turn: Any, index: int) -> dict[str, Any]:
    if not isinstance(turn, dict):
        raise RowRefused(
            "field", f"conversations[{index}]: expected an object, got {type(turn).__name__}"
        )
    said = turn.get("from", turn.get("role"))
    role = SHAREGPT_ROLES.get(said) if isinstance(said, str) else None
    if role is None:
        raise RowRefused(
            "field", f"conversations[{index}].from: unknown speaker {str(said)[:40]!r}"
        )
    thoughts = {name: turn[name] for name in THOUGHTS if turn.get(name)}
    return {"role": role, "content": turn.get("value", turn.get("content")), **thoughts}
