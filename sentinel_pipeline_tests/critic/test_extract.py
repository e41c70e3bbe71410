"""The extractor: right values, named leniencies, no exception and linear time on hostile text."""

from __future__ import annotations

import json
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel_pipeline.critic.extract import MAX_CHARS, Kind, extract, function
from sentinel_pipeline.critic.fences import fences
from sentinel_pipeline.critic.json_reader import read_json

KINDS: tuple[Kind, ...] = ("python", "json", "diff", "shell", "sql", "yaml", "answer", "text")
CODE = "def f(x):\n    return x + 1"
DIFF = "--- a/x\n+++ b/x\n@@ -1,1 +1,1 @@\n-a\n+b\n"
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


def test_bare_code_is_taken_whole_without_leniency() -> None:
    assert extract(CODE, "python") == (CODE, "python", (), None)


@pytest.mark.parametrize("tag", ["python", "py", "Python3", "", "{.python}"])
def test_fenced_code(tag: str) -> None:
    assert extract(f"```{tag}\n{CODE}\n```", "python") == (CODE, "python", ("fenced",), None)


def test_prose_about_a_fence_is_named() -> None:
    found = extract(f"Sure:\n\n```python\n{CODE}\n```\nDone.", "python")
    assert found.value == CODE
    assert found.leniencies == ("fenced", "prose_around_fence")


def test_an_unclosed_fence_is_named() -> None:
    assert extract(f"```python\n{CODE}", "python") == (
        CODE,
        "python",
        ("fenced", "unclosed_fence"),
        None,
    )


def test_code_that_no_fence_opened_ends_at_the_fence() -> None:
    assert extract(f"{CODE}\n```\nThis adds one.", "python") == (
        CODE,
        "python",
        ("unopened_fence",),
        None,
    )


def test_a_fence_inside_a_docstring_is_code() -> None:
    code = 'def f(x):\n    """Use:\n    ```\n    f(1)\n    ```\n    """\n    return x'
    assert extract(code, "python") == (code, "python", (), None)


def test_the_block_that_defines_the_entry_point_is_chosen() -> None:
    text = f"```python\nimport math\n```\nthen\n```python\n{CODE}\n```"
    found = extract(text, "python", entry_point="f")
    assert found.value == CODE
    assert "several_blocks" in found.leniencies


def test_the_language_tag_is_honoured() -> None:
    text = f'```json\n{{"a": 1}}\n```\n```python\n{CODE}\n```'
    assert extract(text, "python").value == CODE
    assert extract(text, "json").value == {"a": 1}


def test_prose_around_bare_code_is_cut_and_named() -> None:
    found = extract(
        f"Sure, here's what you asked for:\n{CODE}\n\nLet me know if it doesn't work.", "python"
    )
    assert found == (CODE, "python", ("prose_around",), None)


def test_a_continuation_keeps_its_indentation() -> None:
    assert extract("    y = x\n    return y\n", "python").value == "    y = x\n    return y"


@pytest.mark.parametrize("stop", ["<|im_end|>", "</s>", "<|endoftext|>\n"])
def test_a_stop_token_at_the_end_is_taken_off(stop: str) -> None:
    assert extract(CODE + stop, "python") == (CODE, "python", ("stop_token",), None)


def test_function_takes_decorators_and_stops_at_the_margin() -> None:
    code = "import a\n\n@deco\n@other(1)\ndef f(x):\n    return 1\n\nprint(2)\n"
    assert function(code, "f").value == "@deco\n@other(1)\ndef f(x):\n    return 1\n"
    assert function(code, "g").error == "no_function: g"


@settings(max_examples=60, deadline=None)
@given(JSON)
def test_valid_json_comes_back_unchanged_and_strict(value: object) -> None:
    found = extract(json.dumps(value), "json")
    assert found.error is None and found.leniencies == ()
    assert json.dumps(found.value) == json.dumps(value)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.text(max_size=8), JSON, min_size=1, max_size=3),
    st.sampled_from(["Here it is: ", "a\n", ""]),
)
def test_json_among_prose(value: dict[str, object], prose: str) -> None:
    found = extract(f"Well. {prose}{json.dumps(value)} So it is.", "json")
    assert found.value == value and found.leniencies == ("prose_around",)


