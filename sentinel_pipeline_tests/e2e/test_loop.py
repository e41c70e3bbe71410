"""The loop as a user runs it: the command, the instance, the artifacts and the verdicts it
leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from sentinel_pipeline.review.checking import check
from sentinel_pipeline.review.database import Database, database_url
from sentinel_pipeline.review.decisions import decide
from sentinel_pipeline.review.queue import open_card
from sentinel_pipeline.review.review_queue import ReviewQueue, User
from sentinel_pipeline.store import Home, Ledger, Store, read_jsonl, read_parquet
from sentinel_pipeline_tests.e2e.conftest import (
    SENTINEL,
    STEPS,
    Done,
    Loop,
    environment,
    lengthen,
    new_home,
    sentinel,
    with_changes,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

STAGES = [
    "base_checkpoint", "task_bank", "reward_audit", "alt_base_report", "base_report", "instruct_report", "gap_proof",
    "self_generated", "raw_candidates", "critic_labels", "accepted_set", "rejected_set", "decontamination_report",
    "self_repairs", "repair_traces", "rebalanced_mix", "sft_checkpoint", "sft_report", "preference_pairs",
    "dpo_checkpoint", "dpo_report", "grpo_checkpoint", "grpo_report", "comparison", "leaderboard", "human_corrections",
    "review_inbox", "judge_licence",
]  # fmt: skip


def latest(home: Home, recipe: str = "mini") -> Store:
    return Store(home, recipe, "none", "none")


def test_the_work_is_done_and_every_stage_says_so(loop: Loop) -> None:
    assert loop.done.code == 0, loop.done.err
    summary = loop.done.json()
    assert sorted(stage["name"] for stage in summary["stages"]) == sorted(STAGES)
    assert {stage["status"] for stage in summary["stages"]} == {"done"}
    assert all(stage["seconds"] > 0 for stage in summary["stages"])


def test_reports_carry_n_and_interval(loop: Loop) -> None:
    reports = loop.done.json()["reports"]
    for stage in ("base", "sft", "dpo", "grpo"):
        heldout, smoke = reports[stage]["heldout"], reports[stage]["smoke"]
        assert (heldout["n"], smoke["n"]) == (30, 8)
        assert heldout["interval"][0] <= heldout["pass_at_1"] <= heldout["interval"][1]
        assert heldout["infra"] == 0


def test_gates_are_decided_recorded_and_printed(loop: Loop) -> None:
    gates = {gate["name"]: gate for gate in loop.done.json()["gates"]}
    assert set(gates) == {
        "capability_gap", "pass_at_1", "syntax_rate", "smoke_pass_at_1", "dpo_pass_at_1", "dpo_syntax_rate",
        "grpo_pass_at_1", "grpo_syntax_rate",
    }  # fmt: skip
    assert gates["capability_gap"]["verdict"] == "pass"
    assert gates["pass_at_1"]["verdict"] == "fail"
    assert gates["pass_at_1"]["threshold"] == 0.4
    recorded = {
        verdict.name: verdict.verdict
        for verdict in Ledger(loop.home.ledger).verdicts(recipe="mini")
    }
    assert recorded.pop("scorer_licence") == "pass"
    assert {recorded.pop("eval_reward"), recorded.pop("watch_rules")} <= {
        "fail",
        "inconclusive",
        "pass",
    }
    fences = {
        "few_infrastructure_outcomes", "no_benchmark_overlap", "shares_are_met", "no_pair_from_a_benchmark", "export_parity",
    }  # fmt: skip
    assert {recorded.pop(name) for name in fences} == {"pass"}
    assert recorded == {name: gate["verdict"] for name, gate in gates.items()}


def test_the_comparison_is_paired_on_the_same_items(loop: Loop) -> None:
    heldout = [one for one in loop.done.json()["comparisons"] if one["suite"] == "heldout"]
    assert [(one["from"], one["to"], one["n"]) for one in heldout] == [
        ("base", "sft", 30), ("sft", "dpo", 30), ("dpo", "grpo", 30), ("base", "grpo", 30),
    ]  # fmt: skip
    assert all(one["interval"][0] <= one["difference"] <= one["interval"][1] for one in heldout)


def test_every_artifact_is_whole_and_knows_its_parents(loop: Loop) -> None:
    store = latest(loop.home)
    for name in STAGES:
        made = store.get(name)
        assert made.damage() == []
        for parent in made.manifest.parents:
            assert store.origin(made, parent.asset).hash == parent.content_hash
    checked = sentinel(loop.home, "verify", "--json").json()
    assert (checked["artifacts"], checked["damaged"]) == (len(STAGES), [])
    chains = {chain["name"]: chain for chain in checked["chains"]}
    assert chains["ledger"]["broken"] is None and chains["ledger"]["records"] > 10


def test_no_candidate_is_lost(loop: Loop) -> None:
    store = latest(loop.home)
    raw = store.get("raw_candidates").manifest.metrics["candidates"]
    accepted = store.get("accepted_set").manifest.metrics["accepted"]
    assert accepted + store.get("rejected_set").manifest.metrics["rejected"] == raw
    assert store.get("critic_labels").manifest.metrics["candidates"] == raw


def test_every_planted_defect_is_rejected_and_every_reference_accepted(loop: Loop) -> None:
    store = latest(loop.home)
    accepted = list(read_parquet(store.get("accepted_set").path("accepted.parquet")))
    rejected = list(read_parquet(store.get("rejected_set").path("rejected.parquet")))
    assert [row["planted"] for row in accepted if row["planted"]] == []
    assert [row["id"] for row in rejected if row["source"] == "reference"] == []
    assert len({row["planted"] for row in rejected}) >= 8


def test_the_mix_holds_accepted_rows_and_repairs_in_the_seeds_shares(loop: Loop) -> None:
    store = latest(loop.home)
    rows = list(read_parquet(store.get("rebalanced_mix").path("rows.parquet")))
    code = sum(row["category"] == "executable_code" for row in rows)
    assert code / len(rows) == pytest.approx(0.45, abs=0.02)
    assert {row["origin"] for row in rows} == {"candidate", "repair"}
    trained = list(read_jsonl(store.get("rebalanced_mix").path("train.jsonl")))
    assert len(trained) == len(rows)
    assert set(trained[0]) == {"prompt", "completion"}


def test_the_model_is_a_plain_transformers_folder_apart_from_the_optimizer(loop: Loop) -> None:
    folder = latest(loop.home).get("sft_checkpoint").folder
    names = {path.name for path in (folder / "model").iterdir()}
    assert {
        "model.safetensors",
        "config.json",
        "tokenizer.json",
        "chat_template.jinja",
        "generation_config.json",
    } <= names
    assert not [name for name in names if "optimizer" in name]
    assert list((folder / "logs" / "checkpoints").glob("step-*/optimizer.pt"))


def start(home: Home, *arguments: str) -> subprocess.Popen[str]:
    command = [SENTINEL, "run", "mini", *arguments, "--json"]
    return subprocess.Popen(
        command, env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for_step(home: Home, step: int, child: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        rows = [
            row
            for path in home.runs.glob("mini/sft_checkpoint/.draft-*/logs/progress.jsonl")
            for row in whole(path)
        ]
        if any(row["step"] >= step for row in rows):
            return
        assert child.poll() is None, child.communicate()
        time.sleep(0.1)
    pytest.fail("fine-tuning never got going")


def whole(path: Path) -> list[dict[str, float]]:
    lines = path.read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def worker_of(pid: int) -> psutil.Process:
    family = psutil.Process(pid).children(recursive=True)
    return next(one for one in family if "sentinel_pipeline.run_job" in " ".join(one.cmdline()))


class Killed(NamedTuple):
    """The recipe of ``loop`` run elsewhere, in three attempts."""

    home: Home
    first: Done
    """Ended when its trainer was killed in the middle of fine-tuning."""
    alive: list[list[str]]
    """Processes of the second attempt that outlived its command, which was killed farther on."""
    resumed: Done
    """The third, to its end."""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Killed:
    home = lengthen(new_home(tmp_path_factory.mktemp("killed")))
    child = start(home)
    try:
        wait_for_step(home, 8, child)
        worker_of(child.pid).kill()
        out, err = child.communicate(timeout=120)
        first = Done(child.returncode, out, err)
        child = start(home, "--resume")
        wait_for_step(home, 20, child)
        family = psutil.Process(child.pid).children(recursive=True)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        _, alive = psutil.wait_procs(family, timeout=60)
    finally:
        for process in (
            [*psutil.Process(child.pid).children(recursive=True), child]
            if child.poll() is None
            else []
        ):
            process.kill()
    resumed = sentinel(home, "run", "mini", "--resume", "--json")
    return Killed(home, first, [process.cmdline() for process in alive], resumed)


def test_what_was_killed_twice_goes_on_where_it_was(killed: Killed) -> None:
    """In the middle of fine-tuning first the trainer is killed, then, in the resumed run, the whole
    command."""
    assert killed.first.code == 4, killed.first.err
    assert "resume" in killed.first.json()["error"], "a killed trainer is infrastructure"
    assert killed.alive == []
    assert killed.resumed.code == 0, killed.resumed.err
    summary = killed.resumed.json()
    assert sorted(stage["name"] for stage in summary["stages"]) == [
        "comparison", "dpo_checkpoint", "dpo_report", "grpo_checkpoint", "grpo_report", "leaderboard", "preference_pairs",
        "review_inbox", "sft_checkpoint", "sft_report",
    ]  # fmt: skip
    assert summary["reports"]["base"]["heldout"]["n"] == 30
    checkpoint = latest(killed.home).get("sft_checkpoint")
    steps = [row["step"] for row in read_jsonl(checkpoint.path("logs/progress.jsonl"))]
    assert steps[-1] == STEPS
    assert steps[0] <= 8, "the log of the first attempt is kept"
    assert latest(killed.home).get("comparison").damage() == []


def test_two_runs_of_one_seed_give_the_same_tables_though_one_was_killed_twice(
    loop: Loop, killed: Killed
) -> None:
    made_of_the_recipe = [
        name for name in STAGES if name != "leaderboard"
    ]  # that one is a view over dates
    hashes = {name: latest(loop.home).get(name).hash for name in made_of_the_recipe}
    assert {name: latest(killed.home).get(name).hash for name in made_of_the_recipe} == hashes


def test_a_correction_becomes_a_row_that_trains_and_its_item_judges_no_longer(
    killed: Killed,
) -> None:
    """A failure of the report, corrected as the page does it (checked, then approved), in the next
    run of the recipe."""
    again = killed.home
    before = latest(again)
    bank = {
        row["id"]: row
        for row in read_parquet(before.get("task_bank").path("suites/heldout.parquet"))
    }
    failed = [
        row["id"]
        for row in read_jsonl(before.get("review_inbox").path("inbox.jsonl"))
        if row["task_id"] in bank
    ]
    database, who = Database(database_url(again.review)), User("ann", "reviewer")
    try:
        desk = ReviewQueue(db=database)
        card = open_card(desk, who, failed[0])
        item, right = card.record.task_id, bank[card.record.task_id]["reference"]
        assert check(desk, who, failed[0], right).outcome == "pass", "the item's own tests ran"
        decide(desk, who, failed[0], card.version, "approved", right)
    finally:
        database.close()
    done = sentinel(again, "run", "mini", "--until", "sft", "--json")
    assert done.json()["reports"]["sft"]["heldout"]["n"] == 29
    after = latest(again)
    retired = after.get("task_bank").json("retired.json")["heldout"]
    assert [row["task_id"] for row in retired] == [item]
    assert after.get("sft_report").json("heldout/report.json")["retired"] == 1
    [row] = [
        row
        for row in read_parquet(after.get("rebalanced_mix").path("rows.parquet"))
        if row["completion"] == right
    ]
    traced = sentinel(again, "trace", row["id"], "--json").json()
    assert "human" in json.dumps(traced["source"]) and traced["checkpoints"], (
        "the checkpoint names the row"
    )


def test_gates_are_listed_and_explained(loop: Loop) -> None:
    listed = sentinel(loop.home, "gate", "list", "mini", "--json").json()["gates"]
    assert {gate["verdict"] for gate in listed} >= {"pass", "fail"}
    explained = sentinel(loop.home, "gate", "explain", "pass_at_1", "mini", "--json").json()
    assert "rule: Pass@1 on heldout at least 40 %" in explained["reason"]
    unknown = sentinel(loop.home, "gate", "explain", "pass_at_2", "mini")
    assert (unknown.code, "Did you mean 'pass_at_1'?" in unknown.err) == (2, True)


def test_a_gate_that_fails_refuses_to_go_on(loop: Loop, tmp_path: Path) -> None:
    """A gap that is not there: training must not start, by the check in the run and by the ledger
    outside of it."""
    home = new_home(tmp_path)
    gate = '\n[gates.capability_gap]\nmetric = "pass_at_1"\nstage = "base"\ndirection = "at_least"\nthreshold = 0.9\n'
    with_changes(home, "closed", gate)
    done = sentinel(home, "run", "closed", "--json")
    assert done.code == 3
    summary = done.json()
    assert {stage["name"]: stage["status"] for stage in summary["stages"]}["sft_checkpoint"] in (
        "skipped",
        "waiting",
    )
    assert "sft" not in summary["reports"]
    assert latest(home, "closed").find("sft_checkpoint") is None
    assert materialize_alone(home, "closed", "sft_checkpoint") == 3


def test_a_gate_of_the_last_stage_refuses_too_and_a_resumed_run_makes_nothing_anew(
    tmp_path: Path,
) -> None:
    """No later stage asks for it: the run ends with the ledger's words, and so does the next."""
    home = new_home(tmp_path)
    path = home.recipes / "mini.toml"
    path.write_text(path.read_text().replace('severity = "warn"', ""))
    done = sentinel(home, "run", "mini", "--until", "sft", "--json")
    assert done.code == 3, done.err
    summary = done.json()
    assert {stage["status"] for stage in summary["stages"]} == {"done"}
    assert "gate pass_at_1 on mini/sft_report: fail." in summary["error"]
    assert "smoke_pass_at_1" not in summary["error"], "that one only warns"
    assert "refused: gate pass_at_1 on mini/sft_report: fail." in " ".join(done.err.split())
    store = latest(home)
    made = {stage["name"]: len(store.history(stage["name"])) for stage in summary["stages"]}
    again = sentinel(home, "run", "mini", "--until", "sft", "--resume", "--json")
    assert (again.code, again.json()["stages"]) == (3, [])
    assert again.json()["error"] == summary["error"]
    assert again.json()["gates"] == summary["gates"]
    assert {name: len(store.history(name)) for name in made} == made


