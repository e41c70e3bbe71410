"""GRPO in the graph: the checkpoint behind licences and gates, and its checks; skipped where the
recipe does not use it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from ..gates.curve_files import CURVES, curves_of, read_curves
from ..gates.curve_rules import ERROR
from ..gates.fences import fence_key, fence_policy
from ..gates.looks import at_look
from ..gates.questions import answers, run_ended
from ..gates.reward import (
    EVAL_REWARD,
    KEPT_REWARD,
    WATCH_RULES,
    RewardBound,
    decide_eval_reward,
    decide_watch,
    weights_hash,
)
from ..markdown import table
from ..plots import curves
from ..records.grpo_spec import GrpoSpec
from ..records.stages import GRPO
from ..records.task import suite_hash
from ..store import Artifact, read_jsonl, skipped_reason
from .baseline import REWARD_PROMPTS
from .checks import record_fence
from .report_assets import model_folder
from .stage import (
    CheckOutcome,
    Stage,
    View,
    current_scorer_version,
    recipe_asset,
    recipe_check,
    skipped_check,
    unused,
)
from .training import (
    clean_tasks,
    require_start,
    show_training,
    start_deps,
    training_headline,
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
    if reason := stage.left_out(GRPO.name):
        stage.skip(reason)
        return
    assert spec is not None
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
            fresh=fresh_prompts(bank),
        )
        reached = tune(stage, out, job)
        out.metrics["contaminated"] = tasks.contaminated
        rows = read_curves(out.folder / CURVES)
        replies = answers(spec.questions, rows, ended=run_ended(spec, rows))
        out.json("questions.json", [reply._asdict() for reply in replies])
    stage.headline(training_headline(reached))
    show_training(stage)
    _show_curves(stage, spec)


def fresh_prompts(bank: Artifact) -> Path | None:
    """The task bank's prompts of the check ``eval_reward``; None where it has none."""
    path = bank.folder / REWARD_PROMPTS
    return path if path.is_file() and bank.manifest.metrics.get("reward") else None


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
    replies = artifact.json("questions.json")
    if replies:
        asked = [[reply[name] for name in ("ask", "answer", "text")] for reply in replies]
        stage.show("questions", table(("question", "answer", "measured"), asked))
    rows = [
        [finding[name] for name in ("step", "rule", "action", "reason")]
        for finding in findings(artifact)
    ]
    held = table(("step", "rule", "action", "saw"), rows)
    stage.show("watch rules", held if rows else f"none of the {len(spec.watch)} rules held")
    if (artifact.folder / KEPT_REWARD).is_file():
        stage.show("kept weights", _kept_text(artifact.json(KEPT_REWARD), spec))
    gain = artifact.json("training.json")["eval_gain"]
    if gain:
        stage.show("gain", gain_text(gain))


def _kept_text(kept: dict[str, Any], spec: GrpoSpec) -> str:
    """The mean reward of each task on the fresh prompts."""
    by_family: dict[str, list[float]] = {}
    for family, reward in zip(kept["families"], kept["rewards"], strict=True):
        if reward is not None:
            by_family.setdefault(family, []).append(reward)
    rows = [
        [name, f"{sum(rewards) / len(rewards):.3f}", len(rewards)]
        for name, rewards in sorted(by_family.items())
    ]
    head = (
        f"Fresh prompts, which no window asked, answered by the weights of step {kept['step']} at "
        f"the rollouts' temperature {spec.temperature:g}:"
    )
    return f"{head}\n\n{table(('task', 'mean reward', 'prompts'), rows)}"


def gain_text(gain: dict[str, Any]) -> str:
    return (
        f"sampled mean reward on {gain['n']} held-out prompts: {gain['first']:.3f} at step {gain['from_step']}, "
        f"{gain['last']:.3f} at step {gain['to_step']}; {gain['gained']} earn more, {gain['lost']} less, "
        f"exact sign test p = {gain['p']:.2g}"
    )


def findings(artifact: Artifact) -> list[dict[str, Any]]:
    path = artifact.folder / "watch.jsonl"
    return list(read_jsonl(path)) if path.is_file() else []


def _judged(view: View, name: str) -> CheckOutcome:
    """Decide one of the checkpoint's verdicts, record it, show it."""
    spec = view.recipe.grpo
    artifact = view.store.get(GRPO.checkpoint)
    if spec is None:
        return skipped_check(GRPO.checkpoint, name, unused(view.recipe, GRPO.name))
    if reason := skipped_reason(artifact):
        return skipped_check(GRPO.checkpoint, name, reason)
    policy = fence_policy(view.recipe, name)
    if name == WATCH_RULES:
        decided = decide_watch(policy, read_curves(artifact.path(CURVES)), findings(artifact))
        return record_fence(view, artifact, name, decided)
    measured = artifact.folder / KEPT_REWARD
    kept = artifact.json(KEPT_REWARD) if measured.is_file() else None
    bound = _bound(view, artifact, spec)
    key = fence_key(name, artifact, view.recipe, bound.scorer_version)
    key = replace(key, suite_hash=bound.prompts)
    look = view.ledger.look(key)
    decided = decide_eval_reward(at_look(policy, look), kept, bound)
    if look > 1:
        reason = f"{decided.reason}; look {look} at these weights and prompts"
        decided = replace(decided, reason=reason)
    return record_fence(view, artifact, name, replace(decided, look=look), key)


def _bound(view: View, artifact: Artifact, spec: GrpoSpec) -> RewardBound:
    """What the measurement of the kept weights must be of: the checkpoint's files, the prompts of
    the task bank that it was made from, the current scorer."""
    from ..training.loop.windows import window_tasks

    prompts = ""
    fresh = fresh_prompts(view.store.origin(artifact, GRPO.trains_on))
    if fresh is not None:
        asked = window_tasks(fresh, spec.reward_items)
        prompts = suite_hash(task.content_hash for task in asked)
    files = {entry.path: entry.sha256 for entry in artifact.manifest.files}
    return RewardBound(weights_hash(files), prompts, current_scorer_version())


@recipe_check(GRPO.checkpoint)
def eval_reward(view: View) -> CheckOutcome:
    """Is the mean reward of the kept weights high enough on fresh prompts, which no window asked?
    0.55 unless the recipe says otherwise (V4.1 handoff)."""
    return _judged(view, EVAL_REWARD)


@recipe_check(GRPO.checkpoint)
def watch_rules(view: View) -> CheckOutcome:
    """Did the recipe's watch rules find nothing wrong in the run? A stop fails; a warning, or a
    rule without data, is not a pass."""
    return _judged(view, WATCH_RULES)


GRPO_CHECKS = [eval_reward, watch_rules]
