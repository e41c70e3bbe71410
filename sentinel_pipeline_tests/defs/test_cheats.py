"""Each cheat that once fooled the gates, tried on a small instance: it is refused or void, with the
reason."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import dagster as dg
import pytest

from sentinel_pipeline.bench.evaluate import Judged, write_reports
from sentinel_pipeline.bench.pairing import paired_counts
from sentinel_pipeline.bench.samples import read_samples
from sentinel_pipeline.cli.compare import compare
from sentinel_pipeline.critic.version import scorer_version
from sentinel_pipeline.definitions import defs
from sentinel_pipeline.defs import checks, grpo
from sentinel_pipeline.defs.gate_inputs import judge
from sentinel_pipeline.defs.runs import refusals
from sentinel_pipeline.defs.stage import RECIPES, View, open_view
from sentinel_pipeline.errors import BadInput, GateRefused, Infrastructure
from sentinel_pipeline.gates.fences import FENCES, fence_policy
from sentinel_pipeline.gates.looks import at_look
from sentinel_pipeline.gates.measured import measure_rate
from sentinel_pipeline.gates.policies import verdict_of
from sentinel_pipeline.gates.reward import weights_hash
from sentinel_pipeline.generation.answer import Answer
from sentinel_pipeline.generation.cache import AnswerCache
from sentinel_pipeline.generation.prompts import Prompt
from sentinel_pipeline.records import GateVerdict, Message, Row, Task
from sentinel_pipeline.records.decoding import Decoding
from sentinel_pipeline.records.gate_spec import GatePolicy
from sentinel_pipeline.records.task import suite_hash
from sentinel_pipeline.release.card import model_card
from sentinel_pipeline.release.evidence import gather
from sentinel_pipeline.store import Artifact, Home, Ledger, Store, read_parquet, skip
from sentinel_pipeline.store.artifacts import Draft
from sentinel_pipeline.store.launched import freeze, refuse_edited
from sentinel_pipeline.store.manifest import content_hash, describe_files, read_manifest
from sentinel_pipeline.tasks.task_bank import build, reward_prompts
from sentinel_pipeline_tests.chat.material import license_scorers

ITEMS = 120
RECIPE = """
stages = ["sft", "dpo", "grpo"]

[bench]
suites = ["heldout"]
max_new_tokens = 112

[gates.smoke_pass_at_1]
severity = "off"

[gates.gain]
metric = "pass_at_1"
against = "base"
threshold = 0.0

[grpo]
start = "sft"

[[grpo.watch]]
name = "low"
metric = "reward"
test = "below"
threshold = 0.0

