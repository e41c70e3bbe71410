"""The plan: what it counts on actual rows, what it refuses, and that its rates are those that
train."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline.costs import Cost, write_cost
from sentinel_pipeline.records.data_spec import CandidatesSpec
from sentinel_pipeline.records.model_spec import EmbeddedModel, ModelSpec
from sentinel_pipeline.records.recipe import Recipe
from sentinel_pipeline.records.task_source import TasksSpec
from sentinel_pipeline.records.training_spec import Budget, DpoSpec, SftSpec
from sentinel_pipeline.store import Home, Store, read_jsonl
from sentinel_pipeline.training.loop.watch import Watch
from sentinel_pipeline.training.planning.inputs import missing_inputs
from sentinel_pipeline.training.planning.plan import Plan, learning_rates, make_plan
from sentinel_pipeline.training.trainers.sft import train_sft
from sentinel_pipeline.worker.interrupts import Interrupts
from sentinel_pipeline_tests.cli.conftest import Run
from sentinel_pipeline_tests.cli.conftest import run as run
from sentinel_pipeline_tests.training.material import exact_match, silent, small_sft_job

RECIPE = Recipe(
    name="planned",
    tasks=TasksSpec(train={"functions": 100}),
    sft=SftSpec(batch_size=8, warmup_steps=2, max_length=256),
    dpo=DpoSpec(batch_size=8, warmup_steps=2, max_length=256),
)


def planned(recipe: Recipe, root: Path) -> Plan:
    return make_plan(recipe, Home(root))


def with_mix(root: Path, material: tuple[Path, Path], base: Path) -> Home:
    """A home in which the mix and the base model were made."""
    home = Home(root)
    store = Store(home, "planned", "run-1", "run-1")
    rows = list(read_jsonl(material[0]))
    with store.writing("rebalanced_mix", recipe_hash="h", seed=1) as out:
        out.metrics["rows"] = len(rows)
        table = (
            {
                "id": str(i),
                "category": "tool_use" if i % 4 else "devops",
                "messages": row["prompt"],
                "completion": "x",
            }
            | {"origin": "candidate", "task_id": None}
            for i, row in enumerate(rows)
        )
        out.table("rows.parquet", table, "rows")
        out.jsonl("train.jsonl", rows)
    with store.writing("base_checkpoint", recipe_hash="h", seed=1) as out:
        out.json("model.json", {"folder": str(base)})
    return home


def test_before_anything_is_made_it_counts_what_the_recipe_asks_for(tmp_path: Path) -> None:
    plan = planned(RECIPE, tmp_path)
    assert plan.refusals == []
    sft = plan.trainers["sft"]
    assert (sft["rows"], sft["source"], sft["steps"], sft["left_out_of_the_last_pass"]) == (
        100,
        "as the recipe asks",
        12,
        4,
    )
    assert plan.model is not None and plan.model.architecture == "LlamaForCausalLM"
    assert sft["trained_parameters"] == plan.model.parameters
    assert plan.device is not None and "processor" in plan.device
    assert min(hours or 0.0 for hours in plan.hours.values()) > 0, "measured, nothing ran before"


def test_actual_rows_are_tokenized_and_counted(
    tmp_path: Path, material: tuple[Path, Path], base: Path
) -> None:
    plan = make_plan(RECIPE, with_mix(tmp_path, material, base))
    sft = plan.trainers["sft"]
    assert (sft["rows"], sft["steps"], sft["source"]) == (96, 12, "run run-1")
    assert (sft["tokens"]["kept"], sft["tokens"]["fully_masked"]) == (96, 0)
    shares = sft["categories"]
    assert {name: one["rows"] for name, one in shares.items()} == {"devops": 24, "tool_use": 72}
    assert shares["devops"]["unique_prompts"] == 24
    assert sft["trained_tokens_a_step"] > 0


def test_rows_that_do_not_fit_are_said_and_too_many_refused(
    tmp_path: Path, material: tuple[Path, Path], base: Path
) -> None:
    home = with_mix(tmp_path, material, base)
    plan = make_plan(replace(RECIPE, sft=replace(RECIPE.sft, max_length=20)), home)
    assert any("96 rows would be lost" in one.reason for one in plan.refusals)


def test_the_parameters_are_those_of_the_model_that_is_trained(
    tmp_path: Path, base: Path, material: Any
) -> None:
    job = small_sft_job(
        tmp_path / "job", base, material[0], None, method="lora", lora_r=4, max_steps=1
    )
    result = train_sft(job, silent(job.logs), Interrupts(), exact_match)
    spec = replace(RECIPE.sft, method="lora", lora_r=4)
    plan = planned(replace(RECIPE, model=ModelSpec(source=str(base)), sft=spec), tmp_path)
    assert plan.model is not None
    assert plan.trainers["sft"]["trained_parameters"] == result["trained_parameters"]


@pytest.mark.parametrize(
    ("schedule", "least"),
    [
        ("linear", 0),
        ("cosine", 0),
        ("constant_with_warmup", 0),
        ("warmup_stable_decay", 0),
        ("warmup_stable_decay", 0.2),
    ],
)
def test_the_rates_are_those_of_training(
    tmp_path: Path,
    base: Path,
    material: Any,
    schedule: Any,
    least: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[float] = []
    after_step = Watch.after_step

    def noting(self: Watch, step: int, total: int, control: Any) -> None:
        seen.append(self.trainer.optimizer.param_groups[0]["lr"])
        after_step(self, step, total, control)

    monkeypatch.setattr(Watch, "after_step", noting)
    job = small_sft_job(
        tmp_path,
        base,
        material[0],
        None,
        lr_scheduler_type=schedule,
        min_lr_ratio=least,
        max_steps=8,
    )
    train_sft(job, silent(job.logs), Interrupts(), exact_match)
    rates = learning_rates(job.spec, 8)
    # A callback sees the rate of the step that follows: the schedule has moved on.
    assert seen[:-1] == pytest.approx(rates[1:], rel=1e-4)
    assert min(rates) >= least * job.spec.learning_rate * 0.999


@pytest.mark.parametrize(
    ("changes", "field", "word"),
    [
        ({"sft": replace(RECIPE.sft, max_length=4096)}, "sft.max_length", "attends to 512"),
        (
            {"sft": replace(RECIPE.sft, batch_size=128)},
            "sft.batch_size",
            "100 rows do not fill one batch of 128",
        ),
        ({"model": ModelSpec(source="/no/such/model")}, "model.source", "no such model folder"),
        (
            {"model": ModelSpec(embedded=EmbeddedModel(hidden=30))},
            "model.embedded.heads",
            "multiple of twice the heads",
        ),
    ],
)
def test_what_cannot_work_is_refused_by_its_key(
    tmp_path: Path, changes: dict[str, Any], field: str, word: str
) -> None:
    plan = planned(replace(RECIPE, **changes), tmp_path)
    found = {one.field: one for one in plan.refusals}
    assert word in found[field].reason
    assert found[field].exit_code == 2


def test_hours_come_from_the_last_run_else_from_the_peak_and_are_held_against_the_budget(
    tmp_path: Path, material: tuple[Path, Path], base: Path
) -> None:
    home = with_mix(tmp_path, material, base)
    peak = replace(RECIPE, budget=Budget(device_tflops=1e-6, utilisation=0.5, hourly_rate=2.0))
    plan = make_plan(peak, home)
    assert plan.model is not None
    tokens = plan.trainers["sft"]["tokens"]["tokens"]
    expected = 6 * plan.model.parameters * tokens / (1e6 * 0.5) / 3600
    assert plan.hours["sft_checkpoint"] == pytest.approx(expected, rel=1e-3)
    assert plan.to_json()["cost"] == pytest.approx(2 * plan.total_hours, abs=1e-3)

    store = Store(home, "planned", "run-2", "run-2")
    with store.writing("base_report", recipe_hash="h", seed=1) as out:
        write_cost(out.folder / "logs", 1.0)
        (out.folder / "logs" / "cost.json").write_text(
            '{"wall_s": 9.0, "device_s": 7200.0, "tokens": 5, "attempts": 1}'
        )
    tight = make_plan(replace(RECIPE, budget=Budget(max_hours=1.5, device_tflops=1.0)), home)
    assert tight.hours["base_report"] == 2.0
    (refusal,) = tight.refusals
    assert (refusal.field, refusal.exit_code) == ("budget.max_hours", 3)
    assert any("hours of base_checkpoint" in warning for warning in tight.warnings)
    assert Cost(device_s=3600).money(Budget(hourly_rate=1.74)) == pytest.approx(1.74)


@pytest.mark.parametrize(
    ("text", "field", "says"),
    [
        ("[tasks.train]\nnothing_like_it = 3", "tasks", "unknown family 'nothing_like_it'"),
        ("[tasks.heldout]\nsql_qa = 9_000", "tasks", "no 9000 different heldout prompts"),
        (
            "[bench]\nsuites = ['heldout', 'smoke', 'fresh']\n[tasks]\nfresh_seed = 5\n[tasks.fresh]\nsql_qa = 9_000",
            "tasks",
            "sql_qa has no 9000 different",
        ),
        (
            "[bench]\nsuites = ['heldout', 'smoke', 'no_such']",
            "bench.suites",
            "unknown suite 'no_such'",
        ),
        (
            "[bench]\nsuites = ['heldout', 'smoke', 'mine']\ndata = {mine = 'x/mine.jsonl'}",
            "bench.data.mine",
            "x/mine.jsonl",
        ),
        ("[candidates]\nfiles = ['x/rows.jsonl']", "candidates.files", "there is no such file"),
        ("[candidates]\nfiles = ['mine.toml']", "candidates.files", "of a kind that is not read"),
        (
            "[judge.model]\nname = 'm'\n[judge.exam]\nlabels = 'x.jsonl'\nsecond = {name = 'n'}",
            "judge.exam.labels",
            "x.jsonl",
        ),
        ("[grpo]\nweights = {no_such = 1.0}", "grpo.weights", "no reward 'no_such'"),
        ("[grpo]\nengine = 'vllm'", "grpo.engine", "vLLM is not installed"),
        ("[bench]\nengine = 'vllm'", "bench.engine", "vLLM is not installed"),
        ("[critic]\nengine = 'ray'", "critic.engine", "Ray"),
        ("[candidates]\nengine = 'ray'", "candidates.engine", "Ray"),
        ("[mix]\nengine = 'ray'", "mix.engine", "Ray"),
    ],
)
def test_what_a_run_would_stop_at_is_told_before_it_starts(
    tmp_path: Path,
    text: str,
    field: str,
    says: str,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if "vllm" in text and find_spec("vllm") is not None:
        pytest.skip("vLLM is installed here")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("SENTINEL_HOME", str(tmp_path))
    recipes = tmp_path / "data" / "recipes"
    recipes.mkdir(parents=True)
    (recipes / "mine.toml").write_text(text)
    (tmp_path / "mine.toml").write_text("")
    home = Home(tmp_path)
    (problem,) = missing_inputs(home.recipe("mine"), home)
    assert problem.field == field and says in str(problem)
    code, _, err = run("run", "mine")
    assert code == 2 and says in err and field in err


def test_a_plan_refuses_what_is_missing(tmp_path: Path) -> None:
    recipe = replace(RECIPE, candidates=CandidatesSpec(files=("x.jsonl",)))
    (refusal,) = planned(recipe, tmp_path).refusals
    assert refusal.field == "candidates.files" and "there is no such file" in refusal.reason
