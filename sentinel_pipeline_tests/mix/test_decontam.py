"""Decontamination measured: on plants of generated items, and on HumanEval where its file is."""

from __future__ import annotations

import base64
import codecs
import gzip
import json
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel_pipeline.mix.decontam import BAR, Measured, Rate, decontaminate, measure
from sentinel_pipeline.mix.hidden import hidden_texts
from sentinel_pipeline.mix.plants import plant, rename, reword
from sentinel_pipeline.records import Candidate, Message, PythonTests, Task
from sentinel_pipeline.tasks.suites import load_suite
from sentinel_pipeline.tasks.task_bank import build

FOLDER = Path(os.environ.get("SENTINEL_BENCHMARKS", "../shared/benchmarks"))
FAMILIES = {"functions": 60, "edits": 30, "tools": 20, "shell": 20, "chat": 20}


@pytest.fixture(scope="module")
def tasks() -> tuple[tuple[Task, ...], tuple[Task, ...]]:
    """Held-out items, and training tasks that share no composition with them."""
    bank = build(3, {name: 8 * count for name, count in FAMILIES.items()}, FAMILIES, {})
    return bank.heldout, bank.train


def test_plants_of_templated_items_are_found_and_their_relatives_are_not(
    tasks: tuple[tuple[Task, ...], tuple[Task, ...]],
) -> None:
    """The hardest case there is: items and clean rows come from the same templates."""
    found = measure(*tasks, seed=1)
    assert found.recall.n > 300 and found.recall.hits / found.recall.n >= BAR
    assert found.precision.hits / found.precision.n >= BAR - 0.03
    assert found.kinds["verbatim_prompt"].hits == found.kinds["verbatim_prompt"].n > 0
    assert found == measure(*tasks, seed=1) != measure(*tasks, seed=2)


@pytest.mark.skipif(
    not (FOLDER / "humaneval").is_dir(), reason="no public benchmark files: set SENTINEL_BENCHMARKS"
)
def test_paraphrased_and_renamed_plants_of_humaneval_are_found() -> None:
    items = load_suite("humaneval", data=FOLDER / "humaneval" / "HumanEval.jsonl.gz")
    found = measure(items, [], seed=1)
    assert found.good and found.clean.n == 82
    assert all(rate.hits / rate.n >= 0.9 for rate in found.kinds.values()), found.to_markdown()


@pytest.mark.skipif(
    not (FOLDER / "mbpp").is_dir(), reason="no public benchmark files: set SENTINEL_BENCHMARKS"
)
def test_one_suites_items_do_not_overlap_another() -> None:
    items = load_suite("humaneval", data=FOLDER / "humaneval" / "HumanEval.jsonl.gz")
    rows = [
        Candidate(id=task.id, source="m", messages=task.messages, completion=task.reference)
        for task in load_suite("mbpp", data=FOLDER / "mbpp" / "mbpp.jsonl")
    ]
    report = decontaminate(rows, items)
    assert len(report.hits) <= 0.01 * len(rows), [
        (hit.id, hit.task_id, hit.kind) for hit in report.hits
    ]
    with gzip.open(FOLDER / "humaneval" / "HumanEval.jsonl.gz") as stream:
        whole = [json.loads(line) for line in stream]
    planted = [
        Candidate(
            id=row["task_id"],
            source="p",
            messages=(Message("user", "Some code, please."),),
            completion=f"Here:\n```python\n{row['prompt']}{row['canonical_solution']}```",
        )
        for row in whole
    ]
    assert len(decontaminate(planted, items).hits) == 164


def _row(asked: str, answered: str = "It depends.", *before: Message) -> Candidate:
    return Candidate(
        id="r", source="s", messages=(*before, Message("user", asked)), completion=answered
    )


