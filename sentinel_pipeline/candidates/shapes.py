"""One row of any supported shape, recognised and normalised into a ``Candidate``.

Shapes, in the order in which they are tried: MBPP and HumanEval as distributed; a list of turns
(``messages``, ``conversations`` …, ChatML's or ShareGPT's names for who speaks), alone or as the
prompt of a ``completion``; a request and an answer under any two of the names in ``REQUESTS`` and
``ANSWERS``, either of them as turns too; a whole conversation as one rendered ``text``. ``tests``,
``entry_point``, ``setup``, ``verifier``, ``category``, ``task_id``, ``system`` and ``tools`` may
stand in any of them. What a model thought before its answer (``reasoning_content`` of a turn or a
row, ``thinking``, a turn's ``reasoning``) is kept before the answer, in tags by which the two are
parted again. A field that is null counts as absent, because tables of mixed rows are full of nulls.
An answer that is marked as not to be trained on (``marks``) is not a candidate.

Nothing is scored here: a completion that is wrong, secret-bearing or garbage is the critic's to
say. A row is refused only when it cannot be read as somebody asking and somebody answering.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..critic.thoughts import with_thought
from ..errors import BadInput
from ..records import Candidate, Message, Verifier, messages_from, verifier_to_json
from ..tasks.suites import humaneval, mbpp, own
from ..tasks.suites.rows import SuiteRow
from .marks import says_not_to_train_row, says_not_to_train_turn
from .rendered import rendered_turns
from .turns import (
    CALLERS,
    ROW_THOUGHTS,
    SPEAKERS,
    order_problem,
    plain_turns,
    thought_of,
    with_tools,
)

CONVERSATIONS = ("messages", "conversations", "conversation", "dialogue", "dialog", "turns")
"""Fields that hold a list of turns, in the order in which they are looked for."""
REQUESTS = ("prompt", "instruction", "question", "query", "problem", "inputs", "input")
"""Fields that hold the request, in the order in which they are looked for."""
ANSWERS = ("completion", "response", "output")
"""Fields that hold the answer; where a row has several, they must agree."""
OTHER_ANSWERS = ("answer", "target", "targets", "solution")
"""The same where none of ``ANSWERS`` is there: beside an answer these hold a reference."""
CONTEXTS = ("input", "context")
"""What a request is about; it follows the request."""
TEXTS = ("text", "formatted_text")
"""A whole conversation as one text; beside a request and an answer it repeats them."""
SYSTEMS = ("system", "system_prompt", "system_message")
NOT_TEXT = ("image", "images", "video", "videos", "audio", "audios")
"""What a model would have to see or hear: nothing here can keep it."""


class RowRefused(ValueError):
    """A row that cannot be read as a candidate; ``reason`` is ``code: detail`` and becomes a
    ``Quarantined``."""

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
        RowRefused: with the reason: ``shape`` (no known shape), ``field`` (a field's value is
            wrong), ``order`` (of turns), ``encoding`` (text that is not Unicode, so no table can
            hold it), ``not_trained`` (the answer is marked so), ``too_deep``.
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
    except RecursionError as error:
        raise RowRefused("too_deep", "nested too deeply to be read") from error
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


def to_request(row: dict[str, Any], *, file: str, line: int) -> tuple[Message, ...]:
    """The prompt of a row that holds no answer: turns that end with the user's, or a request under
    any of the names in ``REQUESTS``.

    Raises:
        RowRefused: as ``to_candidate``.
    """
    fields = {name: value for name, value in row.items() if value is not None}
    there = SuiteRow(fields, file, line)
    try:
        field = next((name for name in CONVERSATIONS if _holds_turns(fields.get(name), name)), None)
        request = next((name for name in REQUESTS if name in fields), None)
        if field is not None:
            turns = _turns(fields[field], field)
        elif request is not None:
            turns = _request(there, request)
        else:
            shown = ", ".join(sorted(str(name)[:40] for name in fields)[:12]) or "none"
            raise RowRefused("shape", f"no request among the fields {shown}")
        if turns[-1].role != "user":
            raise RowRefused("field", f"the prompt must end with a user turn, not {turns[-1].role}")
        if problem := order_problem(turns):
            raise RowRefused("order", problem)
        return with_tools(_with_system(there, turns), fields.get("tools"))
    except BadInput as error:
        raise RowRefused("field", _without_place(error)) from error
    except RecursionError as error:
        raise RowRefused("too_deep", "nested too deeply to be read") from error


def candidate_id(
    source: str, file: str, line: int, messages: tuple[Message, ...], completion: str
) -> str:
    """16 hex digits of a SHA-256 over place and content: two equal rows at two places are two
    candidates."""
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
    """The message with its field but without file and line, which a ``Quarantined`` holds by
    itself."""
    text = str(error)
    return text.partition(f"{error.file}:{error.line}, ")[2] or text


def _refuse_surrogates(candidate: Candidate) -> None:
    for text in (
        *(turn.content for turn in candidate.messages),
        candidate.completion,
        candidate.category or "",
        candidate.task_id or "",
        verifier_to_json(candidate.verifier) or "",
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
        _refuse_marked(row, ("user", "assistant"))
        return Answered((Message("user", mbpp.prompt(row, checked)),), mbpp.solution(row), checked)
    if has >= humaneval.FIELDS:
        tested = humaneval.verifier(row)
        stub = (Message("user", humaneval.ASK + tested.prefix),)
        _refuse_marked(row, ("user", "assistant"))
        return Answered(stub, row.text("canonical_solution"), tested)
    for name in NOT_TEXT:
        if row.fields.get(name):
            raise RowRefused("field", f"{name}: is not understood here and would be lost")
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
    _refuse_marked(row, (*(turn.role for turn in messages), "assistant"))
    tools = row.fields.get("tools") or row.fields.get("functions")
    return Answered(with_tools(messages, tools), completion, own.verifier(row))


def _refuse_marked(row: SuiteRow, roles: Sequence[str]) -> None:
    """Refuse a row whose answer is marked as not to be trained on."""
    if mark := says_not_to_train_row(row.fields, roles):
        raise RowRefused("not_trained", f"{mark}: the answer is not to be trained on")


def _conversation(row: SuiteRow) -> tuple[tuple[Message, ...], str]:
    """Prompt turns and the answer, whatever the shape calls them."""
    has = row.fields.keys()
    field = next((name for name in CONVERSATIONS if _holds_turns(row.fields.get(name), name)), None)
    if field is not None:
        turns = _turns(row.fields[field], field)
        answer = next((name for name in ("completion", "response") if name in has), None)
        # Turns that end with the assistant hold the answer themselves; a field beside them may only
        # repeat it.
        if answer is None or turns[-1].role == "assistant":
            earlier, completion = _split(turns, row.fields[field], field)
            if answer is not None and _answer(row, answer)[1].strip() != completion.strip():
                raise RowRefused("field", f"{field} and {answer} hold different answers")
            return _with_system(row, earlier), completion
        between, completion = _answer(row, answer)
        return _with_system(row, (*turns, *between)), completion
    answers = [name for name in ANSWERS if name in has]
    # Words that mean something else in other shapes (`text`, `target`) are an answer only where no
    # plain name is there.
    answers = answers or [name for name in OTHER_ANSWERS if name in has][:1]
    request = next((name for name in REQUESTS if name in has), None)
    if request is not None and answers:
        between, completion = _agreed(row, answers)
        return _with_system(row, (*_request(row, request), *between)), completion
    # Last, since `text` is also the rendered copy of fields that were read above.
    rendered = next((name for name in TEXTS if isinstance(row.fields.get(name), str)), None)
    if rendered is not None and (raw := rendered_turns(row.fields[rendered])):
        earlier, completion = _split(_turns(raw, rendered), raw, rendered)
        return _with_system(row, earlier), completion
    shown = ", ".join(sorted(str(name)[:40] for name in has)[:12]) or "none"
    raise RowRefused("shape", f"no known shape has the fields {shown}")


def _holds_turns(value: Any, name: str) -> bool:
    """Whether a field is the row's conversation; the two common names are, whatever they hold."""
    if name in ("messages", "conversations"):
        return value is not None
    return isinstance(value, list) and all(isinstance(turn, dict) for turn in value) and bool(value)


