"""The starting point: chosen by evidence, the preferred one unless another is better beyond chance;
and what teaches."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.errors import BadInput, GateRefused, Infrastructure
from sentinel_pipeline.gates.statistics import mcnemar_exact
from sentinel_pipeline.records import SampleScore, Task
from sentinel_pipeline.records.recipe import load_recipe
from sentinel_pipeline.records.report import Outcome
from sentinel_pipeline.records.training_spec import Distillation
from sentinel_pipeline.store import Home, Store
from sentinel_pipeline.training.data.packing import packing_collator
from sentinel_pipeline.training.data.tokens import prepare_rows
from sentinel_pipeline.training.planning.plan import make_plan
from sentinel_pipeline.training.planning.plan_model import scheduled_rates
from sentinel_pipeline.training.planning.starting_point import ALPHA, Probed, choose
from sentinel_pipeline.training.trainers.fit import TrainingSetup, load_trainable, open_watch
from sentinel_pipeline.training.trainers.sft import build_trainer, train_sft
from sentinel_pipeline.worker.interrupts import Interrupts
from sentinel_pipeline.worker.models import model_source
from sentinel_pipeline_tests.training.material import (
    SMALL,
    exact_match,
    pretrain_small,
    silent,
    small_sft_job,
)


def probed(name: str, outcomes: Sequence[str]) -> Probed:
    samples = [
        SampleScore(
            task_id=f"format_probe/{at}", category="general_chat", family="csv", completion="", outcome=cast(Outcome, outcome),
            reason="", syntax_ok=None, stopped=True, tokens=1, seconds=0.0,
        )
        for at, outcome in enumerate(outcomes)
    ]  # fmt: skip
    return Probed(name, {"source": f"/{name}", "folder": f"/{name}"}, samples)


def marks(passed: int, n: int = 40) -> list[str]:
    return ["pass"] * passed + ["fail"] * (n - passed)


def test_a_lucky_sample_does_not_displace_the_preferred_candidate() -> None:
    start = choose([probed("best", marks(20)), probed("anchor", marks(23))], 0.05)
    assert start.chosen.name == "best" and start.teacher.name == "anchor"
    assert (
        "best passes 50.0 % of 40 and is preferred; anchor (57.5 %) is not better beyond chance"
        in start.reason
    )
    assert start.rows[1]["p"] == pytest.approx(0.25) and "best (chosen)" in start.to_markdown()


def test_a_candidate_that_is_better_beyond_chance_is_chosen() -> None:
    """The auto-critic plan: "if best continues to emit invalid boilerplate, use the pretrain
    anchor"."""
    start = choose(
        [probed("best", marks(4)), probed("anchor", marks(20)), probed("third", marks(12))], 0.05
    )
    assert start.chosen.name == "anchor" and start.teacher.name == "third"
    assert (
        "anchor passes 50.0 % of 40, best, which is preferred, 10.0 %: 16 items gained and 0 lost"
        in start.reason
    )


@given(
    st.lists(
        st.lists(st.sampled_from(["pass", "fail"]), min_size=12, max_size=12),
        min_size=2,
        max_size=4,
    )
)
def test_whoever_is_chosen_is_first_or_significantly_better(outcomes: list[list[str]]) -> None:
    candidates = [probed(str(at), one) for at, one in enumerate(outcomes)]
    try:
        start = choose(candidates, 0.05)
    except GateRefused:
        assert "pass" not in outcomes[0], "whoever passes an item of twelve may be a start"
        return
    row = next(row for row in start.rows if row["name"] == start.chosen.name)
    assert start.teacher.name != start.chosen.name
    if start.chosen.name != "0":
        assert row["gained"] > row["lost"]
        assert mcnemar_exact(row["gained"], row["lost"]) < ALPHA / (len(outcomes) - 1)


def test_nothing_against_nothing_is_no_start() -> None:
    with pytest.raises(
        GateRefused, match="no starting point passes the probe: best 0 of 100"
    ) as no:
        choose([probed("best", marks(0, 100)), probed("anchor", marks(0, 100))], 0.05)
    assert "anchor 0 of 100 [0.0 %, 3.7 %]; expected at least 5.0 %" in str(no.value)
    with pytest.raises(GateRefused):
        choose([probed("best", marks(1, 400)), probed("anchor", marks(2, 400))], 0.05)
    assert (
        choose([probed("best", marks(4)), probed("anchor", marks(0))], 0.05).chosen.name == "best"
    )