PROGRAM = (
    "def weave(first, second):\n    woven = []\n    for left, right in zip(first, second):\n"
    "        woven.append(left)\n        woven.append(right)\n    return woven\n"
)
OTHER_PROGRAM = (
    "def area(points):\n    total = 0.0\n    for (x, y), (u, v) in zip(points, points[1:]):\n"
    "        total += x * v - u * y\n    return abs(total) / 2\n"
)
SENTENCE = "Write a function to alternate the letters of two strings, starting with the second."
ITEM = Task(
    id="i",
    suite="own",
    category="executable_code",
    family="f",
    messages=(Message("user", f"{SENTENCE}\nName the function weave. It takes 2 arguments."),),
    verifier=PythonTests(
        tests="assert weave('abq', 'xyz') == ['a', 'x', 'b', 'y', 'q', 'z']\nassert weave('', '') == []\n"
        "assert weave('k', 'm') == ['k', 'm']",
        entry_point="weave",
    ),
    reference=PROGRAM,
)
SUITE = [
    ITEM,
    *(
        replace(
            ITEM,
            id=f"o{number}",
            messages=(
                Message(
                    "user",
                    f"{sentence}\nName the function {name}. It takes {number % 3 + 1} arguments.",
                ),
            ),
            verifier=PythonTests(
                tests=f"assert {name}({number}, 7) == {number * 5}", entry_point=name
            ),
            reference="",
        )
        for number, (name, sentence) in enumerate(
            {
                "largest": "Write a function to find the largest odd number in a list.",
                "smallest": "Write a function to find the smallest odd number in a list.",
                "perimeter": "Write a function to compute the perimeter of a polygon.",
                "vowels": "Write a function to count the vowels of each word.",
                "rotate": "Write a function to rotate a matrix by ninety degrees.",
                "missing": "Write a function to find the missing number of a sorted array.",
                "balanced": "Write a function to check whether brackets are balanced.",
            }.items()
        )
    ),
]


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (_row(SENTENCE, OTHER_PROGRAM), "prompt"),
        (_row(f"Hello! {SENTENCE} Thank you."), "prompt"),
        (_row("Go on.", "Yes.", Message("system", SENTENCE)), "prompt"),
        (_row("And now?", "Yes.", Message("user", "Hi"), Message("assistant", SENTENCE)), "prompt"),
        (
            _row(
                "two strings, starting with the second.",
                "Yes.",
                Message("user", "Write a function to alternate the letters of"),
                Message("assistant", "Of what?"),
            ),
            "prompt",
        ),
        (_row(json.dumps([{"role": "user", "content": SENTENCE}])), "prompt"),
        (_row(f"Decode: {base64.b64encode(SENTENCE.encode()).decode()}"), "prompt"),
        (_row(codecs.encode(SENTENCE, "rot13")), "prompt"),
        (_row(SENTENCE.replace("o", "\u043e").replace("e", "\u200be")), "prompt"),
        (_row("Run these.", f"```python\n{ITEM.verifier.tests}\n```"), "tests"),  # type: ignore[union-attr]  # PythonTests
        (_row(json.dumps({"test_list": ITEM.verifier.tests.split("\n")})), "tests"),  # type: ignore[union-attr]  # PythonTests
        (_row("Go on.", json.dumps({"code": PROGRAM})), "renamed_solution"),
        (_row(f"What does this do?\n```python\n{PROGRAM}```", "It weaves."), "renamed_solution"),
        (
            _row("Swap in turn the characters of two texts, beginning with the second one."),
            "near_prompt",
        ),
        (
            _row(
                "Escreva uma função para alternar as letras de duas strings, começando pela segunda."
            ),
            "near_prompt",
        ),
        (_row("编写一个函数，交替两个字符串的字母，从第二个开头。"), "near_prompt"),
    ],
)
def test_an_item_is_found_in_whatever_form_it_stands(row: Candidate, kind: str) -> None:
    (hit,) = decontaminate([row], SUITE).hits
    assert (hit.task_id, hit.kind) == ("i", kind)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("Write a function to find the largest even number in a list.", OTHER_PROGRAM),
        ("Write a function to compute the area of a polygon.", OTHER_PROGRAM),
        ("Write a function to count the consonants of each word.", "Here you are."),
        ("Write a function to alternate the colours of a chess board.", OTHER_PROGRAM),
        ("What is a string?", "A sequence of characters."),
        ("Print a list.", "for item in items:\n    print(item)\n"),
        ("Add up a list.", "total = 0\nfor value in values:\n    total += value\nprint(total)\n"),
    ],
)
def test_another_task_of_the_same_family_is_no_overlap(asked: str, answered: str) -> None:
    assert decontaminate([_row(asked, answered)], SUITE).hits == ()


def test_rows_of_one_template_are_other_tasks() -> None:
    """1,200 rows of the templates that the items are of, and nobody says that they are others."""
    families = {name: 8 * count for name, count in FAMILIES.items()}
    bank = build(3, families, FAMILIES, {})
    rows = [
        Candidate(id=task.id, source="s", messages=task.messages, completion=task.reference)
        for task in bank.train
    ]
    assert len(rows) == 1200
    report = decontaminate(rows, bank.heldout)
    assert len(report.hits) <= 0.02 * len(rows), report.to_markdown()
    assert len(decontaminate(rows[:300], bank.heldout, corpus=rows).hits) <= 6


