"""A recipe's judge is examined in every run; an outage decides nothing and stops nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pytest

from sentinel_pipeline.definitions import defs
from sentinel_pipeline.defs.runs import RunLog
from sentinel_pipeline.defs.stage import RECIPES
from sentinel_pipeline.store import Home, Ledger
from sentinel_pipeline_tests.generation.served import Reply, serving
from sentinel_pipeline_tests.llm_judge.test_ask import ITEMS, answered

Answer = Callable[[dict[str, Any]], Reply | str]


@pytest.fixture
def instance(home: Home) -> Iterator[dg.DagsterInstance]:
    rows = [
        {"id": i.id, "prompt": i.messages[0].content, "response": i.response, "label": i.label}
        for i in ITEMS
    ]
    (home.root / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with dg.instance_for_test(temp_dir=str(home.state)) as made:
        made.add_dynamic_partitions(str(RECIPES.name), ["mine"])
        yield made


def run(
    instance: dg.DagsterInstance,
    home: Home,
    answer: Answer,
    second: str = "other",
    at_once: int = 8,
) -> RunLog:
    with serving(answer) as served:
        (home.recipes / "mine.toml").write_text(
            f'[judge.model]\nname = "judge"\nbase_url = "{served.url}"\nconcurrency = {at_once}\n'
            f'[judge.exam]\nlabels = "labels.jsonl"\nsecond = {{ name = "{second}", base_url = "{served.url}" }}\n'
        )
        done = defs.resolve_job_def("train_recipe").execute_in_process(
            instance=instance,
            partition_key="mine",
            raise_on_error=False,
            asset_selection=[dg.AssetKey("judge_licence"), dg.AssetKey("human_corrections")],
        )
    return RunLog(instance, done.dagster_run, "mine")


def test_a_good_judge_is_licensed_by_the_run(instance: dg.DagsterInstance, home: Home) -> None:
    (check,) = run(instance, home, answered).checks()
    assert (check.outcome, check.description) == ("passed", "6 checks passed")
    (verdict,) = Ledger(home.ledger).verdicts(recipe="mine")
    assert (verdict.name, verdict.subject, verdict.verdict, verdict.n) == (
        "judge_licence",
        "judge/judge",
        "pass",
        120,
    )


def test_a_judge_that_changed_under_its_name_is_told(
    instance: dg.DagsterInstance, home: Home
) -> None:
    (check,) = run(instance, home, lambda body: "PASS").checks()
    assert check.outcome == "failed" and "kappa" in check.description


def test_an_outage_decides_nothing_and_the_rest_is_made(
    instance: dg.DagsterInstance, home: Home
) -> None:
    # One at a time: where several fail together, those that learn from the others that the server
    # is out stop trying earlier.
    log = run(instance, home, lambda body: (503, "", {"retry-after": "0"}), at_once=1)
    assert log.codes == {4}
    assert (
        log.why.startswith("judge_licence: http://127.0.0.1:")
        and "HTTP 503 after 6 tries. Nothing was decided" in log.why
    )
    assert Ledger(home.ledger).verdicts() == []
    assert list((home.runs / "mine").glob("human_corrections/*/manifest.json"))


def test_the_first_judge_is_no_second_one(instance: dg.DagsterInstance, home: Home) -> None:
    log = run(instance, home, answered, second="judge")
    assert log.codes == {2} and "is the first judge again" in log.why