[release]
license = "mit"
"""
PARITY = {
    "passed": True,
    "prompts": 8,
    "variants": [
        {"name": "saved again", "logit_distance": 0.0, "tolerance": 0.0, "answers_differ": 0}
    ],
    "missing": [],
    "pickles": [],
}


@dataclass
class Instance:
    """A recipe's loop that ended well, made of real tasks, real scores, real checks; no model."""

    home: Home
    runs: int = 0

    @property
    def view(self) -> View:
        return open_view(dg.DagsterRun(job_name="train_recipe", run_id="look"), "mine")

    def edit(self, old: str, new: str) -> None:
        path = self.home.recipes / "mine.toml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    def write(self, asset: str, fill: Callable[[Draft], object], *parents: str) -> Artifact:
        """A newer artifact of ``asset`` than the one there is."""
        self.runs += 1
        store = Store(self.home, "mine", f"run-{self.runs}", f"run-{self.runs}")
        made = [store.get(parent) for parent in parents]
        recipe = self.home.recipe("mine")
        with store.writing(
            asset, parents=made, recipe_hash=recipe.sha256(), seed=recipe.seed
        ) as out:
            fill(out)
        return store.get(asset)

    def get(self, asset: str) -> Artifact:
        return Store.reading(self.home, "mine").get(asset)

    def tasks(self) -> list[Task]:
        rows = read_parquet(self.get("task_bank").path("suites/heldout.parquet"))
        return [Task.from_row(row) for row in rows]

    def bank(self, tasks: list[Task]) -> None:
        train = build(3, {"tools": 20}, {}).train

        def fill(out: Draft) -> None:
            out.table("train.parquet", (task.to_row() for task in train), "tasks")
            out.table("suites/heldout.parquet", (task.to_row() for task in tasks), "tasks")
            fresh = reward_prompts(3, {"tools": ITEMS}, [*train, *tasks])
            out.metrics["reward"] = out.table(
                "reward.parquet", (task.to_row() for task in fresh), "tasks"
            )

        self.write("task_bank", fill)

    def checkpoint(self, stage: str, weights: str, *parents: str) -> Artifact:
        def fill(out: Draft) -> None:
            out.text("model/model.safetensors", weights)
            out.json("parity.json", PARITY)
            out.jsonl("curves.jsonl", [curve_row(0.9)])
            out.json("training.json", {"best_step": 35})

        return self.write(f"{stage}_checkpoint", fill, *parents)

    def report(self, stage: str, right: int, scorer: str = "", **bench: Any) -> Artifact:
        """The report of a stage's newest checkpoint that answers ``right`` items right."""
        recipe = self.home.recipe("mine")
        recipe = replace(recipe, bench=replace(recipe.bench, **bench))
        tasks = self.tasks()
        checkpoint = self.get(f"{stage}_checkpoint")
        judged = Judged(stage, "mine", checkpoint.hash, scorer or scorer_version())

        def fill(out: Draft) -> None:
            answers = (
                {
                    "id": task.id,
                    "completion": task.reference if place < right else "x" * len(task.reference),
                    "stopped": True,
                    "tokens": 9,
                    "seconds": 0.1,
                }
                for place, task in enumerate(tasks)
            )
            out.jsonl("logs/heldout.jsonl", answers)
            suites = self.get("task_bank").path("suites")
            write_reports(out, suites, judged, recipe, "r", {})

        return self.write(f"{stage}_report", fill, f"{stage}_checkpoint", "task_bank")

    def mix(self, prompts: list[tuple[Message, ...]]) -> None:
        def fill(out: Draft) -> None:
            rows = [
                Row(id=str(i), category="tool_use", messages=turns, completion="x", origin="candidate", task_id=None)
                for i, turns in enumerate(prompts)
            ]  # fmt: skip
            out.table("rows.parquet", (row.to_row() for row in rows), "rows")
            out.jsonl("train.jsonl", (row.to_trl() for row in rows))
            quota = {"category": "tool_use", "share": 1.0, "wanted": 9, "short": 0.0, "rows": 9}
            out.json(
                "mix.json",
                {"rows": len(rows), "unit": "rows", "quotas": [quota], "shortfall": 0.0},
            )

        self.write("accepted_set", lambda out: out.table("accepted.parquet", [], "candidates"))
        self.write("repair_traces", lambda out: out.table("repairs.parquet", [], "repairs"))
        self.write("rebalanced_mix", fill, "critic_labels")

    def check(self, definition: Any) -> dg.AssetCheckResult:
        """Run one of the real checks on what is current."""
        body = definition.op.compute_fn.decorated_fn
        context = SimpleNamespace(
            run=dg.DagsterRun(job_name="train_recipe", run_id=f"check-{self.runs}"),
            op_execution_context=SimpleNamespace(partition_key="mine"),
        )
        result = body(context)
        # A check that may also ask nothing gives its result as one of none or one.
        return cast("dg.AssetCheckResult", next(result) if hasattr(result, "__next__") else result)

    def decide(self, stage: str, *gates: str) -> list[GateVerdict]:
        self.runs += 1
        run = dg.DagsterRun(job_name="train_recipe", run_id=f"decide-{self.runs}")
        return [judge(open_view(run, "mine"), f"{stage}_report", gate)[0] for gate in gates]

    def refusal(self, asset: str) -> str:
        """What a person is told who launches one asset alone, past the checks."""
        with dg.DagsterInstance.ephemeral() as instance:
            instance.add_dynamic_partitions(str(RECIPES.name), ["mine"])
            definition = defs.get_repository_def().assets_defs_by_key[dg.AssetKey(asset)]
            done = dg.materialize(
                [definition], partition_key="mine", instance=instance, raise_on_error=False
            )
            failures = [event for event in done.all_events if event.is_step_failure]
        assert failures, f"{asset} was made"
        data = failures[0].step_failure_data.user_failure_data
        assert data is not None, failures[0].step_failure_data.error
        return str(data.description)

    def gather(self, stage: str = "sft") -> Any:
        return gather(Store.reading(self.home, "mine"), self.home.recipe("mine"), stage)

    def drop(self, gate: str) -> None:
        """A ledger in which ``gate`` was never decided."""
        import sqlite3

        with sqlite3.connect(self.home.ledger) as connection:
            connection.execute("delete from verdicts where name = ?", (gate,))


