"""Decontamination measured: on plants of generated items, and on HumanEval where its file is."""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from sentinel_pipeline.mix.decontam import BAR, Measured, Rate, decontaminate, measure
from sentinel_pipeline.mix.plants import plant, rename, reword
from sentinel_pipeline.records import Candidate, Message, Task
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
