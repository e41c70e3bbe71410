"""Turns as people write them -> turns of plain text in a strict order, without losing anything that
was said.

Tool calls, tool results and tool declarations become text in the tags that ChatML models write
(``<tool_call>``, ``<tool_response>``, ``<tools>``, one JSON object a line inside);
``tool_calls_in`` reads calls back. A thought in a field of its own is written before its answer, in
the tags by which ``critic.thoughts`` parts them again. What cannot be kept is refused by name. What
this module does not do: know row shapes, or score.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from ..critic.thoughts import with_thought
from ..records import Message
from .marks import MARKS

THOUGHTS = ("reasoning_content", "reasoning", "thinking")
"""Fields of an assistant's turn that hold what it thought before its answer."""
ROW_THOUGHTS = ("reasoning_content", "thinking")
"""The same, of a whole row: there ``reasoning`` may be anybody's."""
SPEAKERS = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "tool_response": "tool",
    "tool_result": "tool",
    "function_response": "tool",
    "ipython": "tool",
}
"""Who speaks, as formats name it -> the role that it is here."""
CALLERS = frozenset({"function_call", "function-call", "tool_call", "tool_calls"})
"""Speakers whose turn is a call of tools, or several, as JSON."""
_KEPT = frozenset(
    {"role", "content", "tool_calls", "function_call", "tool_call_id", "name", "refusal", *THOUGHTS}
)
_NO_MEANING = frozenset(
    {"id", "uuid", "message_id", "turn_id", "parent_id", "index", "timestamp", "created", "created_at", "create_time", "date"}
)  # fmt: skip
"""Fields of a turn that say when and where it was kept, and nothing that is read or trained."""
_TEXT_PARTS = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}
"""Kind of a part that is text -> its field."""
_AFTER = {
    "system": {"user"},
    "user": {"assistant"},
    "assistant": {"user", "tool"},
    "tool": {"assistant", "tool", "user"},
}
_CALL = re.compile(r"<tool_call>\n(.*?)\n</tool_call>", re.DOTALL)


def plain_turns(turns: Any) -> Any:
    """``plain_turn`` of each; calls that follow an assistant's turn directly, as a turn of their
    own, become a part of it."""
    if not isinstance(turns, list):
        return turns
    if any(_is_filled(turn) for turn in turns):
        turns = [without_nulls(turn) for turn in turns]
    plain: list[Any] = []
    for index, turn in enumerate(turns):
        written = plain_turn(turn, index)
        before = plain[-1] if plain else None
        if isinstance(before, dict) and before["role"] == "assistant" and _speaks_calls(turn):
            before["content"] = f"{before['content']}\n{written['content']}"
        else:
            plain.append(written)
    return plain


def without_nulls(value: Any) -> Any:
    """An Arrow row as it was written: one struct holds the keys of all rows, and what a row does
    not have is null in it."""
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [without_nulls(inner) for inner in value]
    return value


def _is_filled(turn: Any) -> bool:
    """Whether a turn was written out of an Arrow table: it has the fields of all turns, those of
    other speakers as null."""
    return isinstance(turn, dict) and any(
        name in turn and turn[name] is None for name in ("tool_calls", "tool_call_id")
    )


def _speaks_calls(turn: Any) -> bool:
    role = turn.get("role") if isinstance(turn, dict) else None
    return isinstance(role, str) and role in CALLERS


def plain_turn(turn: Any, index: int) -> Any:
    """A turn whose content is text, where everything in it can be written as text.

    Raises:
        ValueError: a part, a call or a field of the turn has no form here and would be lost.
    """
    if not isinstance(turn, dict):
        return turn
    # ShareGPT's `function_call` speaker: its text is the call.
    if _speaks_calls(turn):
        turn = {key: value for key, value in turn.items() if key != "content"} | {
            "role": "assistant",
            "tool_calls": _calls_of_text(turn.get("content"), index),
        }
    # A field that carries meaning and is not read would be lost in silence, so the row is refused;
    # `false`, 0 and empty values say nothing and may go.
    lost = sorted(
        str(key)
        for key, value in turn.items()
        if key not in _KEPT | _NO_MEANING | MARKS
        and (value is True or (isinstance(value, (str, list, dict)) and value))
    )
    if lost:
        raise ValueError(f"messages[{index}].{lost[0]}: is not understood here and would be lost")
    role = turn.get("role")
    role = SPEAKERS.get(role, role) if isinstance(role, str) else role
    content, parts_thought, parts_calls = _parts_of(turn.get("content"), index)
    # OpenAI's servers put a refusal beside an empty content.
    if refusal := turn.get("refusal"):
        if not isinstance(refusal, str) or role != "assistant":
            raise ValueError(f"messages[{index}].refusal: expected an assistant's text")
        if isinstance(content, str) and content.strip() and content != refusal:
            raise ValueError(f"messages[{index}]: holds an answer and a refusal")
        content = refusal
    thought = thought_of(turn, THOUGHTS, f"messages[{index}]") or parts_thought
    if thought and role != "assistant":
        raise ValueError(f"messages[{index}]: only an assistant's turn may hold a thought")
    calls = [
        *_listed(turn.get("tool_calls"), index),
        *([turn["function_call"]] if turn.get("function_call") else ()),
        *parts_calls,
    ]
    # Calls are written behind the text that announces them, in the one form that the verifier of
    # function calls reads.
    if calls:
        if role != "assistant":
            raise ValueError(f"messages[{index}].tool_calls: only an assistant calls tools")
        written = "\n".join(_call(call, index) for call in calls)
        content = (
            f"{content}\n{written}" if isinstance(content, str) and content.strip() else written
        )
    if role == "tool" and (turn.get("tool_call_id") or turn.get("name")):
        labels = {key: turn[key] for key in ("tool_call_id", "name") if turn.get(key)}
        content = _tagged("tool_response", labels | {"content": content})
    if thought:
        content = with_thought(thought, content if isinstance(content, str) else "")
    return {"role": role, "content": content}


