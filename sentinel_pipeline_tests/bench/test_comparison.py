"""Comparisons: paired, explained where an artifact explains them, shown without trusting what a
model wrote."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from sentinel_pipeline.bench.compare import SuiteComparison, compare_suites
from sentinel_pipeline.bench.compare_text import (
    comparison_markdown,
    comparison_page,
    suites_to_json,
)
from sentinel_pipeline.bench.confounds import explained
from sentinel_pipeline.bench.lm_eval import write_results
from sentinel_pipeline.bench.pairing import paired_counts
from sentinel_pipeline.bench.report import build_report, report_to_json
from sentinel_pipeline.bench.rescore import rescore, stale, write_rescored
from sentinel_pipeline.bench.samples import read_samples, write_samples
from sentinel_pipeline.bench.sources import open_source
from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.records import SampleScore, Task
from sentinel_pipeline.records.report import Outcome
from sentinel_pipeline.store import Home, Ledger, Store, write_jsonl, write_parquet
from sentinel_pipeline.tasks.task_bank import build


def sample(name: object, text: str, passed: bool | None, *, stopped: bool = True) -> SampleScore:
    outcome: Outcome = "infra" if passed is None else "pass" if passed else "fail"
    return SampleScore(
        task_id=str(name), category="general_chat", family="chat", completion=text, outcome=outcome,
        reason="passed" if passed else "too_long: over 500", syntax_ok=None, stopped=stopped, tokens=len(text) // 4, seconds=0,
    )  # fmt: skip


def stage_1_findings(seed: int = 3) -> tuple[list[SampleScore], list[SampleScore]]:
    """The stage 1 findings' 300 pairs: what is longer than 500 characters fails; 57 gains and 2
    losses, all by length."""
    random = Random(seed)
    first, second = [], []
    for i in range(300):
        a = random.randint(501, 900) if i < 57 else random.randint(80, 500)
        b = random.randint(501, 620) if i >= 298 else random.randint(20, 300)
        first.append(sample(i, "x" * a, a <= 500))
        second.append(sample(i, "y" * b, b <= 500))
    return first, second


def length_scorer(answers: Sequence[tuple[Any, str]]) -> list[str]:
    return ["pass" if len(text) <= 500 else "fail" for _, text in answers]


def only(first: list[SampleScore], second: list[SampleScore]) -> SuiteComparison:
    return compare_suites({"s": first}, {"s": second}, from_stage="base", to_stage="sft")["s"]


@pytest.mark.parametrize("seed", range(8))
def test_stage_1_findings_improvement_is_void_in_spite_of_its_p(seed: int) -> None:
    found = suites_to_json(
        compare_suites(
            *({"s": side} for side in stage_1_findings(seed)), from_stage="base", to_stage="sft"
        )
    )["s"]
    assert (found["gained"], found["lost"]) == (57, 2)
    assert found["mcnemar_p"] == pytest.approx(6.144e-15, rel=1e-3)
    assert (found["verdict"], found["void"]) == ("void", True)
    assert any(
        reason.startswith("length explains it: +18.3 % as measured, +0.0 %")
        for reason in found["artifacts"]
    )


def test_scoring_the_cut_answers_again_voids_it_too() -> None:
    length = next(
        one for one in explained(*stage_1_findings(), length_scorer) if one.feature == "length"
    )
    assert length.explains
    assert "59 of 59 failing answers pass when cut" in length.reason


def test_cutting_clears_a_gain_that_only_looks_like_length() -> None:
    """The scorer of now still fails what was cut: the long answers are wrong, not long."""
    length = next(
        one
        for one in explained(*stage_1_findings(), lambda xs: ["fail"] * len(xs))
        if one.feature == "length"
    )
    assert not length.explains


def right_and_short(answers: Sequence[tuple[Any, str]]) -> list[str]:
    """Right answers begin with R; longer than 200 characters, they fail."""
    return ["pass" if text[:1] == "R" and len(text) <= 200 else "fail" for _, text in answers]


def answers_of(seed: int, long_share: float) -> list[SampleScore]:
    """Four of five are right, whichever model; what differs is how many are long."""
    random = Random(seed)
    made = []
    for i in range(300):
        length = (
            random.randint(210, 500) if random.random() < long_share else random.randint(50, 190)
        )
        text = ("R" if random.random() < 0.8 else "W") + "x" * length
        made.append(sample(i, text, right_and_short([(i, text)]) == ["pass"]))
    return made


def test_right_and_short_is_explained_by_length_beside_a_scorer() -> None:
    found = [
        {
            one.feature
            for one in explained(
                answers_of(seed, 0.7), answers_of(seed + 100, 0.2), right_and_short
            )
            if one.explains
        }
        for seed in range(40)
    ]
    assert sum("length" in features for features in found) >= 36, "the rest is chance at 95 %"


@pytest.mark.parametrize("seed", range(8))
def test_a_minimum_length_is_found_beside_a_scorer(seed: int) -> None:
    """Short answers fail, and cutting longer ones says nothing about them."""
    random = Random(seed)

    def scorer(answers: Sequence[tuple[Any, str]]) -> list[str]:
        return ["pass" if len(text) >= 200 else "fail" for _, text in answers]

    def side(short: float) -> list[SampleScore]:
        lengths = [
            random.randint(20, 190) if random.random() < short else random.randint(200, 500)
            for _ in range(300)
        ]
        return [sample(i, "x" * length, length >= 200) for i, length in enumerate(lengths)]

    found = explained(side(0.5), side(0.2), scorer)
    assert {one.feature for one in found if one.explains} >= {"length"}


@pytest.mark.parametrize("seed", range(8))
def test_answers_that_were_cut_off_are_found_beside_a_scorer(seed: int) -> None:
    random = Random(seed)

    def side(cut_off: float) -> list[SampleScore]:
        ends = [random.random() >= cut_off for _ in range(300)]
        return [
            sample(i, "x" * random.randint(100, 400), end, stopped=end)
            for i, end in enumerate(ends)
        ]

    found = explained(side(0.5), side(0.1), lambda xs: ["fail"] * len(xs))
    assert {one.feature for one in found if one.explains} >= {"truncation"}


@pytest.mark.parametrize("seed", range(8))
def test_a_real_gain_is_not_explained_away(seed: int) -> None:
    """Shorter answers *and* better ones: length predicts nothing within a model, or the difference
    stays among equals."""
    random = Random(seed)
    hard = [random.random() for _ in range(300)]
    first = [
        sample(i, "x" * int(100 + 600 * h * random.random()), h < 0.4) for i, h in enumerate(hard)
    ]
    second = [
        sample(i, "x" * int(60 + 400 * h * random.random()), h < 0.65) for i, h in enumerate(hard)
    ]
    assert only(first, second).verdict == "better"


def test_a_base_model_that_never_stops_is_not_excused_by_length() -> None:
    random = Random(1)
    first = [sample(i, "x" * random.randint(400, 420), False, stopped=False) for i in range(300)]
    second = [sample(i, "x" * random.randint(20, 300), random.random() < 0.8) for i in range(300)]
    assert only(first, second).verdict == "better"


@pytest.mark.parametrize(
    ("feature", "text", "stopped"),
    [
        ("refusal", "I'm sorry, I can't.", True),
        ("format", "```\n4\n```", True),
        ("truncation", "4 and", False),
    ],
)
def test_refusals_fences_and_cut_off_answers_are_found(
    feature: str, text: str, stopped: bool
) -> None:
    first = [
        sample(i, text if i < 90 else "4444", i >= 90, stopped=stopped or i >= 90)
        for i in range(300)
    ]
    second = [
        sample(i, text if i < 5 else "4444", i >= 5, stopped=stopped or i >= 5) for i in range(300)
    ]
    found = {one.feature: one.explains for one in explained(first, second)}
    assert found[feature]


def test_without_a_difference_there_is_nothing_to_explain() -> None:
    first, _ = stage_1_findings()
    assert explained(first, first) == []


def test_infrastructure_on_either_side_is_left_out_of_both() -> None:
    first = [sample(1, "a", True), sample(2, "a", None), sample(3, "a", False)]
    second = [sample(1, "a", True), sample(2, "a", True), sample(3, "a", True)]
    assert paired_counts(first, second)[:5] == (1, 1, 0, 0, 1)
    assert only(first, second).summary.n == 2


def test_other_items_and_other_suites_are_refused() -> None:
    with pytest.raises(BadInput, match="different items"):
        only([sample(1, "a", True)], [sample(2, "a", True)])
    with pytest.raises(BadInput, match="no suite in common"):
        compare_suites({"a": []}, {"b": []}, from_stage="x", to_stage="y")


def test_suites_compared_together_are_adjusted_together() -> None:
    first = [sample(i, "a", i < 10) for i in range(40)]
    second = [sample(i, "b", i < 16) for i in range(40)]  # 6 gained: p = 0.031 alone
    both = compare_suites(
        {"a": first, "b": first}, {"a": second, "b": second}, from_stage="x", to_stage="y"
    )
    assert only(first, second).verdict == "better"
    assert {one.verdict for one in both.values()} == {"inconclusive"}


HOSTILE = "<script>alert(1)</script><img src=https://evil.example/x>\x1b[31m\u202e"


def test_the_page_escapes_what_a_model_wrote_and_fetches_nothing() -> None:
    first = [sample(HOSTILE, HOSTILE, False), sample("b", "x", True)]
    second = [sample(HOSTILE, HOSTILE + "better", True), sample("b", "x", True)]
    found = compare_suites({HOSTILE: first}, {HOSTILE: second}, from_stage="base", to_stage="sft")
    page = comparison_page("t", list(found.values()))
    assert "<script" not in page and "<img" not in page
    assert "&lt;script&gt;" in page and "\\u{1b}" in page and "\u202e" not in page
    assert "default-src 'none'" in page
    assert "http" not in page.replace("https://evil.example", "").replace("http-equiv", "")
    assert comparison_markdown(list(found.values())).count("\n| ") == 1


@pytest.fixture
def tasks() -> list[Task]:
    return list(build(3, {"tools": 6}, {}).train)


def write_report(store: Store, samples: list[SampleScore], scorer: str = "old") -> None:
    report = build_report(
        samples,
        stage="sft",
        suite="s",
        model="m",
        model_hash="h",
        scorer_version=scorer,
        decoding={"temperature": 0.0},
    )
    with store.writing("sft_report", recipe_hash="r", seed=1) as out:
        write_samples(out, "s", samples)
        out.json("s/report.json", report_to_json(report))
        write_results(out, [report], {"s": samples})


def test_stored_answers_are_scored_again_as_a_new_artifact(
    tasks: list[Task], home: Home, tmp_path: Path
) -> None:
    """Everything was called wrong by an old scorer; the references are right."""
    wrong = [sample(task.id, task.reference, False) for task in tasks]
    write_report(Store(home, "mini", "run1", "run1"), wrong)
    write_parquet(tmp_path / "suites" / "s.parquet", (task.to_row() for task in tasks), "tasks")
    old = Store(home, "mini", "run1", "run1").get("sft_report")
    with Store(home, "mini", "run2", "run2").writing("sft_report", recipe_hash="r", seed=1) as out:
        (done,) = write_rescored(out, old, tmp_path / "suites", "new")
    assert (done.changed, done.report.passed, done.report.scorer_version) == (6, 6, "new")
    assert [one.outcome for one in read_samples(old, "s")] == ["fail"] * 6
    new = Store(home, "mini", "run2", "run2").get("sft_report")
    assert [one.completion for one in read_samples(new, "s")] == [one.completion for one in wrong]
    assert old.damage() == []


def test_an_answer_to_no_item_of_the_suite_is_refused(tasks: list[Task]) -> None:
    with pytest.raises(BadInput, match="'other' first"):
        rescore(tasks, [sample("other", "x", True)])


def test_verdicts_of_an_old_scorer_are_named(tmp_path: Path) -> None:
    from sentinel_pipeline_tests.store.test_ledger import VERDICT

    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.record(VERDICT, recipe="tiny", run_id="r")
    assert stale(ledger, "tiny", "s2") == [VERDICT]
    assert stale(ledger, "tiny", "s1") == []


def test_a_report_has_lm_evals_keys_and_its_samples_beside_it(home: Home) -> None:
    samples = [sample(1, "a", True), sample(2, "b", False), sample(3, "c", None)]
    write_report(Store(home, "mini", "run1", "run1"), samples)
    made = Store(home, "mini", "run1", "run1").get("sft_report")
    results = made.json("results.json")
    assert {
        "results",
        "configs",
        "versions",
        "n-shot",
        "n-samples",
        "higher_is_better",
    } <= results.keys()
    assert results["results"]["s"]["pass_at_1,none"] == 0.5
    assert results["n-samples"]["s"] == {"original": 3, "effective": 2}
    rows = [json.loads(line) for line in made.path("samples_s.jsonl").read_text().splitlines()]
    assert [row["pass_at_1"] for row in rows] == [1.0, 0.0, None]
    assert made.json("logs/environment.json")["versions"]["python"]
    ours = open_source(str(made.folder), home)
    assert [(one.task_id, one.outcome) for one in ours.suites["s"]] == [
        ("1", "pass"),
        ("2", "fail"),
        ("3", "infra"),
    ]
    assert (
        open_source("mini/sft", home).suites == ours.suites
        if "mini" in home.recipe_names()
        else True
    )


def test_samples_of_other_tools_are_read(home: Home, tmp_path: Path) -> None:
    graded = tmp_path / "mine_results.jsonl"
    write_jsonl(graded, [{"task_id": "a", "completion": "x", "passed": True, "outcome": "pass"},
                         {"task_id": "b", "completion": "x", "passed": False, "outcome": "timeout"}])  # fmt: skip
    source = open_source(str(graded), home)
    assert {name: [one.outcome for one in rows] for name, rows in source.suites.items()} == {
        "mine": ["pass", "fail"]
    }
    theirs = tmp_path / "run" / "samples_gsm8k_2026-01-02T03-04-05.jsonl"
    write_jsonl(
        theirs,
        [{"doc_id": 0, "filtered_resps": ["4"], "metrics": ["exact_match"], "exact_match": 1.0}],
    )
    assert open_source(str(theirs.parent), home).suites["gsm8k"][0].outcome == "pass"


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([{"task_id": "a", "completion": "x"}], "line 1|:1, field 'outcome': has no outcome"),
        ([{"outcome": "pass"}], "field 'task_id': is missing"),
        (
            [{"task_id": "a", "outcome": "pass"}, {"task_id": "a", "outcome": "fail"}],
            "'a' has two answers",
        ),
    ],
)
def test_a_row_that_cannot_be_compared_is_named(
    home: Home, tmp_path: Path, rows: list[dict[str, str]], says: str
) -> None:
    path = tmp_path / "bad.jsonl"
    write_jsonl(path, rows)
    with pytest.raises(BadInput, match=says):
        open_source(str(path), home)