def curve_row(reward: float) -> dict[str, float]:
    name = "eval/mean_reward"
    return {
        "step": 35,
        "reward": 0.5,
        name: reward,
        f"{name}/low": reward - 0.05,
        f"{name}/high": reward + 0.05,
        f"{name}/n": 200.0,
    }


@pytest.fixture
def instance(home: Home) -> Iterator[Instance]:
    (home.recipes / "mine.toml").write_text(RECIPE)
    license_scorers(home)
    made = Instance(home)
    made.bank(list(build(3, {}, {"tools": ITEMS}).heldout))

    def labels(out: Draft) -> None:
        from sentinel_pipeline.critic.labels import label
        from sentinel_pipeline.records import Candidate
        from sentinel_pipeline.records.data_spec import CriticSpec

        task = made.tasks()[0]
        candidate = Candidate(
            id="c",
            source="reference",
            messages=task.messages,
            completion=task.reference,
            verifier=task.verifier,
        )
        rows = label([candidate], spec=CriticSpec())
        out.table("labels.parquet", (row.to_row() for row in rows), "labels")

    made.write("critic_labels", labels)
    made.mix([task.messages for task in build(3, {"tools": 9}, {}).train])
    made.write("gap_proof", lambda out: skip(out, "this recipe has no [gap_proof]"))
    made.checkpoint("base", "base")
    made.report("base", 10)
    made.checkpoint("sft", "sft", "rebalanced_mix", "base_checkpoint", "base_report")
    made.report("sft", ITEMS)
    for definition in (
        checks.few_infrastructure_outcomes,
        checks.no_benchmark_overlap,
        checks.shares_are_met,
        checks.parity_check("sft_checkpoint"),
    ):
        result = made.check(definition)
        assert result.passed, result.description
    made.decide("base", "capability_gap")
    made.decide("sft", "pass_at_1", "syntax_rate", "gain")
    yield made


def test_without_a_cheat_it_is_released(instance: Instance) -> None:
    evidence = instance.gather()
    assert {v.name for v in evidence.verdicts} == {"pass_at_1", "syntax_rate", "gain"}
    assert {v.name for v in evidence.fences} == {
        "few_infrastructure_outcomes", "no_benchmark_overlap", "shares_are_met", "export_parity",
    }  # fmt: skip


def test_a_rebuilt_checkpoint_does_not_go_on_with_the_old_ones_pass(instance: Instance) -> None:
    instance.checkpoint("sft", "another rate", "rebalanced_mix", "base_checkpoint", "base_report")
    refused = instance.refusal("preference_pairs")
    assert "it is about checkpoint" in refused and "Rebuild the report." in refused
    with pytest.raises(GateRefused, match="it is about checkpoint"):
        instance.gather()