def _split(turns: tuple[Message, ...], raw: Any, field: str) -> tuple[tuple[Message, ...], str]:
    """The last turn is the answer."""
    if turns[-1].role != "assistant":
        raise RowRefused(
            "field", f"{field}: the last turn must be the assistant's, not {turns[-1].role}"
        )
    if len(turns) == 1:
        raise RowRefused("field", f"{field}: holds an answer without a prompt")
    _refuse_marked_turn(raw, field)
    return turns[:-1], turns[-1].content


def _refuse_marked_turn(raw: Any, field: str) -> None:
    """Refuse an answer whose own turn is marked as not to be trained on."""
    last = _decoded(raw)[-1]
    if isinstance(last, dict) and (
        mark := says_not_to_train_turn(last, f"{field}[{len(_decoded(raw)) - 1}]")
    ):
        raise RowRefused("not_trained", f"{mark}: the answer is not to be trained on")


def _with_system(row: SuiteRow, turns: tuple[Message, ...]) -> tuple[Message, ...]:
    system = next(
        (
            text
            for name in SYSTEMS
            if isinstance(text := row.fields.get(name), str) and text.strip()
        ),
        None,
    )
    if system is None or turns[0].role == "system":
        return turns
    return (Message("system", system), *turns)


def _request(row: SuiteRow, field: str) -> tuple[Message, ...]:
    """The request with what it is about, and the rounds before it (``history``: pairs of request
    and answer)."""
    value = row.fields[field]
    if isinstance(value, list) and field == "prompt":
        return _turns(value, field)
    text = row.text(field)
    for name in ("choices", "options"):
        if row.fields.get(name):
            raise RowRefused("field", f"{name}: is not understood here and would be lost")
    for name in CONTEXTS:
        if name == field or (field == "prompt" and not isinstance(row.fields.get(name), str)):
            continue
        context = row.text(name, "", empty=True)
        if context.strip() and (field != "prompt" or context not in text):
            text = f"{text}\n\n{context}"
    return (*_history(row), Message("user", text))


