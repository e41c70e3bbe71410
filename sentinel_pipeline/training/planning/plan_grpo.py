"""What a recipe's GRPO will do: steps, the shape of a step, and how many of each task's prompts it
will have seen.

The V4.1 handoff's run saw 13.5 % of its prompts; that is said here before a device is touched. What
this module does not do: know which prompts a curriculum will leave out; its coverage is that of
every prompt at random.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...audit.own_rewards import check_own_rewards
from ...errors import SentinelError
from ...rates import percent
from ...records.grpo_spec import GrpoSpec
from ...records.stages import TrainingStage
from ...rewards.coverage import Coverage, planned
from ...store import Store
from .plan import Plan, Refusal
from .plan_model import PlannedModel, scheduled_rates

FEW = 0.5
"""Less of its prompts than this, and a plan warns."""


def plan_prompts(plan: Plan, stage: TrainingStage, store: Store) -> None:
    """A stage that answers the task bank's prompts, as many of each family as the recipe asks
    for."""
    spec = plan.recipe.spec_of(stage.name)
    assert isinstance(spec, GrpoSpec)
    context = plan.model.context if plan.model is not None else 0
    if context and spec.max_completion_length >= context:
        reason = (
            f"{spec.max_completion_length} tokens, but the model attends to {context}: lower it."
        )
        plan.refusals.append(Refusal(field=f"{stage.name}.max_completion_length", reason=reason))
    try:
        check_own_rewards(spec.reward, store.home.root, spec.rewards)
    except SentinelError as error:
        key = getattr(error, "field", None) or f"{stage.name}.reward"
        plan.refusals.append(Refusal(field=key, reason=str(error), exit_code=error.exit_code))
    if not plan.pool.total:
        return  # the plan refuses it already
    entry = plan_grpo(spec, plan.pool.tasks, plan.model, plan.counted_as)
    plan.trainers[stage.name] = entry
    plan.warnings.append(coverage_note(spec, entry))


def plan_grpo(
    spec: GrpoSpec, tasks: Mapping[str, int], model: PlannedModel | None, source: str
) -> dict[str, Any]:
    """The trainer's entry in a plan; ``tasks`` counts the training tasks of each family."""
    total = sum(tasks.values())
    drawn = min(spec.prompts or total, total)
    prompts = {name: round(count * drawn / total) for name, count in sorted(tasks.items()) if count}
    covered = planned(prompts, spec.max_steps, spec.prompts_per_step)
    return {
        "rows": drawn,
        "source": source,
        "method": spec.method,
        "steps": spec.max_steps,
        "batch": spec.completions,
        "epochs": round(covered.epochs, 4),
        "left_out_of_the_last_pass": None,
        "categories": _categories(prompts, drawn, covered),
        "tokens": None,
        "trained_tokens_a_step": None,
        "learning_rates": scheduled_rates(spec, spec.max_steps),
        "memory_mib": model.memory_mib(spec, 1, None) if model else None,
        "trained_parameters": model.trained(spec) if model else None,
        "generations": spec.num_generations,
        "prompts_per_step": spec.prompts_per_step,
        "micro_batch": spec.batch_size,
        "coverage": round(covered.total.share, 4),
    }


def _categories(
    prompts: Mapping[str, int], drawn: int, covered: Coverage
) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "rows": count,
            "share": round(count / max(drawn, 1), 4),
            "unique_prompts": count,
            "epochs": round(covered.epochs, 3),
            "coverage": round(covered.tasks[name].share, 4),
            "coverage_interval": [
                round(end / max(count, 1), 4) for end in covered.tasks[name][2:4]
            ],
        }
        for name, count in prompts.items()
    }


def coverage_note(spec: GrpoSpec, planned_run: Mapping[str, Any]) -> str:
    """What a plan says of coverage, with the remedy where it is little."""
    share = planned_run["coverage"]
    prompts = planned_run["rows"]
    needed = -(-prompts // spec.prompts_per_step)
    text = f"grpo: {spec.max_steps} steps of {spec.prompts_per_step} prompts see {percent(share)} of {prompts:,} prompts"
    few = (
        f"; the run of the V4.1 handoff stopped improving at 13.5 %: {needed:,} steps would see all"
        if share < FEW
        else ""
    )
    return text + few + "."
