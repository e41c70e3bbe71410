"""The families for pretrained models: their references pass, they ask in no published suite's items
and in none of the format probe's words."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from sentinel_pipeline.critic.score import Scorable, score
from sentinel_pipeline.defs.training import _as_candidate
from sentinel_pipeline.mix.decontam import decontaminate
from sentinel_pipeline.records import FunctionCalls, Task
from sentinel_pipeline.tasks.assistant import ASSISTANT, calls, forms
from sentinel_pipeline.tasks.families import Family
from sentinel_pipeline.tasks.suites import load_suite
from sentinel_pipeline.tasks.suites.format_probe import FORMS as PROBED
from sentinel_pipeline.tasks.task_bank import build

BANK = build(17, {"calls": 240, "forms": 160}, {"calls": 40, "forms": 40})


def test_every_reference_passes_its_own_verifier() -> None:
    tasks = [*BANK.train, *BANK.heldout]
    scores = score(Scorable(t.id, t.messages, t.reference, t.verifier) for t in tasks)
    failed = [
        (task.composition, result.reason)
        for task, result in zip(tasks, scores, strict=True)
        if result.outcome != "pass"
    ]
    assert failed == []


@pytest.mark.parametrize("family", ASSISTANT, ids=lambda family: family.name)
def test_every_part_of_a_heldout_composition_is_seen_in_training(family: Family) -> None:
    def parts(heldout: bool) -> set[str]:
        return {part for name in family.split(heldout=heldout) for part in name.split("|")}

    assert parts(True) <= parts(False)
    share = len(family.split(heldout=True)) / len(family.compositions)
    assert 0.12 <= share <= 0.28


def test_a_call_answers_with_the_values_of_its_sentence() -> None:
    draft = calls.generate("hotel|place+count", Random(4))
    call = json.loads(draft.reference)
    sentence = draft.messages[-1].content
    values = list(call["arguments"].values())
    assert len(values) == 2 and all(str(value) in sentence for value in values)
    assert not any(value in (None, "") for value in values)


def test_an_argument_that_nobody_mentions_is_left_out_and_its_default_is_accepted() -> None:
    for seed in range(40):
        draft = calls.generate("hotel|place", Random(seed))
        assert isinstance(draft.verifier, FunctionCalls)
        ((name, accepted),) = json.loads(draft.verifier.expected)[0].items()
        optional = [key for key, values in accepted.items() if "" in values]
        if not optional:
            continue
        call = json.loads(draft.reference)
        assert optional[0] not in call["arguments"]
        call["arguments"][optional[0]] = accepted[optional[0]][1]
        (result,) = score([Scorable("a", draft.messages, json.dumps(call), draft.verifier)])
        assert (call["name"], result.outcome) == (name, "pass")
        return
    pytest.fail("no draw had an optional argument")


def test_a_wrong_value_and_a_wrong_name_fail() -> None:
    draft = calls.generate("hotel|place+count", Random(4))
    call = json.loads(draft.reference)
    wrong = [
        call | {"name": call["name"] + "s"},
        call | {"arguments": {**call["arguments"], "extra": 1}},
        call | {"arguments": dict(list(call["arguments"].items())[:1])},
    ]
    results = score(
        Scorable(str(at), draft.messages, json.dumps(answer), draft.verifier)
        for at, answer in enumerate(wrong)
    )
    assert [result.outcome for result in results] == ["fail"] * 3


def test_a_fence_around_json_or_a_sentence_before_it_is_not_the_form_that_was_asked() -> None:
    draft = forms.generate("only_json|fruits|0", Random(1))
    answers = [f"```json\n{draft.reference}\n```", f"Sure! {draft.reference}", draft.reference]
    results = score(
        Scorable(str(at), draft.messages, answer, draft.verifier)
        for at, answer in enumerate(answers)
    )
    assert [result.outcome for result in results] == ["fail", "fail", "pass"]


def test_the_forms_are_the_probes_and_their_requests_are_not() -> None:
    assert set(forms.FORMS) == {form.__name__ for form in PROBED}
    probes = {task.messages[0].content for task in load_suite("format_probe")}
    asked = {task.messages[0].content for task in BANK.train if task.family == "forms"}
    assert probes & asked == set()
    hits = decontaminate(map(_as_candidate, BANK.train), load_suite("format_probe"), corpus=()).hits
    # A list of so many things has only so many wordings: the few that come near are left out of a
    # mix, as any other row would be.
    assert {hit.kind for hit in hits} <= {"near_prompt"}
    assert len(hits) <= 0.03 * len(asked)


def offered(task: Task) -> set[str]:
    """Names of the functions that a task offers."""
    assert isinstance(task.verifier, FunctionCalls)
    return {function["name"] for function in json.loads(task.verifier.functions)}


def test_no_training_task_is_near_an_item_of_bfcl(
    benchmarks_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTINEL_BENCHMARKS", str(benchmarks_dir))
    items: list[Task] = load_suite("bfcl")
    names = set().union(*map(offered, items))
    here = set().union(*(offered(task) for task in BANK.train if task.family == "calls"))
    assert names & here == set()
    assert list(decontaminate(map(_as_candidate, BANK.train), items, corpus=()).hits) == []