def materialize_alone(home: Home, recipe: str, asset: str) -> int:
    """What a person does in the UI who launches one asset past the gates; returns the failure's
    exit code, 0 if it ran."""
    code = f"""
import json, dagster as dg
from sentinel_pipeline.definitions import defs
result = defs.resolve_job_def("train_recipe").execute_in_process(
    instance=dg.DagsterInstance.get(), partition_key={recipe!r}, asset_selection=[dg.AssetKey({asset!r})], raise_on_error=False)
failures = [e.step_failure_data for e in result.all_node_events if e.is_step_failure]
print("\\n", json.dumps([f.user_failure_data.metadata["exit_code"].value for f in failures]))
"""
    import sys

    env = {**environment(home), "DAGSTER_HOME": str(home.dagster)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, env=env
    )
    codes = json.loads(done.stdout.strip().splitlines()[-1])
    return int(codes[0]) if codes else 0


def test_a_missing_verdict_is_not_a_pass(loop: Loop, tmp_path: Path) -> None:
    import shutil

    home = Home(shutil.copytree(loop.home.root, tmp_path / "copy"))
    for path in home.state.glob("ledger.sqlite*"):
        path.unlink()
    assert materialize_alone(home, "mini", "sft_checkpoint") == 3


def test_pairs_and_dpo_are_refused_where_sft_did_not_pass(loop: Loop, tmp_path: Path) -> None:
    """The recipe of the fixture only warns of what its model fails; without that the ledger refuses
    both, launched alone too."""
    import shutil

    home = Home(shutil.copytree(loop.home.root, tmp_path / "copy"))
    path = home.recipes / "mini.toml"
    path.write_text(path.read_text().replace('severity = "warn"', ""))
    assert materialize_alone(home, "mini", "preference_pairs") == 3
    assert materialize_alone(home, "mini", "dpo_checkpoint") == 3


