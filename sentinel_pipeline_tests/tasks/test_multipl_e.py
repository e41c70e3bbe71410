"""MultiPL-E's TypeScript suite: it loads, right solutions of ours pass, wrong ones fail for the
right reason, through the scorer."""

# ruff: noqa: E501

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sentinel_pipeline.critic import score
from sentinel_pipeline.critic.score import Scorable
from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.records import ScriptTests, Task
from sentinel_pipeline.sandbox import typescript
from sentinel_pipeline.tasks.suites import load_suite


class Case(NamedTuple):
    """A right body, a wrong one, and how the verdict on the wrong one begins."""

    right: str
    wrong: str
    reason: str


SOLUTIONS = {
    "23_strlen": Case("  return string.length;\n}", "  return string.length - 1;\n}", 'assertion: strlen(""): expected 0, got -1'),
    "35_max_element": Case("  return Math.max(...l);\n}", "  return Math.min(...l);\n}", "assertion: max_element([1, 2, 3]): expected 3, got 1"),
    "31_is_prime": Case("  if (n < 2) return false;\n  for (let d = 2; d * d <= n; d++) if (n % d === 0) return false;\n  return true;\n}", "  return n % 2 === 1;\n}", "assertion: is_prime(1): expected false, got true"),
    "13_greatest_common_divisor": Case("  while (b) [a, b] = [b, a % b];\n  return a;\n}", "  while (b) { a = b; }\n  return a;\n}", "timeout: more than 5 s of CPU time"),
    "0_has_close_elements": Case("  const sorted: number[] = [...numbers].sort((a, b) => a - b);\n  return sorted.some((x, i) => i > 0 && x - sorted[i - 1] < threshold);\n}", "  return numbers.some((x, i) => x - numbers[i - 1] < threshold);\n}", "assertion: has_close_elements("),
    "11_string_xor": Case("  return [...a].map((bit, i) => (bit === b[i] ? '0' : '1')).join('');\n}", "  return parseInt(a, 2) ^ parseInt(b, 2);\n}", 'assertion: string_xor("111000", "101010"): expected "010010", got 18'),
    "5_intersperse": Case("  return numbers.flatMap((n, i) => (i ? [delimeter, n] : [n]));\n}", "  return numbers.flatMap((n) => [delimeter, n]);\n}", "assertion: intersperse([5, 6, 3, 2], 8): expected [5, 8, 6, 8, 3, 8, 2], got [8, 5,"),
    "9_rolling_max": Case("  let so_far = -Infinity;\n  return numbers.map((n) => (so_far = Math.max(so_far, n)));\n}", "  return numbers.map((n) => so_far);\n}", "exception: ReferenceError: 'so_far' is not defined (line "),
    "26_remove_duplicates": Case("  const counts = new Map<number, number>();\n  for (const n of numbers) counts.set(n, (counts.get(n) ?? 0) + 1);\n  return numbers.filter((n) => counts.get(n) === 1);\n}", "  return [...new Set(numbers)];\n}", "assertion: remove_duplicates([1, 2, 3, 2, 4, 3, 5]): expected [1, 4, 5], got [1, 2, 3, 4, 5]"),
    "136_largest_smallest_integers": Case("  const below = lst.filter((n) => n < 0), above = lst.filter((n) => n > 0);\n  return [below.length ? Math.max(...below) : undefined, above.length ? Math.min(...above) : undefined];\n}", "  return [Math.max(...lst.filter((n) => n < 0)), Math.min(...lst.filter((n) => n > 0))];\n}", "assertion: largest_smallest_integers([2, 4, 1, 3, 5, 7]): expected [undefined, 1], got [-Infinity, 1]"),
    "111_histogram": Case("  const counts: Record<string, number> = {};\n  for (const word of test.split(' ').filter(Boolean)) counts[word] = (counts[word] || 0) + 1;\n  const most = Math.max(0, ...Object.values(counts));\n  return Object.fromEntries(Object.entries(counts).filter(([, n]) => n === most));\n}", "  const counts = new Map<string, number>();\n  for (const word of test.split(' ')) counts.set(word, (counts.get(word) || 0) + 1);\n  return counts as any;\n}", 'assertion: histogram("a b b a"): expected {a: 2, b: 2}, got Map {"a" => 2, "b" => 2}'),
    "149_sorted_list_sum": Case("  return lst.filter((w) => w.length % 2 === 0).sort((a, b) => a.length - b.length || (a < b ? -1 : 1));\n}", "  return lst.filter((w) => w.length % 2 === 0).sort();\n", "syntax_error: line "),
    "20_find_closest_elements": Case("  const s = [...numbers].sort((a, b) => a - b);\n  let best: [number, number] = [s[0], s[1]];\n  for (let i = 1; i + 1 < s.length; i++) if (s[i + 1] - s[i] < best[1] - best[0]) best = [s[i], s[i + 1]];\n  return best;\n}", "  throw new Error('todo');\n}", "exception: Error: todo (line "),
    "22_filter_integers": Case("  return values.filter((v): v is number => Number.isInteger(v));\n}", "  return values.filter((v) => typeof v === 'number');\n}", "assertion: filter_integers([4, {}, [], 23.2, 9, \"adasd\"]): expected [4, 9], got [4, 23.2, 9]"),
    "107_even_odd_palindrome": Case("  const counts: [number, number] = [0, 0];\n  for (let i = 1; i <= n; i++) if (String(i) === [...String(i)].reverse().join('')) counts[i % 2]++;\n  return counts;\n}", "  return [0, 0];\n}", "assertion: even_odd_palindrome(123): expected [8, 13], got [0, 0]"),
    "87_get_row": Case("  const found: [number, number][] = [];\n  lst.forEach((row, r) => { for (let c = row.length - 1; c >= 0; c--) if (row[c] === x) found.push([r, c]); });\n  return found;\n}", "  return lst.flatMap((row, r) => row.map((v, c) => [r, c]).filter(([, c]) => row[c] === x));\n}", "assertion: get_row("),
}  # fmt: skip


