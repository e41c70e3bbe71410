"""A judge's verdicts decide a suite only under a licence; trouble of the judge is no score; a
killed run asks nothing twice."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sentinel_pipeline.bench.evaluate import score_answers
from sentinel_pipeline.bench.report import build_report
from sentinel_pipeline.cli import app
from sentinel_pipeline.errors import GateRefused
from sentinel_pipeline.gates import decide, measure_report
from sentinel_pipeline.generation.targets import served as served_target
from sentinel_pipeline.llm_judge.ask import RUBRIC as RUBRIC_OF_ALL
from sentinel_pipeline.llm_judge.ask import examine, identity
from sentinel_pipeline.llm_judge.licence import decide_licence, licence_verdict
from sentinel_pipeline.llm_judge.verdicts import add_verdicts, read_verdicts, verdicts_path
from sentinel_pipeline.pairs.best_of_n import build_pairs, judge_answers
from sentinel_pipeline.records import JudgedAnswer, Message, Task, TextAnswer
from sentinel_pipeline.records.conversation import sample_id
from sentinel_pipeline.records.data_spec import CriticSpec
from sentinel_pipeline.records.gate_spec import GatePolicy
from sentinel_pipeline.records.judge_spec import JudgeModel, JudgeSpec
from sentinel_pipeline.records.training_spec import PairsSpec
from sentinel_pipeline.store import Home, Ledger
from sentinel_pipeline_tests.generation.served import Served, completion, serving
from sentinel_pipeline_tests.llm_judge.test_ask import ITEMS, LABELS, answered, reads

RUBRIC = "Right sums."


def tasks() -> list[Task]:
    def task(name: str, prompt: str, verifier: Any) -> Task:
        return Task(
            id=name, suite="sums", category="general_chat", family="sums", messages=(Message("user", prompt),),
            verifier=verifier, reference="",
        )  # fmt: skip

    judged = [
        task(item.id, item.messages[0].content, JudgedAnswer(rubric=RUBRIC)) for item in ITEMS
    ]
    return [*judged, task("plain", "Say yes.", TextAnswer(accepted=("yes",)))]


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    """Half of the sums are wrong; the item that needs no judge is right."""
    path = tmp_path / "sums.jsonl"
    said = {item.id: item.response for item in ITEMS} | {"plain": "yes"}
    rows = (
        {"id": i, "completion": text, "stopped": True, "tokens": 1, "seconds": 0.1}
        for i, text in said.items()
    )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def spec(served: Served, rubric: str | None = RUBRIC, ledger: Ledger | None = None) -> JudgeSpec:
    """A recipe's judge; with a rubric it is licensed for it."""
    found = JudgeSpec(model=JudgeModel(name="j", base_url=served.url, concurrency=4))
    if rubric is not None and ledger is not None:
        licence = decide_licence(found, LABELS, examine(reads, reads, rubric, ITEMS, found))
        who = identity("j", served_target(served.url, "j").model_hash, rubric)
        ledger.record(licence_verdict(who, found, licence), recipe="-", run_id="r")
    return found


def outcomes(answers: Path) -> dict[str, int]:
    found = [one.outcome for one in score_answers(tasks(), answers)]
    return {name: found.count(name) for name in ("pass", "fail", "infra")}


def gate(answers: Path) -> str:
    samples = list(score_answers(tasks(), answers))
    report = build_report(
        samples,
        suite="sums",
        stage="sft",
        model="m",
        model_hash="h",
        scorer_version="v",
        decoding={},
        retired=0,
    )
    policy = GatePolicy(metric="pass_at_1", suite="sums", threshold=0.3)
    measured = measure_report(policy, report, items=len(samples), scorer_now="v")
    return decide(policy, measured).verdict


def test_a_licensed_judges_verdicts_are_the_score(home: Home, answers: Path) -> None:
    ledger = Ledger(home.ledger)
    with serving(answered) as served:
        judge = spec(served, ledger=ledger)
        assert add_verdicts(home, ledger, judge, tasks(), answers) == 120
        assert outcomes(answers) == {"pass": 61, "fail": 60, "infra": 0}
        assert gate(answers) == "pass"
        assert add_verdicts(home, ledger, judge, tasks(), answers) == 0, (
            "what was judged is not asked again"
        )
        assert len(served.asked) == 120
        # Another answer to one item, and a last line that a kill tore: those two are asked, nothing
        # else is.
        answers.write_text(
            answers.read_text().replace('"completion": "1"', '"completion": "77"', 1)
        )
        path = verdicts_path(answers)
        path.write_bytes(path.read_bytes()[:-9])
        assert add_verdicts(home, ledger, judge, tasks(), answers) == 2
        assert outcomes(answers) == {"pass": 60, "fail": 61, "infra": 0}


def test_an_unlicensed_judge_is_not_asked_and_gates_nothing(home: Home, answers: Path) -> None:
    ledger = Ledger(home.ledger)
    with serving(answered) as served:
        add_verdicts(home, ledger, spec(served, "Another rubric.", ledger), tasks(), answers)
        assert served.asked == []
    assert outcomes(answers) == {"pass": 1, "fail": 0, "infra": 120}
    assert "the judge has no licence" in next(iter(read_verdicts(answers).values()))["reason"]
    assert gate(answers) == "inconclusive"


def test_without_a_judge_nothing_is_scored(home: Home, answers: Path) -> None:
    assert add_verdicts(home, Ledger(home.ledger), JudgeSpec(), tasks(), answers) == 0
    assert outcomes(answers) == {"pass": 1, "fail": 0, "infra": 120}
    assert gate(answers) == "inconclusive"