def test_what_a_row_is_told_by_a_corpus_does_not_depend_on_its_neighbours() -> None:
    rows = [
        replace(_row(f"Write a function to alternate the {n} of a list."), id=str(n))
        for n in range(60)
    ]
    whole = {hit.id for hit in decontaminate(rows, SUITE, corpus=rows).hits}
    parts = {
        hit.id
        for start in (0, 20, 40)
        for hit in decontaminate(rows[start : start + 20], SUITE, corpus=rows).hits
    }
    assert whole == parts


def test_plants_have_the_form_of_the_corpus() -> None:
    form = Candidate(
        id="f",
        source="s",
        messages=(
            Message("system", "Be brief."),
            Message("user", "Hi"),
            Message("assistant", "Hello"),
            Message("user", "Go"),
        ),
        completion="Sure:\n```py\nx = 1\n```",
    )
    plants = {each.kind: each.row for each in plant([ITEM], 1, [form])}
    assert plants["verbatim_prompt"].messages[:3] == form.messages[:3]
    assert plants["renamed_solution"].completion.startswith("```py\n")
    assert [turn.role for turn in plants["in_a_system_turn"].messages] == ["system", "user"]


@settings(max_examples=50, deadline=None)
@given(text=st.text(min_size=30, max_size=400), wrap=st.booleans())
def test_what_is_encoded_is_found_again(text: str, wrap: bool) -> None:
    body = f"a b\n{text}"
    blob = (base64.encodebytes if wrap else base64.b64encode)(
        body.encode("utf-8", "replace")
    ).decode()
    assert body.encode("utf-8", "replace").decode() in hidden_texts(f"see {blob} .", [])


@given(text=st.text(max_size=600))
def test_no_text_is_too_odd_to_look_into(text: str) -> None:
    decontaminate([_row(text, text)], SUITE[:2], corpus=())


def test_the_report_does_not_depend_on_the_hash_seed() -> None:
    code = """
from sentinel_pipeline.tasks.task_bank import build
from sentinel_pipeline.mix.decontam import decontaminate
from sentinel_pipeline.records import Candidate
bank = build(3, {"functions": 300, "edits": 100}, {"functions": 40, "edits": 20}, {})
rows = [Candidate(id=t.id, source="s", messages=t.messages, completion=t.reference) for t in bank.train]
print(decontaminate(rows, bank.heldout, relatives=bank.train[::3], seed=1).to_json())
"""
    said = {
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(said) == 1 and "'hits': [{" in said.pop()


def test_nothing_to_plant_is_not_measured_and_not_good() -> None:
    found = measure([], [], seed=1)
    assert found.recall == Rate(0, 0) and not found.good and found.recall.interval is None
    assert found.to_json()["recall"] == {"rate": None, "hits": 0, "n": 0, "interval": [None, None]}
    assert (
        "not measured (n = 0)" in found.to_markdown()
        and found.to_plot() == "Nothing could be planted."
    )


def test_a_finder_that_finds_all_or_nothing_is_not_good() -> None:
    everything = Measured(
        recall=Rate(100, 100), precision=Rate(100, 200), clean=Rate(100, 100), kinds={}
    )
    nothing = Measured(recall=Rate(0, 100), precision=Rate(0, 0), clean=Rate(0, 100), kinds={})
    assert not everything.good and not nothing.good


def test_plants_differ_from_their_items_as_they_say(
    tasks: tuple[tuple[Task, ...], tuple[Task, ...]],
) -> None:
    made = {(each.kind, each.task.id): each for each in plant(tasks[0], 1)}
    for (kind, _), each in made.items():
        asked, item = each.row.messages[0].content, each.task
        if kind in ("renamed_solution", "translated_comments", "embedded_solution"):
            assert each.row.completion != item.reference and asked != item.messages[-1].content
        if kind == "reworded_and_renamed":
            assert each.row.completion != item.reference
    assert rename("def f(a):\n    return a.real + len(a)", random.Random(1)) not in (
        None,
        "def f(a):\n    return a.real + len(a)",
    )
    assert "len(" in str(rename("def f(a):\n    return a.real + len(a)", random.Random(1)))
    assert rename("this is prose", random.Random(1)) is None
    assert (
        reword("Write a function to find the list", random.Random(3))
        != "Write a function to find the list"
    )


def test_hostile_names_are_harmless_in_the_report() -> None:
    task = Task(
        id="a|b\n<script>",
        suite="s",
        category="c",
        family="f",
        messages=(Message("user", "one two three"),),
        verifier=load_suite("smoke")[0].verifier,
        reference="",
    )
    rows = [Candidate(id="x", source="s", messages=task.messages, completion="y")]
    assert (
        "| x | a?b??script? | s | prompt | 1.00 |"
        in decontaminate(rows, [task]).to_markdown().splitlines()
    )
