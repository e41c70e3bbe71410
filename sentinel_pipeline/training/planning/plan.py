"""What a recipe will do, before any device is touched: steps, learning rates, epoch shares, tokens,
memory, hours, money, refusals.

The recipe's own sources are read and counted as a run reads them. Where the recipe has made its
mix or its pairs, they are counted and tokenized as they are; else their numbers are those that the
recipe asks for, and said to be so. Models are built without weights. What this module does not do:
load weights, or start anything.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...costs import DEVICE_ASSETS, last_costs
from ...errors import BadInput, SentinelError, did_you_mean
from ...gates.reward import EVAL_REWARD
from ...gates.simulation import error_rates, fewest_items
from ...phases import choose, phase_hours, phases_of, skip_reason
from ...records.gate_spec import GatePolicy
from ...records.recipe import Recipe
from ...records.stages import GRPO, SFT, TRAINING_STAGES, Pool, TrainingRows, TrainingStage, load
from ...records.training_spec import StageSpec, TuneSpec
from ...store import Artifact, Home, Store, read_parquet, skipped_reason
from ...task_sources.usable import Counted, count_tasks, unusable
from ...worker.convert import cached, converted, is_ready
from ...worker.device import physical_gpus
from ...worker.launch import check_config
from ...worker.weights import locate
from ..data.tokens import TokenReport
from .forecast import Forecast, lengths_of
from .hardware import HARDWARE, hardware_of, this_processor
from .inputs import missing_inputs
from .plan_model import PlannedModel, planned_model, refuse_spec
from .starting_point import planned_start


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Something that cannot work, and what to do about it."""

    field: str
    reason: str
    exit_code: int = BadInput.exit_code


@dataclass(slots=True, kw_only=True)
class Plan:
    """A recipe's plan; ``refusals`` empty means that nothing known speaks against it."""

    recipe: Recipe
    model: PlannedModel | None
    trainers: dict[str, dict[str, Any]] = field(default_factory=dict)
    hours: dict[str, float | None] = field(default_factory=dict)
    """Device hours of each stage; None where neither an earlier run nor the device's peak tells."""
    device: str | None = None
    """The device that hours and memory are of; None where no recipe names one and none is here."""
    phases: list[dict[str, Any]] = field(default_factory=list)
    """Each with its hours, its cost, its place in the order of skipping (None: critical), and
    whether the budget makes a run skip it."""
    disk_gib: float | None = None
    """What a run leaves on the disk, about."""
    refusals: list[Refusal] = field(default_factory=list)
    gates: list[dict[str, Any]] = field(default_factory=list)
    """Of each gate: the suite, its items (None where nobody knows yet), how many it needs to be
    able to pass at all, and how often it passes a truth ``effect`` beyond the threshold."""
    warnings: list[str] = field(default_factory=list)
    counted: Counted = field(default_factory=Counted)
    """Tasks and rows of the recipe's generators and sources."""
    start: dict[str, Any] | None = None
    """Which candidate training starts from and why, or that the probe has yet to say; None where
    the recipe names one model."""

    @property
    def pool(self) -> Pool:
        return self.counted.pool

    @property
    def counted_as(self) -> str:
        """How rows are known that are not made yet."""
        own = self.recipe.tasks.source or self.counted.answers
        return "at most, of its sources" if own else "as the recipe asks"

    @property
    def total_hours(self) -> float:
        return sum(hours or 0.0 for hours in self.hours.values())

    def to_json(self) -> dict[str, Any]:
        budget = self.recipe.budget
        return {
            "recipe": self.recipe.name,
            "config": asdict(self.recipe),
            "model": asdict(self.model) if self.model else None,
            "start": self.start,
            "tasks": self._tasks_json(),
            "trainers": self.trainers,
            "device": self.device,
            "disk_gib": self.disk_gib,
            "hours": self.hours,
            "total_hours": round(self.total_hours, 4),
            "unknown": [name for name, hours in self.hours.items() if hours is None],
            "cost": round(self.total_hours * budget.hourly_rate, 4),
            "currency": budget.currency,
            "gates": self.gates,
            "max_hours": budget.max_hours,
            "max_cost": budget.max_cost,
            "phases": self.phases,
            "warnings": self.warnings,
            "refusals": [asdict(refusal) for refusal in self.refusals],
        }

    def drawn_items(self, suite: str) -> int | None:
        """How many items a suite of the task bank has; None of another suite."""
        if suite == "heldout":
            return self.counted.heldout
        return sum(self.recipe.tasks.fresh_sizes.values()) if suite == "fresh" else None

    def _tasks_json(self) -> dict[str, Any]:
        counted = self.counted
        return {
            "train": dict(sorted(counted.train.items())),
            "window": counted.window,
            "heldout": counted.heldout,
            "reward": counted.reward,
            "judged": counted.judged,
            "answers": counted.answers,
            "sources": counted.report.to_json() if counted.report else None,
        }