@pytest.fixture(scope="module")
def tasks(benchmarks_dir: Path) -> dict[str, Task]:
    found = load_suite("multipl_e", data=benchmarks_dir / "multipl_e_ts" / "humaneval-ts.jsonl")
    return {task.id.removeprefix("MultiPL-E/HumanEval_"): task for task in found}


def scored(answers: list[tuple[Task, str]]) -> list[tuple[str, bool | None]]:
    items = [
        Scorable(str(number), task.messages, text, task.verifier)
        for number, (task, text) in enumerate(answers)
    ]
    return [(each.reason, each.syntax_ok) for each in score.score(items, workers=1)]


def test_the_suite_loads_from_its_original_file(
    benchmarks_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTINEL_BENCHMARKS", str(benchmarks_dir))
    loaded = load_suite("multipl_e")
    assert (len(loaded), loaded[0].id) == (159, "MultiPL-E/HumanEval_23_strlen")
    for task in loaded:
        assert isinstance(task.verifier, ScriptTests) and task.reference == ""
        assert f"function {task.verifier.entry_point}(" in task.verifier.prefix
        assert (
            task.verifier.prefix in task.messages[0].content
            and "assert" not in task.messages[0].content
        )
    assert [Task.from_row(task.to_row()) for task in loaded] == loaded


def test_every_stub_and_every_test_parses(tasks: dict[str, Task]) -> None:
    for task in tasks.values():
        assert isinstance(task.verifier, ScriptTests)
        assert typescript.parse(task.verifier.tests).problem is None
        assert typescript.parse(task.verifier.prefix + "return undefined as any }").problem is None


def test_right_continuations_pass_and_wrong_ones_say_why(tasks: dict[str, Task]) -> None:
    right = scored([(tasks[name], case.right) for name, case in SOLUTIONS.items()])
    assert dict(zip(SOLUTIONS, right)) == dict.fromkeys(SOLUTIONS, ("passed", True))
    wrong = scored([(tasks[name], case.wrong) for name, case in SOLUTIONS.items()])
    for (name, case), (reason, syntax_ok) in zip(SOLUTIONS.items(), wrong):
        assert (reason[: len(case.reason)], syntax_ok) == (
            case.reason,
            not reason.startswith("syntax_error"),
        ), name


FORMS = {
    "whole function in a fence": "Here it is:\n\n```typescript\n{whole}\n```\nIt runs in linear time.",
    "short tag": "```ts\n{whole}\n```",
    "other tag": "```js\n{untyped}\n```",
    "no tag": "```\n{whole}\n```",
    "bare": "{whole}",
    "exported": "```ts\nexport {whole}\n```",
    "arrow function": "```ts\nconst strlen = (s: string): number => s.length;\n```",
    "helper first": "```ts\nfunction count(s: string): number {\n  return s.length;\n}\n\nfunction strlen(string: string): number {\n  return count(string);\n}\n```",
    "example after it": "```ts\n{whole}\n\nconsole.log(strlen('abc')); // 3\n```",
    "usage in a block before": "Use it so:\n```ts\nstrlen('a')\n```\nwith\n```ts\n{whole}\n```",
    "the body alone": "    return string.length;\n}\n",
    "the body in a fence": "```typescript\n    return string.length;\n}\n```",
    "the body, and a fence that only ends": "    return string.length;\n}\n```",
    "stop token": "    return string.length;\n}\n<|im_end|>",
    "stub repeated": "//Return length of given string\n// >>> strlen(\"\")\n// 0\n{whole}",
    "another function after it": "    return string.length;\n}\n\nfunction other(a: number): number {\n    return a;\n}",
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_an_answer_is_read_in_any_usual_form(tasks: dict[str, Task], form: str) -> None:
    whole = "function strlen(string: string): number {\n  return string.length;\n}"
    untyped = "function strlen(string) {\n  return string.length;\n}"
    text = FORMS[form].replace("{whole}", whole).replace("{untyped}", untyped)
    wrong = text.replace(".length", ".length + 1")
    (right, _), (reason, syntax_ok) = scored(
        [(tasks["23_strlen"], text), (tasks["23_strlen"], wrong)]
    )
    assert (right, reason, syntax_ok) == (
        "passed",
        'assertion: strlen(""): expected 0, got 1',
        True,
    )


BAD_ANSWERS = {
    "prose": ("I cannot do that.", "syntax_error", False),
    "nothing": ("", "empty", False),
    "empty fence": ("```ts\n```", "empty", False),
    "Python": (
        "```python\ndef strlen(string):\n    return len(string)\n```",
        "syntax_error",
        False,
    ),
    "another name": (
        "```ts\nexport const length = (s: string) => s.length;\n```",
        "syntax_error",
        False,
    ),
    "unclosed": ("    return string.length;", "syntax_error", False),
    "empty body": ("}", "assertion", True),
    "stub alone": ("function strlen(string: string): number {\n}", "assertion", True),
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_a_bad_answer_fails_with_its_reason(tasks: dict[str, Task], name: str) -> None:
    text, code, parses = BAD_ANSWERS[name]
    ((reason, syntax_ok),) = scored([(tasks["23_strlen"], text)])
    assert (reason.partition(":")[0], syntax_ok) == (code, parses), reason


def test_an_empty_body_passes_no_problem(tasks: dict[str, Task]) -> None:
    reasons = scored([(task, "  return undefined as any;\n}") for task in tasks.values()])
    codes = Counter(reason.partition(":")[0] for reason, _ in reasons)
    assert codes == {"assertion": 159}


ROW = {
    "name": "HumanEval_1_f",
    "language": "ts",
    "prompt": "//Double.\nfunction f(x: number): number {\n",
    "tests": "const assert = require('node:assert');\nfunction test() { let candidate = f; assert.deepEqual(candidate(2), 4); }\ntest();",
}
BAD_ROWS: list[tuple[Any, str]] = [
    ({name: value for name, value in ROW.items() if name != "tests"}, "field 'tests': is missing"),
    (ROW | {"name": 3}, "field 'name': expected text, got int"),
    (ROW | {"language": "py"}, "field 'language': expected 'ts', got 'py'"),
    (ROW | {"prompt": "// no stub"}, "field 'prompt': begins no function"),
    (
        ROW | {"tests": "assert.ok(g(1))"},
        "field 'tests': do not name 'f', the function that the prompt begins",
    ),
]


@pytest.mark.parametrize(("row", "message"), BAD_ROWS, ids=range(len(BAD_ROWS)))
def test_a_malformed_row_names_file_line_and_field(tmp_path: Path, row: Any, message: str) -> None:
    path = tmp_path / "suite.jsonl"
    path.write_text(json.dumps(ROW) + "\n" + json.dumps(row) + "\n")
    with pytest.raises(BadInput, match=message) as caught:
        load_suite("multipl_e", data=path)
    assert (caught.value.file, caught.value.line) == (path, 2)


def test_the_entry_point_is_the_function_that_the_stub_ends_in(tmp_path: Path) -> None:
    """Helpers that a stub defines before it stay in front of an answer that is a whole function."""
    path = tmp_path / "suite.jsonl"
    prompt = "function half(x: number): number {\n  return x / 2;\n}\n//Double.\nfunction f(x: number): number {\n"
    path.write_text(json.dumps(ROW | {"prompt": prompt}) + "\n")
    (task,) = load_suite("multipl_e", data=path)
    assert isinstance(task.verifier, ScriptTests) and task.verifier.entry_point == "f"
    answers = [
        "  return 8 * half(half(x));\n}",
        "```ts\nfunction f(x: number) { return half(8 * half(x)) }\n```",
    ]
    assert scored([(task, text) for text in answers]) == [("passed", True), ("passed", True)]