def _listed(calls: Any, index: int) -> list[Any]:
    """``tool_calls`` as a list; tables keep it as JSON text.

    Raises:
        ValueError: it is neither.
    """
    if not calls:
        return []
    if isinstance(calls, str):
        return _calls_of_text(calls, index)
    if not isinstance(calls, list):
        raise ValueError(f"messages[{index}].tool_calls: expected a list of calls")
    return calls


def _calls_of_text(text: Any, index: int) -> list[Any]:
    """The calls that a turn or a field holds as JSON: one, or a list.

    Raises:
        ValueError: no JSON, or nothing in it.
    """
    try:
        value = json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError) as error:
        raise ValueError(f"messages[{index}].tool_calls: invalid JSON") from error
    calls = value if isinstance(value, list) else [value]
    if not calls:
        raise ValueError(f"messages[{index}].tool_calls: holds no call")
    return calls


def thought_of(fields: dict[str, Any], names: Sequence[str], place: str) -> str:
    """What was thought, from the fields of that name; the same text in two of them is one thought.

    Raises:
        ValueError: a field holds no text, or two hold different ones.
    """
    thoughts = {name: value for name in names if (value := fields.get(name))}
    for name, value in thoughts.items():
        if not isinstance(value, str):
            raise ValueError(f"{place}.{name}: expected text, got {type(value).__name__}")
    texts = list(dict.fromkeys(map(str, thoughts.values())))
    if len(texts) > 1:
        raise ValueError(f"{place}: {' and '.join(thoughts)} hold different thoughts")
    return texts[0] if texts else ""


def _parts_of(content: Any, index: int) -> tuple[Any, str, list[Any]]:
    """Text, thought and calls of a content given as parts (``[{"type": "text", "text": …}]``); any
    other content as it is.

    Raises:
        ValueError: a part is none of these (an image, a sound), or holds no text.
    """
    if not isinstance(content, list):
        return content, "", []
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[Any] = []
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(kind, str) and isinstance(part.get(_TEXT_PARTS.get(kind, "")), str):
            texts.append(part[_TEXT_PARTS[kind]])
        elif kind == "thinking" and isinstance(part.get("thinking"), (str, list)):
            inner, _, _ = _parts_of(part["thinking"], index)
            thoughts.append(inner)
        elif kind == "tool_use":
            identity = {"id": part["id"]} if part.get("id") else {}
            calls.append({"name": part.get("name"), "arguments": part.get("input", {})} | identity)
        else:
            raise ValueError(f"messages[{index}].content: has parts that are not text")
    return "".join(texts), "\n".join(thoughts), calls


def _call(call: Any, index: int) -> str:
    """One call, OpenAI's nested form or the bare one; arguments given as JSON text are decoded."""
    function = call.get("function", call) if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise ValueError(f"messages[{index}].tool_calls: a call without a function's name")
    arguments = function.get("arguments", function.get("parameters", {}))
    if arguments is None:
        arguments = {}
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments or "{}")
        except (ValueError, RecursionError) as error:
            raise ValueError(
                f"messages[{index}].tool_calls: arguments of {function['name'][:40]!r} are invalid JSON"
            ) from error
    identity = {"id": call["id"]} if call.get("id") else {}
    return _tagged("tool_call", {"name": function["name"], "arguments": arguments} | identity)


def _tagged(tag: str, value: dict[str, Any]) -> str:
    return f"<{tag}>\n{json.dumps(value, ensure_ascii=False)}\n</{tag}>"


def tool_calls_in(text: str) -> list[dict[str, Any]]:
    """The calls that an assistant's text holds, as ``plain_turn`` wrote them."""
    return [json.loads(found) for found in _CALL.findall(text)]


def declared_tools(tools: Any) -> str:
    """The tools that a row declares, as a section of the system turn.

    Raises:
        ValueError: not a list of objects, nor the JSON text of one.
    """
    given = json.loads(tools) if isinstance(tools, str) else tools
    if not isinstance(given, list) or not all(isinstance(tool, dict) for tool in given):
        raise ValueError("tools: expected a list of objects")
    return "\n".join(
        ["<tools>", *(json.dumps(tool, ensure_ascii=False) for tool in given), "</tools>"]
    )


def with_tools(turns: tuple[Message, ...], tools: Any) -> tuple[Message, ...]:
    """The conversation with its tools declared in the system turn."""
    if not tools:
        return turns
    section = declared_tools(tools)
    if turns[0].role == "system":
        return (Message("system", f"{turns[0].content}\n\n{section}"), *turns[1:])
    return (Message("system", section), *turns)


def order_problem(turns: Sequence[Message] | Iterable[Message]) -> str | None:
    """Which turn stands where its role may not: a user begins, an assistant answers, a tool answers
    an assistant."""
    before = "system"
    for index, turn in enumerate(turns):
        if index == 0 and turn.role == "system":
            continue
        if turn.role not in _AFTER[before]:
            place = (
                f"after {before}" if index and not (index == 1 and before == "system") else "first"
            )
            return f"messages[{index}]: a turn of {turn.role} may not stand {place}"
        before = turn.role
    return None