def make_plan(recipe: Recipe, home: Home) -> Plan:
    """Plan ``recipe``: reads its sources and what its runs have left, builds nothing but shapes."""
    store = Store.reading(home, recipe.name)
    plan = Plan(recipe=recipe, model=None)
    plan.refusals += [
        Refusal(field=problem.field or "tasks", reason=str(problem))
        for problem in missing_inputs(recipe, home)
    ]
    if recipe.model.capable_because:
        plan.warnings.append(
            f"a model is trained that may be capable already: {recipe.model.capable_because}"
        )
    _count_tasks(plan, home)
    for name, file in recipe.bench.where_present.items():
        if name not in recipe.bench.suites:
            plan.warnings.append(
                f"{name} is not answered: SENTINEL_BENCHMARKS names no folder that holds {file}."
            )
    try:
        plan.model = planned_model(recipe, made_model(store))
        if plan.model is None:
            missing = " and ".join(
                [candidate.source for candidate in recipe.model.candidates] or [recipe.model.source]
            )
            plan.warnings.append(f"not on this machine: {missing}. Shapes and memory are unknown.")
        plan.refusals += template_refusals(recipe, home, made_model(store))
    except SentinelError as error:
        plan.refusals.append(
            Refusal(
                field=getattr(error, "field", None) or "model.source",
                reason=str(error),
                exit_code=error.exit_code,
            )
        )
    plan.start = planned_start(recipe, store)
    try:
        tuned = {
            stage.name: recipe.spec_of(stage.name) for stage in recipe.chain if stage.divides_model
        }
        check_config(recipe.launch, tuned, home.root)
    except BadInput as error:
        plan.refusals.append(Refusal(field=error.field or "launch", reason=str(error)))
    for stage in recipe.chain:
        load(stage.planner)(plan, stage, store)
    _plan_gates(plan, store)
    _estimate(plan, store, _forecast(plan, home))
    _check_budget(plan, store)
    return plan


def template_refusals(recipe: Recipe, home: Home, made: Path | None) -> list[Refusal]:
    """What training would refuse of the model's tokenizer and chat template, where they are on this
    machine: found by rendering, before there are rows.

    Raises:
        BadInput: the recipe's template or stop token does not fit the tokenizer.
    """
    from tempfile import TemporaryDirectory

    from ...generation.loading import load_tokenizer
    from ...generation.template import problems

    spec = recipe.model
    if spec.source in ("embedded", "probed") or not recipe.chain:
        return []
    located = locate(spec, fetch=False)
    with TemporaryDirectory() as scratch:
        folder = made
        if located is not None and is_ready(located, spec):
            folder = located.path
        elif located is not None:
            folder = cached(located, spec, home.converted)
            if folder is None and located.kind in ("transformers", "peft"):
                # Links and a changed tokenizer: no weights are read.
                folder = converted(located, spec, Path(scratch))
        if folder is None:
            return []
        tokenizer = load_tokenizer(folder)
        return [Refusal(field=key, reason=reason) for key, reason in problems(tokenizer)]