def test_sides_that_were_decoded_differently_are_void_and_not_compared(instance: Instance) -> None:
    instance.report("base", 10, max_new_tokens=28)
    (verdict,) = instance.decide("sft", "gain")
    assert verdict.verdict == "inconclusive"
    assert "answered heldout with max_new_tokens 28 and sft with 112" in verdict.reason
    with pytest.raises(BadInput, match="max_new_tokens 28"):
        compare("mine/base", "mine/sft")


def test_other_items_under_the_same_name_and_ids_are_void_and_not_compared(
    instance: Instance,
) -> None:
    tasks = instance.tasks()
    easy = [replace(task, verifier=tasks[0].verifier) for task in tasks]
    instance.bank(easy)
    instance.report("base", 0)
    (verdict,) = instance.decide("sft", "gain")
    assert verdict.verdict == "inconclusive"
    assert "answered other items under the name heldout" in verdict.reason
    with pytest.raises(BadInput, match="answered other items under the name heldout"):
        compare("mine/base", "mine/sft")
    first = read_samples(instance.get("base_report"), "heldout")
    second = read_samples(instance.get("sft_report"), "heldout")
    with pytest.raises(BadInput, match="other content under the same ids"):
        paired_counts(first, second)


def test_items_are_paired_by_content_whatever_their_ids(instance: Instance) -> None:
    ours = read_samples(instance.get("sft_report"), "heldout")
    before = paired_counts(read_samples(instance.get("base_report"), "heldout"), ours)
    instance.bank([replace(task, id=f"x{place}") for place, task in enumerate(instance.tasks())])
    instance.report("base", 10)
    after = paired_counts(read_samples(instance.get("base_report"), "heldout"), ours)
    assert after == before and after.gained == 110


def test_a_suite_that_was_swapped_since_makes_the_verdict_stale(instance: Instance) -> None:
    tasks = instance.tasks()
    instance.bank([replace(task, verifier=tasks[0].verifier) for task in tasks])
    assert "it was decided on other items" in instance.refusal("preference_pairs")


def test_another_decoding_in_the_recipe_makes_the_verdict_stale(instance: Instance) -> None:
    instance.edit("max_new_tokens = 112", "max_new_tokens = 28")
    assert "it was answered with" in instance.refusal("preference_pairs")


def test_sides_that_were_scored_differently_are_void_and_not_compared(instance: Instance) -> None:
    instance.report("base", 10, scorer="lenient")
    (verdict,) = instance.decide("sft", "gain")
    assert verdict.verdict == "inconclusive" and "scored by lenient" in verdict.reason
    with pytest.raises(BadInput, match="scored by lenient"):
        compare("mine/base", "mine/sft")


def test_a_mix_that_overlaps_a_suite_is_not_trained_launched_alone(instance: Instance) -> None:
    instance.mix([task.messages for task in instance.tasks()[:76]])
    result = instance.check(checks.no_benchmark_overlap)
    assert not result.passed and "76 overlap a suite" in str(result.description)
    instance.check(checks.shares_are_met)
    refused = instance.refusal("sft_checkpoint")
    assert "gate no_benchmark_overlap on mine/rebalanced_mix: fail" in refused


@pytest.mark.parametrize(
    "fence", ["few_infrastructure_outcomes", "no_benchmark_overlap", "shares_are_met"]
)
def test_a_fence_that_was_never_decided_is_no_pass(instance: Instance, fence: str) -> None:
    instance.drop(fence)
    assert f"gate {fence} has no verdict" in instance.refusal("sft_checkpoint")
    with pytest.raises(GateRefused, match=f"gate {fence} has no verdict"):
        instance.gather()


def test_export_parity_is_asked_for_by_who_starts_from_a_checkpoint(instance: Instance) -> None:
    instance.drop("export_parity")
    assert "gate export_parity has no verdict" in instance.refusal("preference_pairs")


