"""What a plan says of a recipe's own tasks, and what it refuses before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.records.recipe import Recipe, load_recipe
from sentinel_pipeline.store import Home
from sentinel_pipeline.task_sources.usable import count_tasks, require_usable, unusable
from sentinel_pipeline.training.planning.plan import Plan, make_plan
from sentinel_pipeline_tests.task_sources.material import task, told, write

ANSWERS = [{"prompt": told(n), "completion": told(n + 900)} for n in range(40)]
SOURCE = '[[tasks.source]]\nfile = "mine.jsonl"\n'


def recipe(root: Path, text: str) -> Recipe:
    folder = root / "data" / "recipes"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "own.toml").write_text(text)
    return load_recipe(folder / "own.toml")


def planned(root: Path, text: str) -> Plan:
    return make_plan(recipe(root, text), Home(root))


def refused(root: Path, text: str) -> list[tuple[str, str]]:
    spec = recipe(root, text)
    return [(problem.asset, problem.reason) for problem in unusable(spec, count_tasks(spec, root))]


def test_a_plan_counts_the_tasks_that_a_run_will_use(tmp_path: Path) -> None:
    rows = [task(n) for n in range(60)]
    rows[7]["reference"] = "wrong"
    write(tmp_path / "mine.jsonl", [*rows, *ANSWERS[:10]])
    plan = planned(tmp_path, 'stages = ["sft"]\n' + SOURCE)
    report = plan.counted.report
    assert report is not None
    train = sum(report.train.values())
    assert 35 <= train <= 55
    assert plan.trainers["sft"]["rows"] == train + 10
    assert plan.trainers["sft"]["source"] == "at most, of its sources"
    tasks = plan.to_json()["tasks"]
    assert tasks["train"] == {"mine": train}
    assert train + tasks["window"] + tasks["heldout"] == 59
    assert tasks["sources"]["references"] == {"passed": 59, "failed": 1}
    assert plan.refusals == []


def test_a_plan_counts_the_rows_of_candidates_files(tmp_path: Path) -> None:
    write(tmp_path / "rows.jsonl", ANSWERS)
    (tmp_path / "rows.jsonl").open("a").write("{broken\n")
    text = 'stages = ["sft"]\n[candidates]\nfiles = ["rows.jsonl"]\n'
    plan = planned(tmp_path, text)
    assert plan.trainers["sft"]["rows"] == 40
    assert plan.refusals == []
    assert "rows.jsonl: 1 rows cannot be read and will be quarantined." in plan.warnings


def test_dpo_and_grpo_of_rows_that_nothing_scores_are_refused_naming_them(tmp_path: Path) -> None:
    write(tmp_path / "mine.jsonl", ANSWERS)
    text = 'stages = ["sft", "dpo", "grpo"]\n[bench]\nsuites = ["smoke"]\ngate_suite = "smoke"\n'
    refusals = refused(tmp_path, text + SOURCE)
    assert [asset for asset, _ in refusals][:2] == ["preference_pairs", "grpo_checkpoint"]
    problems = dict(refusals[:2])
    for asset in ("preference_pairs", "grpo_checkpoint"):
        assert (
            "none of the 40 training rows has a verifier (mine/1, mine/2, mine/3, mine/4, mine/5 …)"
            in problems[asset]
        )
        assert "Add verifier or tests to them" in problems[asset]
    plan = planned(tmp_path, text + SOURCE)
    assert {refusal.exit_code for refusal in plan.refusals} == {2}


def test_rows_without_a_verifier_are_enough_for_sft_and_kto(tmp_path: Path) -> None:
    write(tmp_path / "rows.jsonl", ANSWERS)
    text = 'stages = ["sft", "kto"]\n[candidates]\nfiles = ["rows.jsonl"]\n'
    assert refused(tmp_path, text) == []


def test_a_judge_may_rank_what_no_verifier_scores(tmp_path: Path) -> None:
    write(tmp_path / "mine.jsonl", ANSWERS)
    text = (
        'stages = ["dpo"]\n[pairs]\nranked_by = "judge"\n[judge.model]\nname = "judge"\n'
        'base_url = "http://127.0.0.1:1/v1"\n[bench]\nsuites = ["smoke"]\ngate_suite = "smoke"\n'
    )
    assert "preference_pairs" not in dict(refused(tmp_path, text + SOURCE))


def test_files_of_candidates_alone_are_no_tasks_and_dpo_says_where_to_name_them(
    tmp_path: Path,
) -> None:
    write(tmp_path / "rows.jsonl", ANSWERS)
    text = '[candidates]\nfiles = ["rows.jsonl"]\n'
    ((asset, reason),) = refused(tmp_path, text)
    assert asset == "preference_pairs"
    assert "Name a file of tasks with verifiers in [[tasks.source]]" in reason


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("{ train = 1.0 }", "there is no held-out task"),
        ("{ train = 0.5, heldout = 0.5 }", "there is no window task"),
    ],
)
def test_a_side_that_is_needed_and_empty_is_refused(
    tmp_path: Path, split: str, expected: str
) -> None:
    write(tmp_path / "mine.jsonl", [task(n) for n in range(40)])
    reasons = [reason for _, reason in refused(tmp_path, f"{SOURCE}split = {split}\n")]
    assert any(reason.startswith(expected) for reason in reasons)


GRPO_ONLY = 'stages = ["grpo"]\n[grpo]\nreward_items = 40\n'


def test_a_plan_says_what_eval_reward_can_show_on_the_fresh_prompts(tmp_path: Path) -> None:
    write(tmp_path / "mine.jsonl", [task(n) for n in range(300)])
    plan = planned(tmp_path, GRPO_ONLY + SOURCE)
    (gate,) = [gate for gate in plan.gates if gate["name"] == "eval_reward"]
    counted = plan.counted.reward
    assert 15 <= counted <= 40 and (gate["items"], gate["needs"]) == (counted, 6)
    assert gate["power"] > 0 and gate["truth"] == pytest.approx(0.65)
    more = planned(tmp_path, GRPO_ONLY.replace("40", "10") + SOURCE)
    assert more.counted.reward == 10, "no more than are asked"
    assert sum(plan.counted.report.sides["reward"].values()) if plan.counted.report else False


@pytest.mark.parametrize("severity", ["block", "warn"])
def test_a_plan_says_when_there_are_too_few_fresh_prompts_for_a_pass(
    tmp_path: Path, severity: str
) -> None:
    write(tmp_path / "train.jsonl", [task(n) for n in range(40)])
    write(tmp_path / "window.jsonl", [task(n) for n in range(50, 70)])
    write(tmp_path / "held.jsonl", [task(n) for n in range(70, 90)])
    files = (
        '[[tasks.source]]\nname = "mine"\ntrain = "train.jsonl"\nwindow = "window.jsonl"\n'
        'heldout = "held.jsonl"\n'
    )
    fences = f'[fences]\neval_reward = "{severity}"\n'
    plan = planned(tmp_path, GRPO_ONLY + fences + files)
    released = " and nothing is released" if severity == "block" else ""
    expected = f"eval_reward cannot pass{released}: 0 fresh prompts, it needs 6."
    assert any(warning.startswith(expected) for warning in plan.warnings), plan.warnings
    write(tmp_path / "fresh.jsonl", [task(n) for n in range(100, 130)])
    enough = planned(tmp_path, GRPO_ONLY + fences + files + 'reward = "fresh.jsonl"\n')
    assert enough.counted.reward == 30
    assert not any(warning.startswith("eval_reward cannot") for warning in enough.warnings)
    assert any(
        "decided on 30 fresh prompts, not on the 40" in warning for warning in enough.warnings
    )


def test_only_what_is_to_be_made_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "mine.jsonl", ANSWERS)
    spec = recipe(tmp_path, '[bench]\nsuites = ["smoke"]\ngate_suite = "smoke"\n' + SOURCE)
    file = tmp_path / "data" / "recipes" / "own.toml"
    require_usable(spec, tmp_path, file, {"task_bank", "rebalanced_mix"})
    with pytest.raises(BadInput, match="DPO needs answers") as error:
        require_usable(spec, tmp_path, file, {"task_bank", "preference_pairs"})
    assert (error.value.file, error.value.field) == (file, "tasks.source")


def test_a_source_that_is_not_there_is_a_refusal_of_the_plan(tmp_path: Path) -> None:
    plan = planned(tmp_path, SOURCE)
    first = plan.refusals[0]
    assert (first.field, first.exit_code) == (
        "tasks.source[0].file",
        2,
    )