def _count_tasks(plan: Plan, home: Home) -> None:
    try:
        plan.counted = count_tasks(plan.recipe, home.root)
    except SentinelError as error:
        field = getattr(error, "field", None) or "tasks.source"
        plan.refusals.append(Refusal(field=field, reason=str(error), exit_code=error.exit_code))
        return
    plan.warnings += plan.counted.notes
    plan.refusals += [
        Refusal(field=problem.field, reason=problem.reason)
        for problem in unusable(plan.recipe, plan.counted)
    ]


def _plan_gates(plan: Plan, store: Store) -> None:
    """What each gate, and the check ``eval_reward``, can show on the items that the recipe
    answers."""
    bank = store.find("task_bank")
    _plan_eval_reward(plan, bank)
    for name, policy in plan.recipe.gates.items():
        if policy.severity == "off":
            continue
        items: int | None = None
        if bank is not None:
            items = bank.manifest.metrics.get(policy.suite)
        else:
            known = _suite_items(policy.suite, plan)
            limit = plan.recipe.bench.limit
            items = known if known is None or limit is None else min(limit, known)
        needs = fewest_items(policy)
        rates = error_rates(policy, items, reports=2_000) if items else None
        plan.gates.append(
            {
                "name": name,
                "metric": policy.metric,
                "suite": policy.suite,
                "items": items,
                "needs": needs,
                "truth": rates.truth if rates else None,
                "power": rates.power if rates else None,
            }
        )
        if items and policy.severity == "block" and (needs is None or items < needs):
            plan.warnings.append(
                f"gate {name} cannot pass: {items} items of {policy.suite}, it needs {needs or 'more than there are'}."
            )


def suite_items(plan: Plan, store: Store) -> dict[str, int]:
    """Items of each suite of the recipe, as far as they are known before they are answered."""
    bank = store.find("task_bank")
    limit = plan.recipe.bench.limit
    counts: dict[str, int] = {}
    for suite in plan.recipe.bench.suites:
        count = bank.manifest.metrics.get(suite) if bank is not None else None
        if count is None:
            count = _suite_items(suite, plan)
            count = count if count is None or limit is None else min(limit, count)
        if count is not None:
            counts[suite] = count
    return counts


def _plan_eval_reward(plan: Plan, bank: Artifact | None) -> None:
    """What the check ``eval_reward`` can show on the fresh prompts that there are; rewards of 0 and
    1 spread the most, so that others decide on no more items."""
    spec = plan.recipe.grpo
    if spec is None:
        return
    items = plan.counted.reward
    if bank is not None:
        items = min(spec.reward_items, bank.manifest.metrics.get("reward", items))
    bar = GatePolicy(metric="pass_at_1", threshold=spec.min_eval_reward, stage=GRPO.name)
    needs = fewest_items(bar)
    rates = error_rates(bar, items, reports=2_000) if items else None
    plan.gates.append(
        {
            "name": EVAL_REWARD,
            "metric": "mean_reward",
            "suite": "fresh prompts",
            "items": items,
            "needs": needs,
            "truth": rates.truth if rates else None,
            "power": rates.power if rates else None,
        }
    )
    if needs is None or items < needs:
        blocks = plan.recipe.fences.eval_reward == "block"
        plan.warnings.append(
            f"{EVAL_REWARD} cannot pass{' and nothing is released' if blocks else ''}: {items} fresh prompts, it needs "
            f"{needs or 'more than there are'}. Give tasks.source more rows, a reward share of split or a file reward, "
            'or set fences.eval_reward = "warn".'
        )
    elif items < spec.reward_items:
        plan.warnings.append(
            f"{EVAL_REWARD} is decided on {items} fresh prompts, not on the {spec.reward_items} of grpo.reward_items: "
            "there are no more."
        )


def _suite_items(suite: str, plan: Plan) -> int | None:
    """How many items a suite has that is made on the spot; None of one whose file nobody has read
    yet."""
    from ...records.conversation import conversation_of
    from ...tasks.suites import GENERATED

    if (drawn := plan.drawn_items(suite)) is not None:
        return drawn
    if suite not in GENERATED:
        return None
    return len({conversation_of(task.id) for task in GENERATED[suite]()})


