"""The recipe's judge, examined anew in every run of a recipe that has a ``[judge.exam]``."""

import dagster as dg

from ..store import skipped_reason
from .stage import (
    CheckOutcome,
    Stage,
    View,
    recipe_asset,
    recipe_check,
    skipped_check,
)


@recipe_asset(group="audit", rooms=["bench", "generation"], kinds={"python"})
def judge_licence(stage: Stage) -> None:
    """Whether the recipe's judge still agrees with people. A judge that is down is an outage: this
    asset fails, the run goes on."""
    from ..llm_judge.ask import RUBRIC, examine, identity, open_judges
    from ..llm_judge.licence import (
        attempt,
        decide_licence,
        labels_hash,
        licence_verdict,
        read_labels,
    )

    spec = stage.recipe.judge
    model = stage.recipe.judge.model
    exam = stage.recipe.judge.exam
    if exam is None or model is None:
        stage.skip("this recipe has no [judge.exam]")
        return
    with stage.making() as out:
        items = read_labels(stage.home.root / exam.labels)
        rubric = exam.rubric or RUBRIC
        with open_judges(stage.home, model, exam.second) as (first, second):
            answers = examine(first.ask, second.ask, rubric, items, spec, at_once=first.at_once)
        label_set = labels_hash(items)
        tried = attempt(stage.ledger, model.name, label_set)
        licence = decide_licence(spec, [item.label for item in items], answers, items, tried)
        who = identity(model.name, first.model_hash, rubric)
        verdict = licence_verdict(who, spec, licence, label_set)
        stage.ledger.record(verdict, recipe=stage.recipe.name, run_id=stage.store.run_id)
        out.json(
            "licence.json",
            {"verdict": licence.verdict, "checks": [check._asdict() for check in licence.checks]},
        )
        out.metrics |= {"labels": len(items), "kappa": licence.kappa or 0.0}
    stage.show(
        "licence",
        "\n".join(
            f"- {'✓' if check.passed else '✗'} {check.name}: {check.reason}"
            for check in licence.checks
        ),
    )


@recipe_check("judge_licence")
def judge_is_licensed(view: View) -> CheckOutcome:
    """Did the judge pass its exam in this run? Without that its scores decide nothing."""
    artifact = view.store.get("judge_licence")
    if reason := skipped_reason(artifact):
        return skipped_check("judge_licence", "judge_is_licensed", reason)
    licence = artifact.json("licence.json")
    failed = [
        f"{check['name']}: {check['reason']}" for check in licence["checks"] if not check["passed"]
    ]
    return dg.AssetCheckResult(
        asset_key="judge_licence",
        check_name="judge_is_licensed",
        passed=licence["verdict"] == "pass",
        description="; ".join(failed) or f"{len(licence['checks'])} checks passed",
    )
