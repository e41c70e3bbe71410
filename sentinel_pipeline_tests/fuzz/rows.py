"""Fuzzed data files: rows of every shape that is read, and what becomes of rows on their way.

    python -m sentinel_pipeline_tests.fuzz.rows FILE [--rows 20000] [--seed 0]

writes one, always the same. A row keeps its line: however it is broken, it holds no line end.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

REQUESTS = (
    "Write a function `f` that adds one.",
    "Answer in JSON.",
    "Change two to 2 in f.txt. Answer with a unified diff.",
    "Olá, onde está meu pedido?",
    "写一个函数",
    "List the files.",
    "",
    "SELECT?",
    "Hi",
)
ANSWERS = (
    "def f(x):\n    return x + 1\n",
    "```python\ndef f(x):\n    return x + 1\n```",
    "```json\n{\"a\": [1, 2.5, null]}\n```",
    "{'a': 1, b: 2,}",
    "--- a/f.txt\n+++ b/f.txt\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n",
    "<think>\nhm\n</think>\nHello.",
    "<think>never ends",
    "<tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call>",
    "ls -la | grep x",
    "SELECT a FROM t WHERE b = 1;",
    "export const f = (x: number): number => x + 1;",
    "Sorry, I cannot do that.",
    "a: 1\nb:\n  - 2\n",
    "1\n2\n3\n" * 50,
    "ha " * 300,
    "Olá! Seu pedido chegou.",
    "api_key = 'sk-proj-abcdefghijklmnopqrstuvwxyz0123456789'",
    "",
)  # fmt: skip
VERIFIERS: tuple[dict[str, Any], ...] = (
    {"kind": "json_answer", "expected": "{\"a\": [1, 2.5, null]}"},
    {"kind": "text_answer", "accepted": ["Hello."]},
    {
        "kind": "patch_applies",
        "files": {"f.txt": "one\ntwo\nthree\n"},
        "expected": {"f.txt": "one\n2\nthree\n"},
    },
    {"kind": "function_calls", "expected": [{"name": "g", "arguments": {}}]},
)  # fmt: skip
DEEP: Any = []
for _ in range(60):
    DEEP = [DEEP]
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 10**30, 1.5, float("nan"), float("inf"), "", " ", "\ud800", "\udfffx", "\0", "\x1b[31m",
    "\u202eevil", "\ufeff", "\u2028", "é" * 3, "x" * 5000, [], {}, [None], [[]], {"": ""}, {"a": {"b": [1]}}, DEEP,
    "2024-01-01", "null", "{", "[1, 2", "<think>", "```", "<|im_end|>", ["a", 1], [{"role": "user"}],
    [{"role": "user", "content": None}], {"role": "assistant", "content": "x"}, [{"from": "gpt", "value": 3}],
)  # fmt: skip
KEYS = (
    "prompt", "response", "completion", "messages", "conversations", "instruction", "input", "output", "text", "content",
    "role", "from", "value", "tests", "entry_point", "verifier", "kind", "expected", "files", "category", "task_id", "tools",
    "tool_calls", "reasoning_content", "weight", "train", "label", "chosen", "rejected", "system", "history", "id", "x",
)  # fmt: skip


def fuzzed_lines(count: int, seed: int = 0) -> Iterator[bytes]:
    """Lines of a data file without their ends; none is blank."""
    for number in range(count):
        rng = Random(f"row|{seed}|{number}")
        row = _row(rng)
        for _ in range(rng.choice((0, 0, 0, 0, 1, 1, 2, 4))):
            row = _changed(row, rng)
        line = json.dumps(row, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
        yield _broken(line, rng) if rng.random() < 0.1 else line


def _row(rng: Random) -> Any:
    asked = rng.choice(REQUESTS)
    answer = rng.choice(ANSWERS)
    if rng.random() < 0.4:
        answer = f"{answer}{rng.choice(ANSWERS)}\n{rng.randrange(10**6)}"
    user = {"role": "user", "content": asked}
    assistant: dict[str, Any] = {"role": "assistant", "content": answer}
    if rng.random() < 0.2:
        call = {"id": "c1", "type": "function", "function": {"name": "g", "arguments": "{}"}}
        assistant = {"role": "assistant", "content": None, "tool_calls": [call]}
    rows: tuple[dict[str, Any], ...] = (
        {"prompt": asked, "response": answer},
        {"prompt": asked, "completion": answer, "verifier": rng.choice(VERIFIERS)},
        {"instruction": asked, "input": "", "output": answer},
        {"instruction": asked, "context": "c", "response": answer, "category": "open_qa"},
        {"messages": [{"role": "system", "content": "Be brief."}, user, assistant]},
        {"prompt": [user], "completion": [assistant]},
        {"prompt": [user], "chosen": [assistant], "rejected": [{**assistant, "content": "no"}]},
        {"conversations": [{"from": "human", "value": asked}, {"from": "gpt", "value": answer}]},
        {"text": f"<|im_start|>user\n{asked}<|im_end|>\n<|im_start|>assistant\n{answer}<|im_end|>\n"},
        {"text": f"### Instruction:\n{asked}\n\n### Response:\n{answer}"},
        {"question": asked, "answer": answer},
        {"prompt": asked, "completion": answer, "label": rng.random() < 0.5},
        {"messages": [user, assistant, {"role": "tool", "tool_call_id": "c1", "content": "3"}, assistant]},
    )  # fmt: skip
    row = rng.choice(rows)
    if rng.random() < 0.01:
        row = {"prompt": asked, "response": answer, "tests": "assert f(1) == 2", "entry_point": "f"}
    return json.loads(json.dumps(row))


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every container with a key or index in it."""
    if isinstance(value, dict):
        inner = [place for item in value.values() for place in _places(item)]
        return [(value, key) for key in value] + inner
    if isinstance(value, list) and len(value) < 50:
        inner = [place for item in value for place in _places(item)]
        return [(value, index) for index in range(len(value))] + inner
    return []


def _changed(row: Any, rng: Random) -> Any:
    places = _places(row)
    if not places or rng.random() < 0.02:
        return deepcopy(rng.choice(ODD))
    container, key = rng.choice(places)
    how = rng.choice(("replace", "replace", "drop", "rename", "add", "splice"))
    if how == "replace":
        container[key] = deepcopy(rng.choice(ODD))
    elif how == "drop":
        del container[key]
    elif how == "rename" and isinstance(container, dict):
        container[rng.choice(KEYS)] = container.pop(key)
    elif how == "add" and isinstance(container, dict):
        container[rng.choice(KEYS)] = deepcopy(rng.choice(ODD))
    elif isinstance(container[key], str):
        at = rng.randint(0, len(container[key]))
        odd = rng.choice([value for value in ODD if isinstance(value, str)])
        container[key] = container[key][:at] + odd + container[key][at:]
    return row


def _broken(line: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(line))
    broken = rng.choice(
        (
            line[: at + 1],
            line[:at] + bytes([rng.randrange(256)]) + line[at:],
            line[:at] + b"\0" + line[at:],
            line + line,
            b"\xef\xbb\xbf" + line,
            line.replace(b'"', b"'"),
            line.replace(b"{", b'{"id": 1, "id": 2, ', 1),
            b"[" * 2000 + line,
            line.decode("utf-8", "replace").encode("utf-16"),
        )
    ).replace(b"\n", b"")
    return broken if broken.strip(b" \t\r\n\x0b\x0c") else b"?"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with options.file.open("wb") as stream:
        stream.writelines(line + b"\n" for line in fuzzed_lines(options.rows, options.seed))


if __name__ == "__main__":
    main()