def made_model(store: Store) -> Path | None:
    """The folder of the base model, where a run has made or found it."""
    artifact = store.find("base_checkpoint")
    if artifact is None:
        return None
    resolved = artifact.folder / "model.json"
    return (
        Path(json.loads(resolved.read_text())["folder"])
        if resolved.is_file()
        else artifact.folder / "model"
    )


def plan_rows(plan: Plan, stage: TrainingStage, store: Store) -> None:
    """A stage that trains on a table of rows: counted and tokenized where they are made, else as
    the recipe asks."""
    assert stage.rows is not None
    recipe = plan.recipe
    spec = plan.recipe.spec_of(stage.name)
    kind = stage.name
    assert isinstance(spec, TuneSpec)
    plan.refusals += [
        Refusal(field=f"{kind}.{name}", reason=reason)
        for name, reason in refuse_spec(spec, plan.model)
    ]
    data = store.find(stage.trains_on)
    if data is not None and skipped_reason(data):
        data = None
    rows = load(stage.rows.expected)(recipe, plan.pool)
    source = plan.counted_as
    report = None
    shares = {}
    if data is not None:
        rows = int(data.manifest.metrics[stage.rows.metric])
        source = f"run {data.manifest.run_id[:8]}"
        shares = _shares(data, stage.rows)
        report = _tokens(plan, stage, spec, stage.rows, data, made_model(store))
        rows = report.kept if report else rows
    batch = spec.batch_size * spec.gradient_accumulation_steps
    steps = spec.total_steps(rows)
    if rows < batch and (rows or not plan.refusals):
        reason = f"{rows} rows do not fill one batch of {batch}: lower {kind}.batch_size or make more rows."
        plan.refusals.append(Refusal(field=f"{kind}.batch_size", reason=reason))
    _warn(plan, kind, spec, stage.rows, steps, rows, report)
    rows_seen = steps * batch
    plan.trainers[kind] = {
        "rows": rows,
        "source": source,
        "method": spec.method,
        "packing": getattr(spec, "packing", False),
        "processes": recipe.launch.processes,
        "steps": steps,
        "batch": batch,
        "epochs": round(rows_seen / max(rows, 1), 4),
        "left_out_of_the_last_pass": int(rows * spec.num_train_epochs) - rows_seen
        if spec.max_steps is None
        else None,
        "categories": {
            name: share | {"epochs": round(rows_seen / max(rows, 1), 3)}
            for name, share in shares.items()
        },
        "tokens": report.to_json() if report else None,
        "trained_tokens_a_step": round(report.trainable_tokens / rows * batch)
        if report and rows
        else None,
        "learning_rates": learning_rates(spec, steps),
        "memory_mib": plan.model.memory_mib(spec, stage.rows.sides, report) if plan.model else None,
        "trained_parameters": plan.model.trained(spec) if plan.model else None,
    }


def _shares(data: Artifact, trained: TrainingRows) -> dict[str, dict[str, Any]]:
    """Rows and unique prompts of each category, of the actual rows."""
    rows = Counter[str]()
    prompts = dict[str, set[int]]()
    for row in read_parquet(data.path(trained.table), ["category", "messages"]):
        rows[row["category"]] += 1
        prompts.setdefault(row["category"], set()).add(
            hash(tuple((t["role"], t["content"]) for t in row["messages"]))
        )
    total = sum(rows.values())
    return {
        name: {
            "rows": count,
            "share": round(count / total, 4),
            "unique_prompts": len(prompts[name]),
        }
        for name, count in sorted(rows.items())
    }