def _history(row: SuiteRow) -> tuple[Message, ...]:
    rounds = row.fields.get("history") or []
    if not isinstance(rounds, list) or not all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(text, str) for text in pair)
        for pair in rounds
    ):
        raise RowRefused("field", "history: expected pairs of a request and its answer")
    turns = [
        {"role": role, "content": text}
        for pair in rounds
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]
    return _turns(turns, "history") if turns else ()


def _agreed(row: SuiteRow, fields: list[str]) -> tuple[tuple[Message, ...], str]:
    """The answer that all ``fields`` hold, without the white space by which only some differ."""
    answers = [_answer(row, field) for field in fields]
    texts = {(between, completion.strip()) for between, completion in answers}
    if len(texts) > 1:
        raise RowRefused("field", f"{' and '.join(fields)} hold different answers")
    return min(answers, key=lambda answer: len(answer[1]))


def _answer(row: SuiteRow, field: str) -> tuple[tuple[Message, ...], str]:
    """The answer, and the turns that lead to it: calls of tools and their results."""
    value = row.fields[field]
    if not isinstance(value, list) or field not in ("completion", "response"):
        return (), row.text(field)
    turns = _turns(value, field)
    if turns[0].role != "assistant" or turns[-1].role != "assistant":
        raise RowRefused(
            "field", f"{field}: expected exactly one assistant turn, got {len(turns)} turn(s)"
        )
    _refuse_marked_turn(value, field)
    return turns[:-1], turns[-1].content


def _decoded(value: Any) -> Any:
    """A list of turns that a table keeps as JSON text."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _turns(value: Any, field: str) -> tuple[Message, ...]:
    """Turns of plain text: parts are joined, tool calls and results written out."""
    value = _decoded(value)
    if not isinstance(value, list) or not value:
        raise RowRefused(
            "field",
            f"{field}: expected a non-empty list, got {type(value).__name__}",
        )
    try:
        turns = plain_turns([_named(turn, index, field) for index, turn in enumerate(value)])
        first = turns[0]
        if isinstance(first, dict) and first["role"] == "system" and not first["content"]:
            turns = turns[1:]  # templates write an empty system turn where nothing was to be said
        return messages_from(turns)
    except ValueError as error:
        raise RowRefused("field", str(error).replace("messages", field, 1)) from error


def _named(turn: Any, index: int, field: str) -> Any:
    """A turn of ShareGPT's with the names of ChatML's; any other as it is."""
    if not isinstance(turn, dict) or ("from" not in turn and "value" not in turn):
        if field == "conversations" and not isinstance(turn, dict):
            raise RowRefused(
                "field", f"conversations[{index}]: expected an object, got {type(turn).__name__}"
            )
        return turn
    speaker = turn.get("from", turn.get("role"))
    if not isinstance(speaker, str) or speaker not in SPEAKERS.keys() | CALLERS:
        raise RowRefused("field", f"{field}[{index}].from: unknown speaker {str(speaker)[:40]!r}")
    content = turn["value"] if turn.get("value") is not None else turn.get("content")
    rest = {key: value for key, value in turn.items() if key not in ("from", "value")}
    return rest | {"role": speaker, "content": content}