def grpo_run(instance: Instance, right: int, **changes: Any) -> None:
    """A GRPO checkpoint whose windows say .9, and which answers ``right`` of the fresh prompts
    right."""
    recipe = instance.home.recipe("mine")
    fresh = instance.get("task_bank").path("reward.parquet")
    tasks = [Task.from_row(row) for row in read_parquet(fresh)]

    def fill(out: Draft) -> None:
        out.text("model/model.safetensors", "grpo")
        out.json("parity.json", PARITY)
        out.jsonl("curves.jsonl", [curve_row(0.9)])
        out.json("training.json", {"best_step": 35})
        out.json(
            "kept_reward.json",
            {
                "step": 35,
                "weights": weights_hash(
                    {"model/model.safetensors": hashlib.sha256(b"grpo").hexdigest()}
                ),
                "prompts": suite_hash(task.content_hash for task in tasks),
                "decoding": fence_policy(recipe, "eval_reward").decoding,
                "scorer_version": scorer_version(),
                "ids": [task.id for task in tasks],
                "families": [task.family for task in tasks],
                "rewards": [1.0] * right + [0.0] * (len(tasks) - right),
                **changes,
            },
        )

    instance.write("grpo_checkpoint", fill, "task_bank", "sft_checkpoint", "sft_report")
    instance.report("grpo", ITEMS)
    instance.check(checks.parity_check("grpo_checkpoint"))


def test_a_reward_on_fresh_prompts_is_released_and_bound_to_what_was_measured(
    instance: Instance,
) -> None:
    grpo_run(instance, ITEMS)
    assert instance.check(grpo.eval_reward).passed
    assert instance.check(grpo.watch_rules).passed
    instance.decide("grpo", "grpo_pass_at_1", "grpo_syntax_rate")
    (verdict,) = [v for v in instance.gather("grpo").fences if v.name == "eval_reward"]
    checkpoint = instance.get("grpo_checkpoint")
    assert (verdict.checkpoint_hash, verdict.n) == (checkpoint.hash, ITEMS)
    assert verdict.suite_hash and '"temperature": 1.0' in verdict.decoding


def test_a_reward_that_was_measured_at_another_temperature_is_void(instance: Instance) -> None:
    grpo_run(instance, ITEMS)
    assert instance.check(grpo.eval_reward).passed
    instance.edit('start = "sft"', 'start = "sft"\ntemperature = 1.4')
    instance.runs += 1  # another run: this one's recipe is frozen
    result = instance.check(grpo.eval_reward)
    assert not result.passed and "stale: answered with" in str(result.description)


def test_a_reward_on_other_prompts_or_weights_is_void(instance: Instance) -> None:
    for changes, reason in (
        ({"weights": "better ones"}, "other weights than the checkpoint's"),
        ({"prompts": "easier ones"}, "other prompts were asked than the task bank's"),
    ):
        grpo_run(instance, ITEMS, **changes)
        result = instance.check(grpo.eval_reward)
        assert not result.passed and reason in str(result.description)


def test_a_bar_that_is_lowered_after_its_reward_is_a_second_look(instance: Instance) -> None:
    grpo_run(instance, 60)
    assert not instance.check(grpo.eval_reward).passed
    instance.edit('start = "sft"', 'start = "sft"\nmin_eval_reward = 0.41')
    instance.runs += 1  # another run: this one's recipe is frozen
    result = instance.check(grpo.eval_reward)
    assert not result.passed and "look 2 at these weights and prompts" in str(result.description)


def test_a_failed_eval_reward_is_not_released(instance: Instance) -> None:
    grpo_run(instance, 24)
    assert not instance.check(grpo.eval_reward).passed
    assert instance.check(grpo.watch_rules).passed
    verdicts = instance.decide("grpo", "grpo_pass_at_1", "grpo_syntax_rate")
    assert {verdict.verdict for verdict in verdicts} == {"pass"}
    with pytest.raises(GateRefused, match="gate eval_reward on mine/grpo_checkpoint: fail"):
        instance.gather("grpo")


