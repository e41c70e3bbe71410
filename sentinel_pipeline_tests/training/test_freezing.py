"""Staged freezing on a mixture of experts of a few thousand weights: what is frozen does not move
by a bit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.errors import BadInput, Infrastructure
from sentinel_pipeline.records.recipe import load_recipe
from sentinel_pipeline.records.training_spec import FreezeStage
from sentinel_pipeline.training.loop.checkpoints import complete_checkpoints
from sentinel_pipeline.training.loop.freezing import (
    Freezing,
    check_stages,
    rate_factor,
    stage_at,
    trained_names,
)
from sentinel_pipeline.training.planning.plan_model import scheduled_rates
from sentinel_pipeline.training.trainers.fit import load_trainable
from sentinel_pipeline.training.trainers.sft import train_sft
from sentinel_pipeline.worker.interrupts import Interrupted, Interrupts
from sentinel_pipeline.worker.jobs import SftJob
from sentinel_pipeline_tests.training.material import (
    SMALL,
    exact_match,
    pretrain_small,
    silent,
    small_sft_job,
    stop_at_step,
)

EXPERTS = "*.mlp.experts.*"
STAGES = (
    FreezeStage(from_step=0, freeze=(EXPERTS,), lr_scale=0.5),
    FreezeStage(from_step=4, freeze=("model.layers.0.mlp.experts.*",)),
    FreezeStage(from_step=8, train=("model.layers.1.*",)),
)


@pytest.fixture(scope="module")
def moe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pretrain_small(
        tmp_path_factory.mktemp("moe"), replace(SMALL, experts=3, pretrain_steps=3)
    )


def job_of(out: Path, moe: Path, material: tuple[Path, Path], **changes: object) -> SftJob:
    settings: dict[str, object] = {
        "stages": STAGES,
        "max_steps": 10,
        "warmup_steps": 0,
        "save_steps": 1,
        "save_total_limit": 20,
    }
    return small_sft_job(out, moe, material[0], None, **{**settings, **changes})


def run(job: SftJob, interrupts: Interrupts | None = None) -> dict[str, Any]:
    return train_sft(job, silent(job.logs), interrupts or Interrupts(), exact_match)


def tensors(folder: Path) -> dict[str, bytes]:
    """Every parameter's bytes."""
    return {
        name: value.detach().numpy().tobytes()
        for name, value in load_trainable(folder, "full").named_parameters()
    }


def moved(before: dict[str, bytes], after: dict[str, bytes]) -> set[str]:
    return {name for name in before if before[name] != after[name]}


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, moe: Path, material: tuple[Path, Path]
) -> SftJob:
    job = job_of(tmp_path_factory.mktemp("staged"), moe, material)
    run(job)
    return job


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_frozen_parameters_are_bit_identical_until_their_stage(
    tmp_path: Path, moe: Path, material: tuple[Path, Path], finished: SftJob, optimizer: Any
) -> None:
    job = finished
    if optimizer == "muon":
        job = job_of(tmp_path, moe, material, optimizer="muon", weight_decay=0.1)
        run(job)
    at = {0: tensors(moe)} | {
        found.step: tensors(found.folder)
        for found in complete_checkpoints(job.logs / "checkpoints")
    }
    names = list(at[0])
    for step in range(10):
        trained = set(trained_names(stage_at(STAGES, step), names))
        changed = moved(at[step], at[step + 1])
        assert changed <= trained, f"step {step + 1} moved what was frozen"
        # An expert that no token of a batch chose has a gradient of zero, so not all of a stage
        # must move in each step.
        assert {name for name in trained if "self_attn.q_proj.weight" in name} <= changed


def test_the_stages_are_written_with_their_counts(finished: SftJob) -> None:
    rows = [json.loads(line) for line in (finished.out / "stages.jsonl").read_text().splitlines()]
    assert [(row["step"], row["lr_scale"], row["frozen_tensors"]) for row in rows] == [
        (0, 0.5, 4),
        (4, 1.0, 2),
        (8, 1.0, 18),
    ]
    total = {row["trained"] + row["frozen"] for row in rows}
    assert len(total) == 1 and len({row["frozen_sha256"] for row in rows}) == 3
    said = json.loads((finished.out / "training.json").read_text())
    assert {said["parameters"]} == total
    assert said["trained_parameters"] == said["parameters"] - rows[1]["frozen"], (
        "layer 0's experts train in no stage"
    )


def test_moments_of_what_trains_on_are_kept_and_of_what_is_thawed_begin_anew(
    finished: SftJob,
) -> None:
    import torch

    def ages(step: int) -> list[float]:
        state = torch.load(
            finished.logs / "checkpoints" / f"step-{step}" / "optimizer.pt", weights_only=True
        )["state"]
        return sorted(float(one["step"]) for one in state.values())

    assert set(ages(3)) == {3.0}
    assert set(ages(5)) == {5.0, 1.0}, "thawed after step 4: one step old"
    assert len(ages(5)) == len(ages(3)) + 2
    assert set(ages(9)) == {9.0, 5.0}, "frozen again: their moments are gone"


