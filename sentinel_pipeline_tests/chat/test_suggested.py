"""Held-out prompts to try, the check of an answer by its task's own tests, and the probe that the
run itself has taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline.bench.report import build_report, report_to_json
from sentinel_pipeline.bench.samples import write_samples
from sentinel_pipeline.chat.guard import HOW_TO_OPEN, SWITCH
from sentinel_pipeline.chat.models import Models
from sentinel_pipeline.chat.probe import probe
from sentinel_pipeline.chat.suggested import EACH, check_answer, suggestions
from sentinel_pipeline.critic.version import scorer_version
from sentinel_pipeline.errors import BadInput, GateRefused
from sentinel_pipeline.generation.targets import find_target
from sentinel_pipeline.records import SampleScore, Task
from sentinel_pipeline.store import Home, Store
from sentinel_pipeline.tasks.task_bank import build
from sentinel_pipeline_tests.chat.material import add_checkpoint, license_scorers


@pytest.fixture
def tasks(home: Home) -> list[Task]:
    """A task bank with a held-out suite of three families."""
    bank = build(
        5, {"functions": 9, "shell": 9, "chat": 9}, {"functions": 4, "shell": 4, "chat": 4}
    )
    with Store(home, "tiny", "run-1", "run-1").writing("task_bank", recipe_hash="-", seed=1) as out:
        out.table("suites/heldout.parquet", (task.to_row() for task in bank.heldout), "tasks")
    return list(bank.heldout)


def report(home: Home, kept: int, n: int = 100, prompt_format: str = "chat", **change: Any) -> None:
    """The report of ``tiny/sft``: ``kept`` of its answers parse and stop; every one is wrong."""
    hash_ = Store.reading(home, "tiny").get("sft_checkpoint").hash
    samples = [
        SampleScore(
            task_id=str(place), category="c", family="f", completion="x", outcome="fail",
            reason="assertion: no", syntax_ok=place < kept, stopped=place < kept, tokens=3, seconds=0.0,
        )
        for place in range(n)
    ]  # fmt: skip
    with Store(home, "tiny", "run-1", "run-1").writing(
        "sft_report", recipe_hash="-", seed=1
    ) as out:
        write_samples(out, "heldout", samples)
        made = build_report(
            samples, stage="sft", suite="heldout", model="m",
            scorer_version=scorer_version(), decoding={"prompt_format": prompt_format},
            **{"model_hash": hash_, **change},
        )  # fmt: skip
        out.json("heldout/report.json", report_to_json(made))


def state(home: Home) -> tuple[str, str]:
    return probe(home, home.recipe("tiny"), "sft", find_target(home, "tiny/sft"))[:2]


def test_every_family_has_some_prompts_and_no_more(home: Home, tasks: list[Task]) -> None:
    found = suggestions(home, "tiny/sft")
    by_id = {f"heldout/{task.id}": task for task in tasks}
    assert {each.family for each in found} <= {"functions", "shell", "chat"} and found
    for family in {each.family for each in found}:
        assert sum(each.family == family for each in found) <= EACH
    for each in found:
        assert by_id[each.id].messages[-1].content == each.text
        assert len(by_id[each.id].messages) == 1, "one turn, so that it can be asked as it is"


def test_without_a_task_bank_nothing_is_suggested(home: Home) -> None:
    assert suggestions(home, "tiny/sft") == []


def test_the_reference_passes_and_something_else_fails_with_its_reason(
    home: Home, tasks: list[Task]
) -> None:
    task = next(task for task in tasks if task.family == "functions")
    name = f"heldout/{task.id}"
    right = check_answer(home, "tiny/sft", name, task.messages, task.reference)
    assert (right["outcome"], right["reference"]) == ("pass", task.reference)
    wrong = check_answer(home, "tiny/sft", name, task.messages, "def f(: pass")
    assert wrong["outcome"] == "fail" and wrong["reason"]


def test_an_answer_to_something_else_is_not_checked(home: Home, tasks: list[Task]) -> None:
    first, second = tasks[:2]
    with pytest.raises(BadInput, match="not to that task's prompt"):
        check_answer(home, "tiny/sft", f"heldout/{first.id}", second.messages, "x")
    with pytest.raises(BadInput, match="there is no task"):
        check_answer(home, "tiny/sft", "heldout/../x", first.messages, "x")


@pytest.mark.parametrize(
    ("kept", "change", "expected"),
    [
        (100, {}, "pass"),
        (60, {}, "fail"),
        (83, {}, "inconclusive"),
        (100, {"model_hash": "of another"}, "missing"),
        (100, {"prompt_format": "raw"}, "missing"),
    ],
)
def test_the_run_itself_has_taken_the_probe_of_its_recipes_format(
    home: Home, small_model: Path, kept: int, change: dict[str, Any], expected: str
) -> None:
    """Every answer is wrong: the probe asks for the form, not for what is right."""
    add_checkpoint(home, "tiny", "sft", small_model)
    license_scorers(home)
    report(home, kept, **change)
    found, reason = state(home)
    assert found == expected
    assert expected == "missing" or "of its 100 answers to heldout" in reason


def test_without_a_pass_the_page_says_what_opens_it_and_the_label_stays(
    home: Home, small_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SWITCH, "0")
    add_checkpoint(home, "tiny", "sft", small_model)
    add_checkpoint(home, "tiny", "base", small_model)
    license_scorers(home)
    report(home, 10)
    closed = Models(home, None, experimental=False)
    assert closed.names() == ["tiny/sft", "tiny/base"], "the base model is there to compare with"
    with pytest.raises(GateRefused, match="--experimental, of sentinel chat RECIPE/STAGE"):
        closed.open("tiny/sft")
    named = Models(home, None, experimental=False, labelled=("tiny/sft",))
    look = named.look("tiny/sft")
    assert (look.open, look.experimental) == (True, True)
    assert HOW_TO_OPEN not in " ".join(look.reasons), "it is open already"
    assert not named.look("tiny/base").open, "only what was named is opened"
    with pytest.raises(BadInput, match="no recipe has the checkpoint"):
        Models(home, None, experimental=False, labelled=("nosuch/sft",))