def ending(instance: Instance, *assets: str) -> list[str]:
    """What a run that made only these assets ends with."""
    return [
        reason
        for asset in assets
        for reason in refusals("mine", instance.get(asset).manifest.loop_id, [asset, "base_report"])
    ]


def test_a_run_whose_last_stage_passes_everything_ends_without_a_refusal(
    instance: Instance,
) -> None:
    grpo_run(instance, ITEMS)
    assert instance.check(grpo.eval_reward).passed and instance.check(grpo.watch_rules).passed
    instance.decide("grpo", "grpo_pass_at_1", "grpo_syntax_rate")
    assert ending(instance, "sft_report", "grpo_checkpoint", "grpo_report") == []


def test_a_failed_eval_reward_refuses_at_the_end_of_a_run_unless_it_only_warns(
    instance: Instance,
) -> None:
    grpo_run(instance, 24)
    assert not instance.check(grpo.eval_reward).passed
    assert instance.check(grpo.watch_rules).passed
    (reason,) = ending(instance, "grpo_checkpoint")
    assert reason.startswith("gate eval_reward on mine/grpo_checkpoint: fail. mean reward 0.200")
    grpo_run(instance, 24)  # of another run, whose recipe only wants to know
    instance.edit("[release]", '[fences]\neval_reward = "warn"\n\n[release]')
    assert not instance.check(grpo.eval_reward).passed
    assert instance.check(grpo.watch_rules).passed
    assert ending(instance, "grpo_checkpoint") == []


def test_a_gate_of_the_last_report_refuses_at_the_end_of_a_run_unless_it_only_warns(
    instance: Instance,
) -> None:
    grpo_run(instance, ITEMS)
    instance.report("grpo", 12)
    (verdict, _) = instance.decide("grpo", "grpo_pass_at_1", "grpo_syntax_rate")
    assert verdict.verdict == "fail"
    reasons = ending(instance, "grpo_report")
    assert reasons[0] == f"gate grpo_pass_at_1 on mine/grpo_report: fail. {verdict.reason}"
    warns = (
        '[gates.grpo_pass_at_1]\nseverity = "warn"\n\n[gates.grpo_syntax_rate]\nseverity = "warn"'
    )
    instance.edit("[release]", f"{warns}\n\n[release]")
    instance.report("grpo", 12)
    instance.decide("grpo", "grpo_pass_at_1", "grpo_syntax_rate")
    assert ending(instance, "grpo_report") == []


def test_a_gate_that_nobody_decided_is_not_a_pass_at_the_end_of_a_run(instance: Instance) -> None:
    grpo_run(instance, ITEMS)
    instance.decide("grpo", "grpo_syntax_rate")
    (reason,) = ending(instance, "grpo_report")
    assert reason.startswith("gate grpo_pass_at_1 has no verdict on mine/grpo_report")


def test_what_another_loop_made_is_not_asked_at_the_end_of_a_run(instance: Instance) -> None:
    grpo_run(instance, 24)
    assert not instance.check(grpo.eval_reward).passed
    assert refusals("mine", "another", ["grpo_checkpoint", "grpo_report"]) == []


def test_a_gate_that_is_loosened_after_its_result_is_a_second_look_and_pays_for_it(
    instance: Instance,
) -> None:
    instance.checkpoint("sft", "new", "rebalanced_mix", "base_checkpoint", "base_report")
    instance.report("sft", 58)
    (first,) = instance.decide("sft", "pass_at_1")
    assert (first.verdict, first.look) == ("inconclusive", 1)
    again = instance.decide("sft", "pass_at_1")[0]
    assert again.look == 1, "the same decision taken again is no look"
    instance.edit("[release]", "[gates.pass_at_1]\nthreshold = 0.395\n\n[release]")
    (second,) = instance.decide("sft", "pass_at_1")
    loose = GatePolicy(metric="pass_at_1", threshold=0.395)
    alone = verdict_of(loose, measure_rate(loose, 58, ITEMS))
    assert (alone, second.verdict, second.look) == ("pass", "inconclusive", 2)
    assert "look 2 at these weights and items, decided at 98.3 % confidence" in second.reason