def _tokens(
    plan: Plan,
    stage: TrainingStage,
    spec: TuneSpec,
    trained: TrainingRows,
    data: Artifact,
    model: Path | None,
) -> TokenReport | None:
    """The token report of the actual rows, by the tokenizer that will train them; what it refuses,
    the plan refuses."""
    if model is None:
        return None
    from ...generation.loading import load_tokenizer

    kind = stage.name
    try:
        prepared = load(trained.prepare)(
            data.path("train.jsonl"),
            load_tokenizer(model),
            spec.max_length,
            train_on_thoughts=spec.train_on_thoughts,
        )
    except BadInput as error:
        plan.refusals.append(Refusal(field=error.field or f"{kind}.max_length", reason=str(error)))
        return None
    report: TokenReport = prepared.report
    for count, what in (
        (report.too_long, "are longer than max_length"),
        (report.fully_masked, "have no token to train"),
    ):
        if count:
            plan.warnings.append(
                f"{kind}: {count} of {report.rows} rows {what} and will be dropped."
            )
    if report.thoughts and not spec.train_on_thoughts:
        plan.warnings.append(
            f"{kind}: {report.thoughts} answers come with a thought, which is not trained "
            f"({kind}.train_on_thoughts = true trains it)."
        )
    return report


def _warn(
    plan: Plan,
    kind: str,
    spec: TuneSpec,
    trained: TrainingRows,
    steps: int,
    rows: int,
    report: TokenReport | None,
) -> None:
    batch = spec.batch_size * spec.gradient_accumulation_steps
    windows = spec.windows
    rest = int(rows * spec.num_train_epochs) % batch
    if rest and not spec.max_steps:
        plan.warnings.append(
            f"{kind}: {rest} samples of the last pass fill no whole batch of {batch} and are left out."
        )
    if spec.warmup_steps >= steps:
        plan.warnings.append(
            f"{kind}: warm-up takes {spec.warmup_steps} of {steps} steps: the full rate is never trained at."
        )
    if windows.eval_steps > steps:
        plan.warnings.append(
            f"{kind}: windows fall every {windows.eval_steps} steps of {steps}: only the last step has one."
        )
    if windows.early_stop_step > steps:
        plan.warnings.append(
            f"{kind}: the no-gain rule at step {windows.early_stop_step} lies beyond the last step {steps}."
        )
    answers = report.kept * trained.sides if report else 0
    if report and answers and report.trainable_tokens / answers > plan.recipe.bench.max_new_tokens:
        plan.warnings.append(
            f"{kind}: a mean answer has {report.trainable_tokens / answers:.0f} tokens, "
            f"bench.max_new_tokens is {plan.recipe.bench.max_new_tokens}: answers would be clipped."
        )


def learning_rates(spec: StageSpec, steps: int) -> list[float]:
    """The rate of every step, by the very schedule that trains."""
    from .plan_model import scheduled_rates

    return scheduled_rates(spec, steps)


def _forecast(plan: Plan, home: Home) -> Forecast | None:
    """The recipe on its device; memory of every stage against the device's, and the disk's. None
    where the model is unknown, or the device's name."""
    budget = plan.recipe.budget
    if budget.device is not None and budget.device not in HARDWARE:
        reason = f"unknown device {budget.device!r}. {did_you_mean(budget.device, HARDWARE)}"
        plan.refusals.append(Refusal(field="budget.device", reason=reason))
        return None
    if plan.model is None:
        return None
    hardware = hardware_of(budget)
    if hardware is None:
        _warn_of_the_host(plan, plan.model)
        hardware = this_processor()
    forecast = Forecast(plan, home, plan.model, hardware, lengths_of(plan.recipe))
    plan.device = hardware.name
    plan.disk_gib = round(forecast.disk_gib(), 1)
    for stage in plan.recipe.chain:
        entry = plan.trainers.get(stage.name)
        if entry is not None and hardware.memory_gib is not None:
            entry["memory_mib"] = forecast.memory(stage, plan.recipe.spec_of(stage.name))
            entry["device_mib"] = round(hardware.memory_gib * 1024)
    plan.refusals += [Refusal(field=key, reason=reason) for key, reason in forecast.misfits()]
    if full := forecast.disk_refusal():
        # A plan for a device that is elsewhere says nothing of this machine's disk.
        if physical_gpus() or budget.device is None:
            plan.refusals.append(Refusal(field="save_total_limit", reason=full, exit_code=4))
        else:
            plan.warnings.append(full)
    return forecast