def test_no_evidence_chooses_nothing() -> None:
    with pytest.raises(Infrastructure, match="2 of anchor's 40 answers could not be scored"):
        choose(
            [probed("best", marks(20)), probed("anchor", [*marks(20, 38), "infra", "infra"])], 0.05
        )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[model]\nsource = "probed"', "candidates are there to be probed"),
        ('[[model.candidates]]\nname = "a"\nsource = "x"', "candidates are there to be probed"),
        (
            '[model]\nsource = "probed"\n[[model.candidates]]\nname = "a"\nsource = "x"',
            r"\['a'\]: expected two or more",
        ),
        ("[sft.distillation]\nweight = 0.5", "there is no teacher"),
    ],
)
def test_candidates_and_teachers_that_make_no_sense_are_bad_input(
    tmp_path: Path, text: str, reason: str
) -> None:
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(BadInput, match=reason):
        load_recipe(tmp_path / "r.toml")


def test_the_probe_is_really_asked_and_the_choice_is_kept_and_shown(
    tmp_path: Path, base: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Models of a few thousand weights pass no item, and then there is no start; five answers of
    the first are taken for right ones."""
    other = pretrain_small(tmp_path / "other", seed=5)
    (home.recipes / "two.toml").write_text(
        f'[model]\nsource = "probed"\n[[model.candidates]]\nname = "best"\nsource = "{base}"\n'
        f'[[model.candidates]]\nname = "anchor"\nsource = "{other}"\n[bench]\nmax_new_tokens = 8\n'
    )
    recipe = home.recipe("two")
    undecided = make_plan(recipe, home).to_json()
    assert undecided["start"] == {
        "chosen": None,
        "reason": "best or anchor, as the probe of base_checkpoint will say.",
    }
    assert undecided["model"]["architecture"] == "LlamaForCausalLM", (
        "the shape of a candidate that is at hand"
    )
    from sentinel_pipeline.bench import evaluate
    from sentinel_pipeline.defs.baseline import base_checkpoint

    real = evaluate.score_answers

    def five_pass(tasks: Sequence[Task], answers: Path) -> list[SampleScore]:
        samples = list(real(tasks, answers))
        right = [replace(sample, outcome="pass") for sample in samples[:5]]
        return [*right, *samples[5:]] if answers.parent.name == "start-0" else samples

    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("recipe", ["two"])
        refused = dg.materialize(
            [base_checkpoint], partition_key="two", instance=instance, raise_on_error=False
        )
        (failed,) = refused.get_step_failure_events()
        assert "no starting point passes the probe: best 0 of 40" in str(failed.event_specific_data)
        monkeypatch.setattr(evaluate, "score_answers", five_pass)
        done = dg.materialize([base_checkpoint], partition_key="two", instance=instance)
        shown = done.asset_materializations_for_node("base_checkpoint")[0].metadata
    made = Store(home, "two", "-", "-").get("base_checkpoint")
    start = made.json("start.json")
    assert (
        start["chosen"] == made.manifest.metrics["start"] == "best"
        and start["prompt_format"] == "chat"
    )
    assert [row["n"] for row in start["candidates"]] == [40, 40]
    assert start["teacher"]["folder"] == str(other.resolve())
    assert made.json("model.json")["folder"] == str(base.resolve())
    assert model_source(made) == str(base), "what reports name as their model, not 'probed'"
    assert start["reason"] in str(shown["starting point"].value)
    assert make_plan(recipe, home).to_json()["start"]["chosen"] == "best"


def test_a_teacher_draws_the_student_to_itself(
    tmp_path: Path, base: Path, material: tuple[Path, Path]
) -> None:
    """Same steps, same rows: with a strong teacher the student's distributions end nearer to the
    teacher's than without."""
    import torch

    from sentinel_pipeline.generation.loading import load_model, load_tokenizer

    teacher = tmp_path / "teacher"
    train_sft(
        small_sft_job(teacher, base, *material, max_steps=12),
        silent(teacher),
        Interrupts(),
        exact_match,
    )
    settings = {"max_steps": 6, "learning_rate": 1e-3}
    found = {}
    for name, taught in (("alone", None), ("taught", Distillation(weight=20.0))):
        job = small_sft_job(
            tmp_path / name, base, material[0], None, distillation=taught, **settings
        )
        train_sft(
            replace(job, teacher=teacher / "final"), silent(job.logs), Interrupts(), exact_match
        )
        found[name] = load_model(tmp_path / name / "final")
    master, tokenizer = load_model(teacher / "final"), load_tokenizer(base)
    text = json.loads(material[0].read_text().splitlines()[0])["prompt"][0]["content"]
    tokens = tokenizer(text, return_tensors="pt")["input_ids"]

    def distance(model: Any) -> float:
        with torch.no_grad():
            own, taught = (one(input_ids=tokens).logits.log_softmax(-1) for one in (model, master))
        return float(
            torch.nn.functional.kl_div(own, taught, log_target=True, reduction="batchmean")
        )

    assert distance(found["taught"]) < 0.9 * distance(found["alone"])


def test_the_taught_loss_is_one_whichever_way_it_is_computed(
    tmp_path: Path, base: Path, material: tuple[Path, Path]
) -> None:
    """Rows' loss plus the weighted divergence: by the head on trained positions, by the model's own
    forward, and packed."""
    import torch

    from sentinel_pipeline.generation.loading import load_tokenizer

    teacher = pretrain_small(tmp_path / "teacher", replace(SMALL, pretrain_steps=12))
    spec = Distillation(weight=20.0, temperature=1.5)
    job = small_sft_job(tmp_path, base, material[0], None, distillation=spec)
    tokenizer = load_tokenizer(base)
    rows = prepare_rows(job.rows, tokenizer, 256).rows[:8]
    fitting = TrainingSetup(
        job=replace(job, teacher=teacher), tokenizer=tokenizer, rows=len(rows), reached={}
    )
    watch = open_watch(fitting, silent(job.logs), Interrupts(), exact_match, None)
    trainer: Any = build_trainer(fitting, load_trainable(base, "full"), rows, watch)
    count = torch.tensor(sum(label != -100 for row in rows for label in row.labels))
    batch = trainer.data_collator([row._asdict() for row in rows])
    packed = packing_collator(0, 256)([row._asdict() for row in rows])
    found = [
        float(trainer.compute_loss(trainer.model, dict(each), num_items_in_batch=count))
        for each in (batch, packed)
    ]
    trainer.head_is_plain = lambda model: False
    found.append(float(trainer.compute_loss(trainer.model, dict(batch), num_items_in_batch=count)))
    student, master = trainer.model, load_trainable(teacher, "full")
    wanted = 0.0
    for row in rows:
        tokens, trained = torch.tensor([row.input_ids]), torch.tensor(row.labels[1:]) != -100
        own, taught = (one(input_ids=tokens).logits[0, :-1][trained] for one in (student, master))
        p, q = (taught / 1.5).softmax(-1), (own / 1.5).softmax(-1)
        wanted += float((20.0 * 1.5**2 * p * (p.log() - q.log())).sum())
        wanted -= float(own.log_softmax(-1)[range(len(own)), tokens[0, 1:][trained]].sum())
    assert found == pytest.approx([wanted / int(count)] * 3, rel=1e-4)
    trainer.teacher.spec = replace(spec, from_step=1)
    alone = float(trainer.compute_loss(trainer.model, dict(batch), num_items_in_batch=count))
    assert alone < found[0] - 0.01, "before its step the teacher is silent"


def test_a_teacher_of_other_tokens_is_refused(
    tmp_path: Path, base: Path, material: tuple[Path, Path]
) -> None:
    other = pretrain_small(tmp_path / "other", replace(SMALL, vocabulary=580, pretrain_steps=1))
    job = small_sft_job(tmp_path / "sft", base, material[0], None, distillation=Distillation())
    with pytest.raises(BadInput, match=r"sft\.distillation.*tokens are not those"):
        train_sft(replace(job, teacher=other), silent(job.logs), Interrupts(), exact_match)


def test_the_rate_is_lower_while_the_teacher_teaches(
    tmp_path: Path, base: Path, material: tuple[Path, Path]
) -> None:
    changes = {
        "lr_scheduler_type": "constant_with_warmup",
        "warmup_steps": 0,
        "learning_rate": 1e-3,
    }
    job = small_sft_job(
        tmp_path,
        base,
        material[0],
        None,
        distillation=Distillation(from_step=3, lr_scale=0.1),
        **changes,
    )
    assert scheduled_rates(job.spec, 5) == [1e-3, 1e-3, 1e-3, 1e-4, 1e-4]