@pytest.mark.parametrize("step", [4, 6, 9])
def test_a_run_stopped_in_any_stage_ends_alike(
    tmp_path: Path, moe: Path, material: tuple[Path, Path], finished: SftJob, step: int
) -> None:
    job, interrupts = job_of(tmp_path, moe, material), Interrupts()
    progress = silent(job.logs)
    stop_at_step(progress, interrupts, step)
    with pytest.raises(Interrupted, match=f"at step {step}"):
        train_sft(job, progress, interrupts, exact_match)
    run(job)
    assert moved(tensors(finished.out / "final"), tensors(job.out / "final")) == set()
    for name in ("losses.jsonl", "stages.jsonl", "training.json"):
        assert (job.out / name).read_bytes() == (finished.out / name).read_bytes()


def test_a_frozen_weight_that_moves_ends_the_run(tmp_path: Path, moe: Path) -> None:
    import torch

    model = load_trainable(moe, "full")
    freezing = Freezing(STAGES, model, tmp_path / "stages.jsonl", "sft.stages")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    freezing.begin(0, optimizer, silent(tmp_path))
    with torch.no_grad():
        dict(model.named_parameters())["model.layers.1.mlp.experts.down_proj"].view(-1)[7] += 1e-6
    with pytest.raises(Infrastructure, match="frozen from step 0 on have moved"):
        freezing.after_step(4, optimizer, silent(tmp_path))


def test_a_checkpoint_whose_frozen_weights_differ_is_not_resumed_from(
    tmp_path: Path, moe: Path
) -> None:
    import torch

    model = load_trainable(moe, "full")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    Freezing(STAGES, model, tmp_path / "stages.jsonl", "sft.stages").begin(
        0, optimizer, silent(tmp_path)
    )
    other = load_trainable(moe, "full")
    with torch.no_grad():
        dict(other.named_parameters())["model.layers.0.mlp.experts.down_proj"].zero_()
    with pytest.raises(Infrastructure, match="checkpoint of step 2 is damaged"):
        Freezing(STAGES, other, tmp_path / "stages.jsonl", "sft.stages").begin(
            2, optimizer, silent(tmp_path)
        )


def test_a_pattern_that_matches_no_parameter_is_named_with_the_nearest(
    tmp_path: Path, moe: Path, material: tuple[Path, Path]
) -> None:
    wrong = (FreezeStage(freeze=("model.layers.0.mlp.expert.gate_up_proj",)),)
    with pytest.raises(
        BadInput,
        match=r"sft\.stages\[0\]\.freeze.*matches none.*Did you mean .*mlp\.experts\.gate_up",
    ):
        run(job_of(tmp_path, moe, material, stages=wrong))
    assert not (tmp_path / "model").exists()


def test_a_tied_head_is_explained(moe: Path) -> None:
    names = [name for name, _ in load_trainable(moe, "full").named_parameters()]
    with pytest.raises(BadInput, match="tied to the embeddings"):
        check_stages([FreezeStage(train=("lm_head.*",))], names, "sft.stages")


def test_a_stage_that_trains_nothing_is_refused() -> None:
    with pytest.raises(BadInput, match=r"sft\.stages\[0\]\.freeze.*trains nothing"):
        check_stages([FreezeStage(freeze=("*",))], ["a", "b"], "sft.stages")


def test_an_adapter_is_staged_by_its_own_names(
    tmp_path: Path, moe: Path, material: tuple[Path, Path]
) -> None:
    stages = (FreezeStage(train=("*q_proj*",)), FreezeStage(from_step=2))
    result = run(
        job_of(tmp_path, moe, material, stages=stages, method="lora", lora_r=2, max_steps=4)
    )
    rows = [json.loads(line) for line in (tmp_path / "stages.jsonl").read_text().splitlines()]
    assert rows[0]["trained_tensors"] == 4, "A and B of two layers"
    assert (
        rows[1]["trained"] == result["trained_parameters"] == rows[0]["trained"] + rows[0]["frozen"]
    )


@pytest.mark.parametrize(("starts", "found"), [((1,), r"\[1\]"), ((0, 5, 5), r"\[0, 5, 5\]")])
def test_stages_out_of_order_are_bad_input(
    tmp_path: Path, starts: Sequence[int], found: str
) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text("\n".join(f"[[sft.stages]]\nfrom_step = {start}" for start in starts))
    with pytest.raises(BadInput, match=rf"sft\.stages.*begin at steps {found}"):
        load_recipe(recipe)


@given(st.lists(st.integers(1, 40), max_size=4, unique=True), st.integers(0, 60))
def test_every_step_is_in_the_last_stage_that_has_begun(starts: list[int], step: int) -> None:
    stages = [FreezeStage(from_step=start, lr_scale=1.0 + start) for start in (0, *sorted(starts))]
    assert stage_at(stages, step).from_step == max(start for start in (0, *starts) if start <= step)
    assert rate_factor([], step) == 1.0


def test_planned_rates_are_those_that_train(
    tmp_path: Path, moe: Path, material: tuple[Path, Path], monkeypatch: Any
) -> None:
    from sentinel_pipeline.training.loop.watch import Watch

    seen: list[float] = []
    after = Watch.after_step

    def noting(watch: Watch, step: int, total: int, control: Any) -> None:
        seen.append(watch.trainer.lr_scheduler.get_last_lr()[0])
        after(watch, step, total, control)

    monkeypatch.setattr(Watch, "after_step", noting)
    job = job_of(tmp_path, moe, material)
    run(job)
    planned = scheduled_rates(job.spec, 10)
    assert planned[0] == pytest.approx(0.5 * job.spec.learning_rate)
    assert planned[1:] == pytest.approx(seen[:-1], rel=1e-4)
