"""A served judge's licence, decided anew in every run of a recipe that names one under ``[judge.served]``."""

import os
from contextlib import ExitStack

import dagster as dg

from ..errors import BadInput
from ..records.judge_spec import ServedJudge
from .gap import NOT_ASKED, not_asked
from .stage import RECIPES, Stage, failing_loudly, open_view, recipe_asset

AT_ONCE = 8


@recipe_asset(group="evaluation", rooms=["bench", "generation"], kinds={"python"})
def judge_licence(stage: Stage) -> None:
    """Does the recipe's judge still agree with people? One that does not answer is an outage: nothing is decided, nobody waits."""
    from ..bench.licence import decide_licence, licence_verdict, read_labels
    from ..generation.judge import RUBRIC, examine, identity, served_judge
    from ..generation.server import Server, ServerSpec
    from ..generation.targets import served

    spec, judge = stage.recipe.judge, stage.recipe.judge.served
    with stage.making() as out, ExitStack() as stack:
        if judge is None:
            out.json(NOT_ASKED, {"reason": "this recipe has no [judge.served]"})
            return
        items, rubric = read_labels(stage.home.root / judge.labels), judge.rubric or RUBRIC
        key = os.environ.get(judge.key_env)
        first, second = (
            stack.enter_context(Server(ServerSpec(base_url=url, model=model, key=key, concurrency=AT_ONCE)))
            for url, model in _places(judge)
        )
        answers = examine(served_judge(first), served_judge(second), rubric, items, spec, at_once=AT_ONCE)
        found = decide_licence(spec, [item.label for item in items], answers)
        who = identity(judge.model, served(judge.base_url, judge.model).model_hash, rubric)
        verdict = licence_verdict(who, spec, found)
        stage.ledger.record(verdict, recipe=stage.recipe.name, run_id=stage.store.run_id)
        out.json("licence.json", {"verdict": found.verdict, "checks": [one._asdict() for one in found.checks]})
        out.metrics |= {"requests": first.usage.requests + second.usage.requests, "kappa": found.kappa or 0.0}
    stage.show("licence", "\n".join(f"- {'✓' if one.passed else '✗'} {one.name}: {one.reason}" for one in found.checks))


def _places(judge: ServedJudge) -> tuple[tuple[str, str], tuple[str, str]]:
    """Address and name of both judges.

    Raises:
        BadInput: they are the same.
    """
    first, second = (judge.base_url, judge.model), (judge.second_base_url or judge.base_url, judge.second_model)
    if first == second:
        raise BadInput("is the first judge again.", field="judge.served.second_model", fix="Name another model.")
    return first, second


@dg.asset_check(asset="judge_licence", partitions_def=RECIPES)
def judge_is_licensed(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """The judge passed its exam in this run: until it does, none of its verdicts may decide anything."""
    with failing_loudly():
        made = open_view(context.run, context.op_execution_context.partition_key).store.get("judge_licence")
        if not_asked(made):
            return dg.AssetCheckResult(passed=True, description=made.json(NOT_ASKED)["reason"])
        found = made.json("licence.json")
    failed = [f"{one['name']}: {one['reason']}" for one in found["checks"] if not one["passed"]]
    return dg.AssetCheckResult(
        passed=found["verdict"] == "pass", description="; ".join(failed) or f"{len(found['checks'])} checks passed"
    )
