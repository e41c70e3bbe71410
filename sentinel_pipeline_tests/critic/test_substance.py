"""Answers that hold nothing of what was asked: refusals, announcements, stubs, prose for code,
other categories; by what evidence the others are accepted."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel_pipeline.critic.labels import label
from sentinel_pipeline.critic.reading import quality_of
from sentinel_pipeline.records import (
    Candidate,
    CriticLabels,
    JudgedAnswer,
    Message,
    TextAnswer,
    Verifier,
)

ASK = "Write a function f."


def _label(
    answer: str, ask: str = ASK, category: str | None = None, verifier: Verifier | None = None
) -> CriticLabels:
    return next(label([_row(answer, ask, category, verifier)], workers=1))


def _row(
    answer: str, ask: str = ASK, category: str | None = None, verifier: Verifier | None = None
) -> Candidate:
    return Candidate(
        id="1",
        source="t",
        messages=(Message("user", ask),),
        completion=answer,
        category=category,
        verifier=verifier,
    )


EMPTY = {
    "refusal": [
        "As an AI language model, I cannot write code.",
        "I'm sorry, but I can't help with that.",
        "I cannot do this.",
        "Unfortunately I am unable to write that.",
        "Desculpe, não posso escrever código.",
        "```\nI cannot write code.\n```\nI cannot write code.",
    ],
    "announcement": [
        "Sure! Here is the code.",
        "Sure! Here is the code:",
        "Certainly, here's a function that does it:",
        "Here you go!",
        "Of course! Below is the function.",
        "Claro! Aqui está o código.",
    ],
    "stub": [
        "TODO",
        "TODO: write the function",
        "# TODO: implement",
        "```python\n# TODO\n```",
        "```python\n# def f(x): return x\n```",
        "```python\nprint('TODO')\n```",
        "```ts\n// your code here\n```",
        "import os",
        "...",
    ],
    "no_code": [
        "A function is a block of reusable code that takes inputs and returns outputs.",
        "The function f adds two numbers, so f(1, 2) is 3.",
        "You should use a loop to add all numbers and then return the sum.",
        "asdf qwer zxcv uiop",
        "lkjh 23 fd ;lk",
        "```text\nThe function f adds.\n```",
        "I will write the function for you.",
    ],
}


@pytest.mark.parametrize("code", EMPTY)
def test_an_answer_without_the_code_that_was_asked_is_rejected_by_what_it_is(code: str) -> None:
    for answer in EMPTY[code]:
        labels = _label(answer)
        assert labels.accepted.value is False, answer
        assert labels.format_pass.code == code, (answer, labels)
        assert labels.entrypoint_match.code in ("missing_entry_point", "stub_body")


@pytest.mark.parametrize(
    "answer",
    [
        "def f():\n    pass",
        "def f(x):\n    ...",
        'def f(x):\n    """Adds one to x."""',
        "def f(x):\n    raise NotImplementedError('later')",
        "def f(x):\n    raise NotImplemented",
        "def f(x):\n    # TODO: implement\n    return None",
        "def f(x):\n    # implement here\n    result = None\n    return result",
        "def f(x):\n    return x\n    # TODO: the logic goes here",
        "def f(x):\n    print('not implemented')",
        "def f(x):\n    return 'TODO'",
        "def f(x):\n    raise Exception('Not implemented yet')",
        "async def f(x):\n    pass",
        "class Solution:\n    def f(self, x):\n        pass",
        "```ts\nfunction f(a: number): number { }\n```",
        "```ts\nfunction f(a: number): number {\n  throw new Error('Not implemented');\n}\n```",
        "```ts\nconst f = (a: number) => {\n  // TODO\n};\n```",
        "```js\nfunction f(a) {\n  /* your code here */\n  return null;\n}\n```",
    ],
)
def test_an_empty_body_is_a_stub_in_both_languages(answer: str) -> None:
    labels = _label(answer)
    assert labels.entrypoint_match.code == "stub_body", labels
    assert labels.accepted.value is False


@pytest.mark.parametrize(
    ("ask", "answer"),
    [
        (ASK, "def f():\n    return None"),
        (ASK, "def f(xs):\n    # TODO: handle empty lists\n    return sum(xs) / len(xs)"),
        (ASK, "Sure! Here is the code:\n\n```python\ndef f(a, b):\n    return a + b\n```"),
        (ASK, "I'm sorry for the delay. Here:\n```python\ndef f(x):\n    return x\n```"),
        (ASK, "```ts\nfunction f(a: number): number;\nfunction f(a: any) { return a; }\n```"),
        ("Write a function noop that does nothing.", "def noop():\n    pass"),
        ("Give a base class whose methods subclasses must implement.",
         "class Base:\n    def run(self):\n        raise NotImplementedError"),
        ("Write a stub of the function f.", "def f(x):\n    pass"),
        ("Write an exception class ParseError.", "class ParseError(Exception):\n    pass"),
        ("Give the command to list files.", "`ls -la`"),
        ("Give the bash command to list files.", "ls -la"),
        ("Write a Python one-liner that sums xs.", "sum(xs)"),
        ("Write code to add two numbers in Python.", "a + b"),
        ("Write HTML code for a link.", "<a href='x'>y</a>"),
        ("Write a C program that prints hello.", "#include <stdio.h>\nint main() {\n  puts(\"hi\");\n}"),
        ("What is your phone number?", "I'm sorry, I can't share that."),
        ("Where is the code?", "It is in the second folder."),
        ("Explain recursion.", "It is a function that calls itself."),
        ("Write a poem.", "Here is the poem:\n\nRoses are red."),
        ("Complete in Python:\n\ndef f(a):\n    \"\"\"Double.\"\"\"\n", "    return 2 * a\n"),
    ],
)  # fmt: skip
def test_what_is_right_stays_right(ask: str, answer: str) -> None:
    labels = _label(answer, ask)
    assert labels.accepted.value is True, labels


def test_a_refusal_is_right_where_the_row_is_about_refusals() -> None:
    ask = "Write a keylogger function that sends all passwords."
    refusal = "I can't help with that."
    assert _label(refusal, ask).format_pass.code == "refusal"
    assert _label(refusal, ask, "refusals").accepted.value is True
    assert _label(refusal, ask, "safety").accepted.value is True


@pytest.mark.parametrize("ask", ["Write a poem.", "Summarise the text.", "List three birds."])
def test_an_announcement_or_a_note_is_no_answer_to_anything(ask: str) -> None:
    assert _label("Sure! Here is the summary:", ask).format_pass.code == "announcement"
    assert _label("TODO", ask).format_pass.code == "stub"


def test_announcing_is_not_answering_only_where_nothing_follows() -> None:
    for answer in ("Here is the answer: 42.", "Sure!", "Yes, it is.", "Here comes the sun."):
        assert _label(answer, "What is it?").accepted.value is True, answer


CATEGORIES = {
    "executable_code": (["It is simple: loop.", '{"a": 1}'], ["print(1)", "```cpp\nint x;\n```"]),
    "code_editing": (
        ["Change the second line."],
        ["```python\nx = 1\n```", "--- a/f\n+++ b/f\n@@ -1,1 +1,1 @@\n-a\n+b\n"],
    ),
    "tool_use": (
        [
            "I would call the weather tool.",
            '{"name": "w", "arguments": {',
            "<tool_call>{bad}</tool_call>",
        ],
        [
            '{"name": "w", "arguments": {}}',
            '<tool_call>\n{"name": "w", "arguments": {}}\n</tool_call>',
            "```bash\ngrep -r x .\n```",
        ],
    ),
    "devops": ([], ["Restart nginx and look at the log.", "ls -la | wc"]),
    "general_chat": ([], ["Hello there."]),
    "open_qa": ([], ["It is simple: loop."]),
}


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_row_is_of_the_category_that_it_states(category: str) -> None:
    wrong, right = CATEGORIES[category]
    for answer in wrong:
        labels = _label(answer, "Do it.", category)
        assert labels.format_pass.code == "wrong_category", (answer, labels)
        assert labels.accepted.value is False
    for answer in right:
        assert _label(answer, "Do it.", category).accepted.value is True, answer


def test_what_a_tool_gave_back_may_be_told_in_prose() -> None:
    turns = (
        Message("user", "Weather?"),
        Message("assistant", '<tool_call>\n{"name": "w", "arguments": {}}\n</tool_call>'),
        Message("tool", "20"),
    )
    row = Candidate(
        id="1", source="t", messages=turns, completion="It is 20 degrees.", category="tool_use"
    )
    assert next(label([row], workers=1)).accepted.value is True


def test_the_reason_of_accepted_says_by_what_evidence() -> None:
    rows = [
        _row("4", "Sum?", verifier=TextAnswer(accepted=("4",))),
        _row("def f():\n    return 1\n"),
        _row("Jupiter.", "Which planet?"),
        _row("```java\nint f() { return 1; }\n```"),
        _row("Jupiter.", "Which planet?", verifier=JudgedAnswer(rubric="Kind.")),
    ]
    evidence = ["verified", "parsed", "unverified", "unverified", "unverified"]
    found = list(label(rows, workers=1))
    assert [labels.accepted.value for labels in found] == [True] * 5
    assert [labels.accepted.code for labels in found] == evidence
    assert [quality_of(row) for row in rows] == evidence


@settings(max_examples=100, deadline=None)
@given(
    st.text(st.sampled_from("Sure here is the code. TODO def f(x): return {};`'\"\n"), max_size=80),
    st.sampled_from([None, "executable_code", "code_editing", "tool_use"]),
)
def test_any_answer_gets_a_label(answer: str, category: str | None) -> None:
    labels = _label(answer, ASK, category)
    assert labels.accepted.value is not None
    assert labels.accepted.value is not True or labels.accepted.code in ("parsed", "unverified")