@pytest.mark.parametrize("tries", [1, 5, 10, 30])
def test_trying_again_promotes_by_chance_no_oftener_than_the_gate_promises(tries: int) -> None:
    import numpy

    policy, n, series = GatePolicy(metric="pass_at_1", threshold=0.40), 300, 4_000
    drawn = numpy.random.default_rng(17).binomial(n, 0.40, size=(series, tries))
    passes: dict[tuple[int, int], bool] = {}
    promoted = 0
    for row in drawn.tolist():
        for look, count in enumerate(row, 1):
            if (look, count) not in passes:
                shown = at_look(policy, look)
                passes[look, count] = verdict_of(shown, measure_rate(shown, count, n)) == "pass"
            if passes[look, count]:
                promoted += 1
                break
    assert promoted / series <= 0.05, f"{promoted} of {series}"


def test_the_thousandth_look_is_still_decided() -> None:
    shown = at_look(GatePolicy(metric="pass_at_1", threshold=0.40), 1000)
    assert shown.confidence < 1 and verdict_of(shown, measure_rate(shown, 290, 300)) == "pass"


def test_default_gates_that_only_warn_do_not_make_a_release_by_a_trivial_one(
    instance: Instance,
) -> None:
    trivial = '[gates.trivial]\nmetric = "pass_at_1"\nthreshold = 0.01\n\n'
    warn = '[gates.pass_at_1]\nseverity = "warn"\n\n[gates.syntax_rate]\nseverity = "warn"\n\n'
    instance.edit("[release]", f"{trivial}{warn}[release]")
    instance.report("sft", 20)
    instance.decide("sft", "pass_at_1", "syntax_rate", "gain", "trivial")
    with pytest.raises(GateRefused, match="gate pass_at_1 on mine/sft_report: fail"):
        instance.gather()
    instance.edit("[release]", '[release]\ngates = ["trivial"]')
    evidence = instance.gather()
    states = {state.name: (state.severity, state.verdict) for state in evidence.others}
    assert states["pass_at_1"] == ("warn", "fail") and states["smoke_pass_at_1"] == ("off", "none")
    card = model_card(evidence, [])
    assert "| pass_at_1 | warn | fail |" in card and "| smoke_pass_at_1 | off | none |" in card


def test_swapped_weights_with_an_edited_manifest_are_not_released(instance: Instance) -> None:
    folder = instance.get("sft_checkpoint").folder
    weights = folder / "model" / "model.safetensors"
    weights.write_text("swapped")
    manifest = json.loads((folder / "manifest.json").read_text())
    described = describe_files(folder)
    manifest["files"] = [
        {"path": e.path, "sha256": e.sha256, "bytes": e.bytes, "rows": e.rows} for e in described
    ]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(Infrastructure, match="is damaged"):
        instance.gather()
    manifest["content_hash"] = content_hash(described)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert read_manifest(folder).content_hash == content_hash(described)
    with pytest.raises(GateRefused, match="about another checkpoint|it is about checkpoint"):
        instance.gather()


def test_a_report_that_does_not_say_what_its_samples_say_is_void(instance: Instance) -> None:
    report = instance.report("sft", 20)
    path = report.folder / "heldout" / "report.json"
    forged = json.loads(path.read_text()) | {"passed": ITEMS, "pass_at_1": 1.0}
    path.write_text(json.dumps(forged))
    described = describe_files(report.folder)
    manifest = json.loads((report.folder / "manifest.json").read_text())
    manifest |= {
        "files": [
            {"path": e.path, "sha256": e.sha256, "bytes": e.bytes, "rows": e.rows}
            for e in described
        ],
        "content_hash": content_hash(described),
    }
    (report.folder / "manifest.json").write_text(json.dumps(manifest))
    (verdict,) = instance.decide("sft", "pass_at_1")
    assert verdict.verdict == "inconclusive"
    assert "the report does not say what its samples say" in verdict.reason


