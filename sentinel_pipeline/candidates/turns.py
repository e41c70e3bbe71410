"""Turns as people write them -> turns of plain text in a strict order, without losing anything that was said.

Tool calls, tool results and tool declarations become text in the tags that ChatML models write (``<tool_call>``,
``<tool_response>``, ``<tools>``, one JSON object a line inside); ``tool_calls_in`` reads calls back. A thought in a field of its
own is written before its answer, in the tags by which ``critic.thoughts`` parts them again. What cannot be kept is refused
by name. What this module does not do: know row shapes, or score.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from ..critic.thoughts import with_thought
from ..records import Message

THOUGHTS = ("reasoning_content", "reasoning", "thinking")
"""Fields of an assistant's turn that hold what it thought before its answer."""
ROW_THOUGHTS = ("reasoning_content", "thinking")
"""The same, of a whole row: there ``reasoning`` may be anybody's."""
_KEPT = frozenset(
    {"role", "content", "tool_calls", "function_call", "tool_call_id", "name", *THOUGHTS}
)
_AFTER = {
    "system": {"user"},
    "user": {"assistant"},
    "assistant": {"user", "tool"},
    "tool": {"assistant", "tool", "user"},
}
_CALL = re.compile(r"<tool_call>\n(.*?)\n</tool_call>", re.DOTALL)


def plain_turn(turn: Any, index: int) -> Any:
    """A turn whose content is text, where everything in it can be written as text.

    Raises:
        ValueError: a part, a call or a field of the turn has no form here and would be lost.
    """
    if not isinstance(turn, dict):
        return turn
    lost = sorted(
        str(key)
        for key, value in turn.items()
        if key not in _KEPT and isinstance(value, (str, list, dict)) and value
    )
    if lost:
        raise ValueError(f"messages[{index}].{lost[0]}: is not understood here and would be lost")
    content = _text_of(turn.get("content"), index)
    thought = thought_of(turn, THOUGHTS, f"messages[{index}]")
    if thought and turn.get("role") != "assistant":
        raise ValueError(f"messages[{index}]: only an assistant's turn may hold a thought")
    calls = [
        *(turn.get("tool_calls") or ()),
        *([turn["function_call"]] if turn.get("function_call") else ()),
    ]
    if calls:
        if turn.get("role") != "assistant":
            raise ValueError(f"messages[{index}].tool_calls: only an assistant calls tools")
        written = "\n".join(_call(call, index) for call in calls)
        content = (
            f"{content}\n{written}" if isinstance(content, str) and content.strip() else written
        )
    if turn.get("role") == "tool" and (turn.get("tool_call_id") or turn.get("name")):
        named = {key: turn[key] for key in ("tool_call_id", "name") if turn.get(key)}
        content = _tagged("tool_response", named | {"content": content})
    if thought:
        content = with_thought(thought, content if isinstance(content, str) else "")
    return {"role": turn.get("role"), "content": content}


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


def _text_of(content: Any, index: int) -> Any:
    """Content given as parts (``[{"type": "text", "text": …}]``) is joined when all parts are text."""
    if not isinstance(content, list):
        return content
    texts = [
        part.get("text")
        for part in content
        if isinstance(part, dict) and part.get("type") == "text"
    ]
    if len(texts) != len(content) or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"messages[{index}].content: has parts that are not text")
    return "".join(str(text) for text in texts)


def _call(call: Any, index: int) -> str:
    """One call, OpenAI's nested form or the bare one; arguments given as JSON text are decoded."""
    function = call.get("function", call) if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise ValueError(f"messages[{index}].tool_calls: a call without a function's name")
    arguments = function.get("arguments", {})
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments or "{}")
        except ValueError as error:
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
    """Which turn stands where its role may not: a user begins, an assistant answers, a tool answers an assistant."""
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