def test_two_values_are_named() -> None:
    assert extract('{"a": 1} or {"a": 2}', "json").leniencies == ("prose_around", "several_values")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{"a": 1, "a": 2}', "duplicate_key"),
        ("[NaN]", "not_json: NaN"),
        ("[" * 100_000, "too_deep"),
        (
            "{'a': 1}",
            "not_json: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        ),
    ],
)
def test_what_is_not_json_says_why(text: str, error: str) -> None:
    assert read_json(text).error == error


def test_a_diff_among_prose_ends_where_its_hunks_end() -> None:
    found = extract(f"Here you go:\n{DIFF}\nThat's all.", "diff")
    assert found == (DIFF, "diff", ("prose_around",), None)


def test_a_bare_diff_may_hold_fences() -> None:
    diff = "--- a/x.md\n+++ b/x.md\n@@ -1,2 +1,2 @@\n ```\n-a\n+b\n"
    assert extract(diff, "diff") == (diff, "diff", (), None)


@pytest.mark.parametrize(
    ("text", "value", "names"),
    [
        ("ls -la", "ls -la", ()),
        ("`ls -la`", "ls -la", ("inline_code",)),
        ("$ ls\n$ pwd", "ls\npwd", ("prompt_sign",)),
        ("```bash\nls\n```", "ls", ("fenced",)),
        ("```\n$ ls\n```", "ls", ("fenced", "prompt_sign")),
    ],
)
def test_shell(text: str, value: str, names: tuple[str, ...]) -> None:
    assert extract(text, "shell")[:3] == (value, "shell", names)


@pytest.mark.parametrize(
    "text", ["It is 4.\nFinal answer: 42", "so #### 42", r"thus \boxed{42}", "The answer is: 42"]
)
def test_final_answer(text: str) -> None:
    assert extract(text, "answer")[:3] == ("42", "answer", ("marker",))


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_an_error_with_a_reason(kind: Kind) -> None:
    assert extract(" \n", kind).error is not None


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300), st.sampled_from(KINDS))
def test_any_text_gives_a_value_or_an_error(text: str, kind: Kind) -> None:
    found = extract(text, kind)
    assert (found.value is None) <= (found.error is not None or kind == "json")


HOSTILE = {
    "nul": "\0",
    "bidi": "\u202e\u2066",
    "fence": "```\n",
    "open brace": "{",
    "list": "[",
    "quote": '"',
    "colon": "a:" + " " * 50,
    "prose": "Some words are here.\n\n",
    "def": "def f(",
    "hunk": "@@ -1,9999999 +1,9999999 @@\n",
    "tick": "`",
    "surrogate": "\ud800",
    "diff": "--- a\n+++ b\n",
    "answer": "answer: ",
    "spaces": " ",
    "fence spaces": "```" + " " * 40 + "`\n",
    "docstring": '"""',
}


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_read_in_linear_time(piece: str) -> None:
    """Four times the text takes some four times the time; sixteen times would be quadratic. The
    two are timed one after the other, so that a neighbour's load falls on both; of quadratic
    reading no pair of five is near."""

    def spent(chars: int) -> float:
        text = piece * (chars // len(piece))
        start = time.process_time()
        for kind in KINDS:
            extract(text, kind)
        return time.process_time() - start

    pairs = ((spent(40_000), spent(160_000)) for _ in range(5))
    assert any(large < max(12 * small, 1.0) for small, large in pairs)


def test_too_large_is_refused_by_name() -> None:
    assert str(extract("a" * (MAX_CHARS + 1), "python").error).startswith("too_large: ")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["```", "```py", "~~~", "````", "a", ""]), max_size=12))
def test_fences_never_overlap(lines: list[str]) -> None:
    text = "\n".join(lines)
    blocks = fences(text)
    assert all(a.end <= b.start for a, b in pairwise(blocks))
    assert all(block.closed for block in blocks[:-1])
