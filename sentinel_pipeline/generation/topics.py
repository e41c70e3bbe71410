"""What a base model is asked to write about, and the examples that show it how: topics and
demonstrations of each category.

A base model goes on with a text; the examples are the text. They are few and plain, and none is an
item of a suite. What this module does not do: choose among them.
"""

from __future__ import annotations

from typing import NamedTuple


class Shown(NamedTuple):
    """A demonstration."""

    topic: str
    instruction: str
    response: str


def _topics(text: str) -> tuple[str, ...]:
    return tuple(topic.strip() for topic in text.split(";"))


TOPICS: dict[str, tuple[str, ...]] = {
    "executable_code": _topics(
        "sorting a list; counting words; prime numbers; reading a CSV file; date arithmetic; string reversal; dictionaries; sets; "
        "matrices; recursion; regular expressions; file paths; JSON parsing; caching; queues and stacks; binary search; "
        "unit tests; text formatting; bit operations; generators; classes; rounding numbers; validating input"
    ),
    "code_editing": _topics(
        "an off-by-one error; a missing return; renaming a variable; a default argument; an unhandled exception; duplicated code; "
        "a slow loop; type hints; a wrong comparison; an unused import; a log message; a constant; a long function; "
        "string concatenation; a mutable default"
    ),
    "tool_use": _topics(
        "searching files; the weather; sending a message; booking a table; converting money; a calendar entry; a database query; "
        "resizing an image; translating a word; tracking a parcel; a unit conversion; a stock price; creating an issue; a reminder"
    ),
    "devops": _topics(
        "disk space; log files; file permissions; a running service; open ports; cron jobs; Docker containers; nginx; SSH keys; "
        "environment variables; compressing a folder; finding large files; memory usage; git branches; backups; processes"
    ),
    "general_chat": _topics(
        "cooking; planning a day; summarising a text; the seasons; polite requests; comparing two things; travel; health; animals; "
        "explaining a word; making a list; a short story; advice; music; plants; history; housework; sport; books; learning"
    ),
}

SHOWN: dict[str, tuple[Shown, ...]] = {
    "executable_code": (
        Shown(
            "numbers",
            "Write a Python function double_all(values) that returns every number of a list times two.",
            "```python\ndef double_all(values):\n    return [2 * value for value in values]\n```",
        ),
        Shown(
            "text",
            "Write a Python function initials(name) that returns the first letter of each word of a name.",
            '```python\ndef initials(name):\n    return "".join(word[0] for word in name.split())\n```',
        ),
        Shown(
            "averages",
            "Write a Python function mean(values) that returns the average of a list, or None if the list is empty.",
            "```python\ndef mean(values):\n    return sum(values) / len(values) if values else None\n```",
        ),
    ),
    "code_editing": (
        Shown(
            "a wrong operator",
            "Fix this function so that it adds its arguments: def plus(a, b): return a - b",
            "```python\ndef plus(a, b):\n    return a + b\n```",
        ),
        Shown(
            "a missing case",
            "Change this function so that it returns 0 for an empty list: def largest(xs): return max(xs)",
            "```python\ndef largest(xs):\n    return max(xs) if xs else 0\n```",
        ),
    ),
    "tool_use": (
        Shown(
            "lights",
            'Answer with a JSON object with the keys "tool" and "room": switch on the light in the kitchen.',
            '{"tool": "light_on", "room": "kitchen"}',
        ),
        Shown(
            "a timer",
            'Answer with a JSON object with the keys "tool" and "minutes": set a timer of ten minutes.',
            '{"tool": "set_timer", "minutes": 10}',
        ),
    ),
    "devops": (
        Shown("folders", "Give the shell command that creates the folder notes and all its parents.", "mkdir -p notes"),
        Shown("the end of a file", "Give the shell command that shows the last 20 lines of server.log.", "tail -n 20 server.log"),
    ),
    "general_chat": (
        Shown("tea", "How is green tea made?", "Pour hot, not boiling, water over the leaves and wait two minutes."),
        Shown("a meeting", "Politely ask a colleague to move a meeting to Friday.", "Could we please move our meeting to Friday?"),
        Shown("shapes", "Name three shapes.", "A circle, a square and a triangle."),
    ),
}  # fmt: skip