def test_a_forged_cache_is_not_believed(tmp_path: Path) -> None:
    prompt = Prompt("a", (Message("user", "2 + 2?"),))
    decoding = Decoding()
    AnswerCache(tmp_path, "model").add([prompt], [Answer("a", "5", True, 1, 0.1)], decoding)
    (path,) = (tmp_path / "model").iterdir()
    assert [a.completion for a in AnswerCache(tmp_path, "model").known([prompt], decoding)] == ["5"]
    row = json.loads(path.read_text())
    path.write_text(json.dumps({**row, "completion": "4"}) + "\n")
    assert AnswerCache(tmp_path, "model").known([prompt], decoding) == []
    path.write_text(json.dumps({**row, "seal": "", "completion": "4"}) + "\n")
    assert AnswerCache(tmp_path, "model").known([prompt], decoding) == []
    other = tmp_path / "other"
    other.mkdir()
    (other / path.name).write_text(json.dumps(row) + "\n")
    assert AnswerCache(tmp_path, "other").known([prompt], decoding) == [], "another model's answer"


def test_an_engine_or_a_generator_of_another_version_asks_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt, decoding = Prompt("a", (Message("user", "2 + 2?"),)), Decoding()
    AnswerCache(tmp_path, "model").add([prompt], [Answer("a", "4", True, 1, 0.1)], decoding)
    assert AnswerCache(tmp_path, "model", "vllm").known([prompt], decoding) == []
    monkeypatch.setattr("sentinel_pipeline.generation.cache.generation_code", lambda: "edited")
    assert AnswerCache(tmp_path, "model").known([prompt], decoding) == []


def test_a_step_reads_the_recipe_as_it_was_launched_and_an_edited_one_is_not_resumed(
    instance: Instance,
) -> None:
    launched = freeze(instance.home, "mine", "loop")
    instance.edit("max_new_tokens = 112", "max_new_tokens = 28")
    run = dg.DagsterRun(job_name="train_recipe", run_id="loop")
    assert open_view(run, "mine").recipe.bench.max_new_tokens == 112
    with pytest.raises(BadInput, match="bench.max_new_tokens was 112, is 28") as refused:
        refuse_edited(launched, instance.home.recipe("mine"))
    assert "start anew: sentinel run mine" in str(refused.value)
    pointer = (instance.home.state / "launched" / "loop").read_text().split()[0]
    copy = instance.home.state / "recipes" / pointer / "mine.toml"
    copy.write_text(copy.read_text().replace("112", "28"))
    with pytest.raises(Infrastructure, match="is not the recipe that the run was launched with"):
        open_view(run, "mine")


def test_every_fence_is_decided_by_a_check_of_its_asset() -> None:
    graph = defs.get_repository_def().asset_graph
    names = {(key.asset_key.to_user_string(), key.name) for key in graph.asset_check_keys}
    assert {(asset, fence) for asset, fences in FENCES.items() for fence in fences} <= names


def test_the_ledger_keeps_what_a_verdict_is_bound_to(instance: Instance) -> None:
    verdict = next(v for v in Ledger(instance.home.ledger).verdicts() if v.name == "pass_at_1")
    report = instance.get("sft_report").json("heldout/report.json")
    assert verdict.checkpoint_hash == instance.get("sft_checkpoint").hash
    assert verdict.suite_hash == report["suite_hash"] and len(verdict.suite_hash) == 32
    assert json.loads(verdict.decoding) == {
        "max_new_tokens": 112,
        "prompt_format": "chat",
        "temperature": 0.0,
    }
