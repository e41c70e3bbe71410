"""Past the gate step only on a passing verdict: pass, fail, too few items, infrastructure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.gates.rules import stop_reason
from sentinel_pipeline.gates.window_rules import step_verdicts, window_rules
from sentinel_pipeline.records.recipe import load_recipe
from sentinel_pipeline.records.training_spec import Windows
from sentinel_pipeline.records.window import Window
from sentinel_pipeline.training.loop.checkpoints import complete_checkpoints
from sentinel_pipeline.training.trainers.sft import train_sft
from sentinel_pipeline.worker.interrupts import Interrupts
from sentinel_pipeline_tests.training.material import exact_match, silent, small_sft_job

RULES = Windows(eval_steps=250, gate_step=1000, early_stop_step=0)
GATE = [rule for rule in window_rules(RULES) if rule.name == "gate_step"]


def at(step: int, passed: int, n: int = 200, syntax: float = 1.0, infra: int = 0) -> Window:
    return Window(step, n, passed, passed / n if n else None, n, syntax if n else None, infra, n)


def test_before_and_after_the_step_nothing_is_decided_anew() -> None:
    assert stop_reason(GATE, [at(750, 0)]) is None
    assert stop_reason(GATE, [at(1000, 110), at(1250, 0)]) is None, (
        "later windows are the stop rules' business"
    )


@pytest.mark.parametrize(
    ("window", "said"),
    [
        (at(1000, 40), "step_1000_pass_at_1 is fail: 20.0 % (40 of 200)"),
        (at(1000, 85), "step_1000_pass_at_1 is inconclusive: 42.5 % (85 of 200)"),
        (at(1000, 5, 8), "step_1000_pass_at_1 is inconclusive: 62.5 % (5 of 8)"),
        (at(1000, 120, syntax=0.90), "step_1000_syntax_rate is fail: 90.0 %"),
        (at(1000, 120, syntax=0.95), "step_1000_syntax_rate is inconclusive"),
        (at(1000, 120, infra=20), "void: 9.1 % infrastructure outcomes"),
        (at(1000, 0, 0), "nothing was scored"),
    ],
)
def test_anything_but_a_pass_goes_no_further(window: Window, said: str) -> None:
    reason = stop_reason(GATE, [at(250, 120), window])
    assert reason is not None and said in reason and reason.startswith("gate_step: ")
    assert stop_reason(window_rules(RULES), [window]) == reason


def test_a_pass_goes_on_and_says_on_what_evidence() -> None:
    verdicts = step_verdicts([at(1000, 110)], RULES)
    assert [(name, one.verdict, one.n) for name, one in verdicts.items()] == [
        ("step_1000_pass_at_1", "pass", 200),
        ("step_1000_syntax_rate", "pass", 200),
    ]
    first = verdicts["step_1000_pass_at_1"]
    assert first.interval is not None and first.interval.low > 0.40
    assert stop_reason(window_rules(RULES), [at(1000, 110)]) is None


def test_a_model_that_fails_is_trained_no_further_and_its_best_is_kept(
    tmp_path: Path, base: Path, material: tuple[Path, Path]
) -> None:
    windows = Windows(eval_steps=6, eval_items=8, early_stop_step=0, syntax_drops=0, gate_step=12)
    job = small_sft_job(tmp_path, base, *material, windows=windows, save_total_limit=3)
    said = train_sft(job, silent(job.logs), Interrupts(), exact_match)
    assert said["steps"] == 12 and said["planned_steps"] == 24
    assert str(said["stopped_by"]).startswith("gate_step: step_12_pass_at_1 is ")
    kept = json.loads((job.out / "training.json").read_text())["step_gate"]
    assert [(row["name"], row["n"]) for row in kept] == [
        ("step_12_pass_at_1", 8),
        ("step_12_syntax_rate", 8),
    ]
    assert [found.step for found in complete_checkpoints(job.logs / "checkpoints")] == [4, 8, 12]
    assert {found.name for found in (job.logs / "best").iterdir()} <= {"step-6", "step-12"}
    again = train_sft(job, silent(job.logs), Interrupts(), exact_match)
    assert again == said, "asked again it does not train on"


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("gate_step = 100", "gate_step"),
        ("gate_pass_at_1 = 40.0", "gate_pass_at_1"),
        ("gain_alpha = 5.0", "gain_alpha"),
    ],
)
def test_a_gate_that_no_window_falls_on_is_bad_input(tmp_path: Path, line: str, field: str) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text(f"[dpo.windows]\neval_steps = 30\n{line}\n")
    with pytest.raises(BadInput, match=rf"dpo\.windows\.{field}"):
        load_recipe(recipe)