def _warn_of_the_host(plan: Plan, model: PlannedModel) -> None:
    """A large model and no device: it would be held in this machine's own memory."""
    from ...worker.device import devices

    here = devices()[0]
    needed = max(
        (entry["memory_mib"]["total"] for entry in plan.trainers.values() if entry["memory_mib"]),
        default=0,
    )
    if here.kind == "cpu" and needed * 2**20 > here.memory_bytes:
        plan.warnings.append(
            f"about {needed / 1024:,.0f} GiB are needed, this machine has {here.memory_bytes / 2**30:,.0f} and no GPU: name the "
            "device that the recipe is for in budget.device, and hours and memory are planned for it."
        )


def _estimate(plan: Plan, store: Store, forecast: Forecast | None) -> None:
    """Hours of every stage: as the last run took, scaled by tokens where they are known; else as
    the device is expected to take."""
    before = last_costs(store, DEVICE_ASSETS)
    for stage in _device_assets(plan.recipe):
        earlier = before.get(stage)
        kind = stage.removesuffix("_checkpoint")
        trainer = plan.trainers.get(kind) if stage.endswith("_checkpoint") else None
        tokens = _worked_tokens(trainer)
        if earlier is not None:
            scale = tokens / earlier.tokens if tokens and earlier.tokens else 1.0
            plan.hours[stage] = round(earlier.device_s * scale / 3600, 6)
        else:
            plan.hours[stage] = forecast.hours(stage) if forecast is not None else None


def _device_assets(recipe: Recipe) -> list[str]:
    """What this recipe needs the device for."""
    unused = [stage for stage in TRAINING_STAGES if stage not in recipe.chain]
    left_out = [asset for stage in unused for asset in stage.device_assets]
    mixed = any(stage.trains_on == SFT.trains_on for stage in recipe.chain)
    left_out += [] if mixed else ["self_generated", "self_repairs"]
    left_out += ["self_generated"] if recipe.candidates.self_generated is None else []
    left_out += ["self_repairs"] if recipe.critic.self_repair == 0 else []
    left_out += ["instruct_report", "alt_base_report"] if recipe.gap_proof is None else []
    return [asset for asset in DEVICE_ASSETS if asset not in left_out]


def _worked_tokens(trainer: dict[str, Any] | None) -> float:
    """Tokens that a trainer reads over all its steps; 0 where they are unknown."""
    if not trainer or not trainer["tokens"]:
        return 0.0
    report = trainer["tokens"]
    return float(report["tokens"] / max(report["kept"], 1) * trainer["steps"] * trainer["batch"])


def _check_budget(plan: Plan, store: Store) -> None:
    """The phases with their hours, what is skipped where they exceed the budget, and a refusal
    where the critical ones do."""
    budget = plan.recipe.budget
    items = suite_items(plan, store)
    choice = choose(plan.recipe, budget, 0.0, plan.hours, items)
    for phase in phases_of(plan.recipe):
        hours = phase_hours(plan.recipe, phase, plan.hours, items)
        plan.phases.append(
            {
                "name": phase.name,
                "hours": hours,
                "cost": None if hours is None else round(hours * budget.hourly_rate, 4),
                "optional": phase.place,
                "skipped": phase.name in choice.skipped,
            }
        )
    if choice.allowed is None:
        return
    plan.warnings += [f"{skip_reason(name, choice)}." for name in choice.skipped]
    if not choice.fits:
        skipped = f", {', '.join(choice.skipped)} skipped" if choice.skipped else ""
        by_money = budget.max_hours is None or budget.max_hours > choice.allowed
        plan.refusals.append(
            Refusal(
                field="budget.max_cost" if by_money else "budget.max_hours",
                reason=f"{choice.hours:.3f} device hours are planned for what is critical{skipped}, "
                f"{choice.allowed:g} allowed: train less, or raise the budget.",
                exit_code=3,
            )
        )
    unknown = [name for name, hours in plan.hours.items() if hours is None]
    if unknown:
        plan.warnings.append(
            f"the hours of {', '.join(unknown)} are unknown, so the budget is not proven: name the device in budget.device, "
            "or run the recipe once by hand."
        )