def test_an_outage_is_no_score_and_is_asked_again(
    home: Home, answers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sentinel_pipeline.generation.server as module

    monkeypatch.setattr(module, "_LONGEST_WAIT_S", 0.001)
    ledger, up = Ledger(home.ledger), [False]

    def answer(body: dict[str, Any]) -> Any:
        return answered(body) if up[0] or len(served.asked) < 20 else (503, {})

    with serving(answer) as served:
        judge = spec(served, ledger=ledger)
        add_verdicts(home, ledger, judge, tasks(), answers)
        found = outcomes(answers)
        assert (
            found["infra"] > 90
            and found["pass"] + found["fail"] > 5
            and gate(answers) == "inconclusive"
        )
        up[0] = True
        assert add_verdicts(home, ledger, judge, tasks(), answers) == found["infra"]
    assert outcomes(answers) == {"pass": 61, "fail": 60, "infra": 0}


@pytest.mark.parametrize("reply", ["", "PASS and FAIL", "<script>", "\x1b[2JPASSED"])
def test_a_reply_that_says_neither_word_is_no_score(home: Home, answers: Path, reply: str) -> None:
    ledger = Ledger(home.ledger)
    with serving(lambda body: reply) as served:
        add_verdicts(home, ledger, spec(served, ledger=ledger), tasks(), answers)
    assert outcomes(answers) == {"pass": 1, "fail": 0, "infra": 120}


def test_a_thought_that_fills_the_room_is_no_score_and_the_others_are_judged(
    home: Home, answers: Path
) -> None:
    ledger = Ledger(home.ledger)

    def thinking(body: dict[str, Any]) -> Any:
        if "Add 7 and 1." in body["messages"][-1]["content"]:
            return 200, completion("<think>PASS or FAIL", finish="length")
        return f"<think>PASS or FAIL</think>{answered(body)}"

    with serving(thinking) as served:
        add_verdicts(home, ledger, spec(served, ledger=ledger), tasks(), answers)
    assert outcomes(answers) == {"pass": 61, "fail": 59, "infra": 1}
    reason = next(
        row["reason"] for row in read_verdicts(answers).values() if row["outcome"] == "infra"
    )
    assert "j ended at 16 tokens before its verdict" in reason


def test_pairs_are_ranked_by_critic_and_judge(home: Home, tmp_path: Path) -> None:
    """Both must accept the chosen side; what the critic alone would have chosen is rejected where
    the judge refuses it."""
    ask = replace(tasks()[0], suite="train", verifier=TextAnswer(must_contain=("sum",)))
    said = ["The sum is 9.", "The sum is 1.", "No idea.", "The sum is 7."]
    answers = tmp_path / "pairs.jsonl"
    rows = [
        {
            "id": sample_id(ask.id, n),
            "completion": text,
            "stopped": True,
            "tokens": 5,
            "seconds": 0.1,
        }
        for n, text in enumerate(said, start=1)
    ]
    answers.write_text("".join(json.dumps(row) + "\n" for row in rows))
    pairs = PairsSpec(samples=4, min_pairs=1, reference=False, max_shares={})

    def judge(body: dict[str, Any]) -> str:
        return "PASS" if "The sum is 1." in body["messages"][-1]["content"] else "FAIL"

    ledger = Ledger(home.ledger)
    with serving(judge) as served:
        with pytest.raises(GateRefused, match="no verdict"):
            add_verdicts(home, ledger, spec(served), [ask], answers, samples=4, every=True)
        assert served.asked == []
        licensed = spec(served, RUBRIC_OF_ALL, ledger)
        assert add_verdicts(home, ledger, licensed, [ask], answers, samples=4, every=True) == 4
    [pair] = build_pairs(
        [ask], judge_answers([ask], answers, 4, CriticSpec(workers=1)), pairs, 1
    ).pairs
    assert (pair.chosen, pair.chosen_source) == ("The sum is 1.", "model")
    assert pair.rejected in said and pair.rejected != "The sum is 1."
    verdicts_path(answers).unlink()
    [alone] = build_pairs(
        [ask], judge_answers([ask], answers, 4, CriticSpec(workers=1)), pairs, 1
    ).pairs
    assert (alone.chosen, alone.rejected) == ("The sum is 9.", "No idea.")


def test_the_command_asks_the_recipes_judge(home: Home, tmp_path: Path) -> None:
    suite = tmp_path / "sums.jsonl"
    verifier = {"kind": "judged_answer", "rubric": RUBRIC}
    suite.write_text(
        "".join(
            json.dumps({"task_id": i.id, "prompt": i.messages[0].content, "verifier": verifier})
            + "\n"
            for i in ITEMS
        )
    )

    def right(body: dict[str, Any]) -> str:
        asked = body["messages"][-1]["content"]
        return str(int(asked.split()[1]) + 1) if body["model"] == "m" else answered(body)

    with serving(right) as served:
        judge = spec(served, ledger=Ledger(home.ledger))
        assert judge.model is not None
        recipe = home.root / "data" / "recipes" / "judging.toml"
        recipe.parent.mkdir(parents=True, exist_ok=True)
        recipe.write_text(f'[judge.model]\nname = "j"\nbase_url = "{served.url}"\n')
        asked = ["bench", "m", "--base-url", served.url, "--suite", str(suite), "--json"]
        alone = CliRunner().invoke(app, asked)
        assert json.loads(alone.stdout)["suites"]["sums"]["infra"] == 120
        done = CliRunner().invoke(app, [*asked, "--judge", "judging"])
    found = json.loads(done.stdout)["suites"]["sums"]
    assert (done.exit_code, found["infra"], found["pass_at_1"]) == (0, 0, 1.0)