def test_what_ended_at_until_goes_on_tomorrow_from_the_same_artifacts(tmp_path: Path) -> None:
    """Nothing is trained or measured twice; the budget's limit may change between, and what it did
    not suffice for is named and is no pass."""
    home = new_home(tmp_path)
    with_changes(home, "phased", '\n[budget]\nmax_hours = 5.0\noptional = ["grpo", "dpo"]\n')
    first = sentinel(home, "run", "phased", "--until", "base", "--json")
    assert first.code == 0, first.err
    store = latest(home, "phased")
    made = {stage["name"]: store.get(stage["name"]).hash for stage in first.json()["stages"]}
    assert "base_report" in made and store.find("sft_checkpoint") is None
    second = sentinel(home, "run", "phased", "--resume", "--max-hours", "0.000001", "--json")
    assert second.code == 3
    assert "the critical phases do not fit into the budget" in second.json()["error"]
    third = sentinel(home, "run", "phased", "--resume", "--until", "sft", "--json")
    assert third.code == 0, third.err
    redone = {stage["name"] for stage in third.json()["stages"]}
    assert not redone & set(made) and {"sft_checkpoint", "sft_report"} <= redone
    assert {name: store.get(name).hash for name in made} == made
    assert all(len(store.history(name)) == 1 for name in made)
    # More is spent than is allowed: what is optional goes, the rest is made to its end.
    fourth = sentinel(home, "run", "phased", "--resume", "--max-hours", "0.000001", "--json")
    assert fourth.code == 0, fourth.err
    summary = fourth.json()
    assert {row["phase"] for row in summary["skipped"]} == {"dpo", "grpo"}
    assert set(summary["reports"]) == {"base", "sft"}
    assert not [gate for gate in summary["gates"] if gate["name"].startswith(("dpo", "grpo"))]
    assert [(row["from"], row["to"]) for row in summary["comparisons"]][:1] == [("base", "sft")]
    told = sentinel(home, "report", "phased").err
    assert "not done: skipped for the budget: dpo is optional" in " ".join(told.split())


def test_there_is_nothing_to_resume_after_a_finished_run(loop: Loop) -> None:
    done = sentinel(loop.home, "run", "mini", "--resume")
    assert done.code == 2
    assert "nothing to resume" in done.err


def test_an_unknown_recipe_is_bad_input(loop: Loop) -> None:
    done = sentinel(loop.home, "run", "mimi")
    assert (done.code, "Did you mean 'mini'?" in done.err) == (2, True)
