"""GRPO in the graph: the checkpoint behind licences and gates, and its checks; skipped where the
recipe does not use it."""

from typing import Any

import dagster as dg

from ..gates.curve_files import CURVES, curves_of, read_curves
from ..gates.curve_rules import ERROR
from ..gates.fences import fence_policy
from ..gates.reward import EVAL_REWARD, WATCH_RULES, decide_eval_reward, decide_watch
from ..plots import curves
from ..records.grpo_spec import GrpoSpec
from ..records.stages import GRPO
from ..store import Artifact, read_jsonl
from .checks import record_fence
from .report_assets import model_folder
from .stage import (
    FIRST,
    RECIPES,
    Stage,
    as_dagster_failure,
    open_view,
    recipe_asset,
    skipped_check,
    unused,
)
from .training import (
    clean_tasks,
    require_start,
    show_training,
    start_deps,
    tune,
    window_suite,
)


@recipe_asset(
    group=GRPO.name,
    rooms=["training", "generation", "rewards"],
    deps=["reward_audit", *start_deps(GRPO), GRPO.trains_on],
    kinds={"pytorch", "huggingface"},
    pool="device",
)
def grpo_checkpoint(stage: Stage) -> None:
    """GRPO with audited rewards, eval rewards, coverage and watch rules; refused without a licence
    and passed gates."""
    from ..worker.jobs import tune_job

    spec = stage.recipe.grpo
    if spec is None:
        stage.skip(unused(stage.recipe, GRPO.name))
        return
    require_rewards(stage)
    start = require_start(stage, GRPO)
    bank = stage.parent(GRPO.trains_on)
    tasks = clean_tasks(stage, bank, spec.prompts)
    with stage.making(bank, *start.parents, keep=True) as out:
        out.table("tasks.parquet", (task.to_row() for task in tasks.kept), "tasks")
        job = tune_job(
            stage.recipe,
            GRPO.name,
            model_folder(start.checkpoint),
            out.folder / "tasks.parquet",
            window_suite(bank, spec.windows.suite),
            out.folder,
            stage.home.device_lock,
            root=stage.home.root,
        )
        tune(stage, out, job)
        out.metrics["contaminated"] = tasks.contaminated
    show_training(stage)
    _show_curves(stage, spec)


def require_rewards(stage: Stage) -> None:
    """Go on only when scorers and rewards passed their exams at their present versions.

    Raises:
        GateRefused: one did not, or never sat it.
    """
    from ..audit.licence import require_licences
    from ..audit.rewards import REWARDS, rewards_version
    from ..rewards.own import own_version

    stage.require_licensed_scorers()
    require_licences(stage.ledger, (REWARDS,), rewards_version())
    for index, reward in enumerate(stage.recipe.grpo.reward if stage.recipe.grpo else ()):
        version = own_version(reward, stage.home.root, f"grpo.reward[{index}]")
        require_licences(stage.ledger, (reward.scorer,), version)


def _show_curves(stage: Stage, spec: GrpoSpec) -> None:
    """Eval reward of each task, training reward and its contrast, coverage, and what the rules
    found."""
    artifact = stage.store.get(stage.asset)
    known = curves_of(read_curves(artifact.path(CURVES)))
    tasks = {
        name.removeprefix("eval/"): list(points)
        for name, points in known.items()
        if name.startswith("eval/") and not name.endswith(ERROR)
    }
    stage.show(
        "eval rewards",
        curves(tasks, "Held-out prompts: mean reward, greedy Pass@1", "step", percent=True),
    )
    names = ("reward", "frac_reward_zero_std", "completions/clipped_ratio", "coverage")
    live = {name: list(known[name]) for name in names if name in known}
    stage.show(
        "rollouts",
        curves(
            live, "Reward, groups without contrast, clipped, prompts seen", "step", percent=True
        ),
    )
    lines = ["| step | rule | action | saw |", "|---|---|---|---|"]
    lines += [
        f"| {finding['step']} | {finding['rule']} | {finding['action']} | {finding['reason']} |"
        for finding in findings(artifact)
    ]
    rules_text = "\n".join(lines) if len(lines) > 2 else f"none of the {len(spec.watch)} rules held"
    stage.show("watch rules", rules_text)
    gain = artifact.json("training.json")["eval_gain"]
    if gain:
        stage.show("gain", gain_text(gain))


def gain_text(gain: dict[str, Any]) -> str:
    return (
        f"sampled mean reward on {gain['n']} held-out prompts: {gain['first']:.3f} at step {gain['from_step']}, "
        f"{gain['last']:.3f} at step {gain['to_step']}; {gain['gained']} earn more, {gain['lost']} less, "
        f"exact sign test p = {gain['p']:.2g}"
    )


def findings(artifact: Artifact) -> list[dict[str, Any]]:
    path = artifact.folder / "watch.jsonl"
    return list(read_jsonl(path)) if path.is_file() else []


def _judged(context: dg.AssetCheckExecutionContext, name: str) -> dg.AssetCheckResult:
    """Decide one of the checkpoint's verdicts, record it, show it."""
    view = open_view(context.run, context.op_execution_context.partition_key)
    spec = view.recipe.grpo
    artifact = view.store.get(GRPO.checkpoint)
    if spec is None:
        return skipped_check(GRPO.checkpoint, name, unused(view.recipe, GRPO.name))
    rows = read_curves(artifact.path(CURVES))
    policy = fence_policy(view.recipe, name)
    if name == WATCH_RULES:
        decided = decide_watch(policy, rows, findings(artifact))
    else:
        decided = decide_eval_reward(policy, rows, artifact.json("training.json")["best_step"])
    return record_fence(view, artifact, name, decided)


@dg.asset_check(asset=GRPO.checkpoint, partitions_def=RECIPES, op_tags=FIRST)
def eval_reward(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Mean reward of the kept weights on the held-out prompts, at least 0.55 unless the recipe says
    otherwise (V4.1 handoff)."""
    with as_dagster_failure():
        return _judged(context, EVAL_REWARD)


@dg.asset_check(asset=GRPO.checkpoint, partitions_def=RECIPES, op_tags=FIRST)
def watch_rules(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """What the recipe's watch rules saw during the run: a stop fails; a warning, or a rule without
    data, is not a pass."""
    with as_dagster_failure():
        return _judged(context, WATCH_RULES)


GRPO_CHECKS = [eval_reward, watch_rules]
