"""What a recipe's sections about pairs, DPO, GRPO and decisions must hold: each rule names the key and what was expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from ..errors import BadInput, did_you_mean
from .data_spec import SelfGenerated
from .decision_spec import DecisionPoint
from .gate_spec import GatePolicy
from .grpo_spec import GrpoSpec
from .launch_spec import LaunchSpec
from .model_spec import ModelSpec
from .preference import REJECTION_KINDS
from .scenario_spec import Condition, Scenario
from .stages import REPORT_STAGES
from .training_spec import Budget, DpoSpec, PairsSpec, SftSpec, TuneSpec, Windows


def check_schedules(tuned: Mapping[str, TuneSpec], path: Path) -> None:
    for name, spec in tuned.items():
        if not 0 <= spec.min_lr_ratio < 1:
            message = f"is {spec.min_lr_ratio:g}, expected 0 to below 1."
            raise BadInput(message, file=path, field=f"{name}.min_lr_ratio")
        if spec.min_lr_ratio and spec.lr_scheduler_type != "warmup_stable_decay":
            raise BadInput(
                f"{spec.lr_scheduler_type!r} ends at zero.",
                file=path,
                field=f"{name}.min_lr_ratio",
                fix=f'Set {name}.lr_scheduler_type = "warmup_stable_decay", or leave it out.',
            )


def check_grpo(spec: GrpoSpec, path: Path) -> None:
    for name, low, high in (
        ("num_generations", 2, 4096),
        ("warmup_ratio", 0, 0.999),
        ("beta", 0, 1e3),
    ):
        if not low <= getattr(spec, name) <= high:
            raise BadInput(
                f"is {getattr(spec, name)}, expected {low:g} to {high:g}.",
                file=path,
                field=f"grpo.{name}",
            )
    if spec.micro_batch is not None and (
        spec.micro_batch < 1 or spec.completions % spec.micro_batch
    ):
        message = f"is {spec.micro_batch}, expected a divisor of the step's {spec.completions} completions."
        raise BadInput(
            message,
            file=path,
            field="grpo.micro_batch",
            fix="prompts_per_step times num_generations is a step.",
        )
    if spec.curriculum_samples == 1 or spec.curriculum_samples < 0:
        message = f"is {spec.curriculum_samples}, expected 0 or 2 and more."
        raise BadInput(
            message,
            file=path,
            field="grpo.curriculum_samples",
            fix="One answer alone shows no spread.",
        )
    if spec.prompts is not None and spec.prompts < 1:
        raise BadInput(f"is {spec.prompts}, expected 1 or more.", file=path, field="grpo.prompts")
    if not 0 < spec.min_eval_reward <= 1:
        raise BadInput(
            f"is {spec.min_eval_reward:g}, expected within (0, 1].",
            file=path,
            field="grpo.min_eval_reward",
        )
    names = [rule.name for rule in spec.watch]
    for at, rule in enumerate(spec.watch):
        field_name = f"grpo.watch[{at}]"
        if names.count(rule.name) > 1:
            raise BadInput(
                f"{rule.name!r} stands twice.",
                file=path,
                field=f"{field_name}.name",
                fix="Name it otherwise.",
            )
        if rule.test in ("plateau", "spikes", "diverges") and rule.span < 1:
            raise BadInput(
                f"a {rule.test} needs steps to look back on.", file=path, field=f"{field_name}.span"
            )
        if rule.test == "diverges" and rule.against is None:
            raise BadInput(
                "says from which metric it diverges.", file=path, field=f"{field_name}.against"
            )
        if rule.points < 1:
            raise BadInput(
                f"is {rule.points}, expected 1 or more.", file=path, field=f"{field_name}.points"
            )


def check_judged_stages(
    reported: Sequence[str],
    points: Sequence[DecisionPoint],
    gates: Mapping[str, GatePolicy],
    path: Path,
) -> None:
    """Nothing is decided about a stage that the recipe does not use."""
    judged = [(f"decisions[{at}].stage", point.stage) for at, point in enumerate(points)]
    judged += [(f"gates.{name}.stage", gate.stage) for name, gate in gates.items()]
    judged += [
        (f"gates.{name}.against", gate.against) for name, gate in gates.items() if gate.against
    ]
    for key, stage in judged:
        if stage not in reported:
            raise BadInput(
                f"the recipe does not use the stage {stage!r}.",
                file=path,
                field=key,
                fix=f"Add {stage!r} to stages; the recipe uses {', '.join(reported)}.",
            )


def check_scenario(scenario: Scenario, field_name: str, path: Path) -> None:
    if not scenario.when:
        raise BadInput(
            "has no condition.",
            file=path,
            field=f"{field_name}.when",
            fix="A scenario needs evidence.",
        )
    if Path(scenario.recipe).name != scenario.recipe or not scenario.recipe:
        raise BadInput(
            f"{scenario.recipe!r} is no recipe's name.", file=path, field=f"{field_name}.recipe"
        )
    for at, condition in enumerate(scenario.when):
        if _asked(condition) != 1:
            raise BadInput(
                "expected exactly one of at_least, below and weakest.",
                file=path,
                field=f"{field_name}.when[{at}]",
            )


def _asked(condition: Condition) -> int:
    return (condition.at_least is not None) + (condition.below is not None) + condition.weakest


def check_windows(windows: Windows, section: str, path: Path) -> None:
    for name in ("gain_alpha", "gate_pass_at_1", "gate_syntax_rate"):
        share = getattr(windows, name)
        if share is not None and not 0 < share < 1:
            fix = "5 % is written 0.05."
            raise BadInput(
                f"is {share:g}, expected within (0, 1).",
                file=path,
                field=f"{section}.{name}",
                fix=fix,
            )
    step = windows.gate_step
    if step is not None and (step < 1 or step % windows.eval_steps):
        fix = f"Windows fall every {windows.eval_steps} steps: make it a multiple."
        raise BadInput(
            f"is {step}: no window falls on it.", file=path, field=f"{section}.gate_step", fix=fix
        )


def check_method(spec: TuneSpec, section: str, path: Path) -> None:
    if spec.load_in_4bit and spec.method != "lora":
        fix = f'Set {section}.method = "lora".'
        raise BadInput(
            "weights of 4 bit cannot train.", file=path, field=f"{section}.load_in_4bit", fix=fix
        )


def check_start(model: ModelSpec, sft: SftSpec, path: Path) -> None:
    """Candidates and ``probed`` go together; only what was not chosen can teach."""
    probed, names = model.source == "probed", [one.name for one in model.candidates]
    if probed != bool(names):
        fix = 'Set model.source = "probed" and name [[model.candidates]], or neither.'
        raise BadInput(
            "candidates are there to be probed.", file=path, field="model.candidates", fix=fix
        )
    if probed and (len(names) < 2 or len(set(names)) < len(names) or not all(names)):
        raise BadInput(
            f"{names}: expected two or more, each with a name of its own.",
            file=path,
            field="model.candidates",
        )
    if probed and not model.probe:
        raise BadInput(
            "nothing is asked.", file=path, field="model.probe", fix='Name "format_probe".'
        )
    if (taught := sft.distillation) is None:
        return
    if not probed:
        fix = 'Set model.source = "probed": the candidate that is not chosen teaches.'
        raise BadInput("there is no teacher.", file=path, field="sft.distillation", fix=fix)
    for name in ("weight", "temperature", "lr_scale"):
        if getattr(taught, name) <= 0:
            raise BadInput(
                f"is {getattr(taught, name):g}, expected more than 0.",
                file=path,
                field=f"sft.distillation.{name}",
            )


def check_self_generated(spec: SelfGenerated | None, path: Path) -> None:
    if spec is None:
        return
    rules = (
        ("rows", spec.rows >= 1, "1 or more"),
        ("attempts", spec.attempts >= 1, "1 or more for each row"),
        ("temperature", spec.temperature > 0, "more than 0: greedy instructions are all the same"),
        ("top_p", 0 < spec.top_p <= 1, "within (0, 1]"),
        ("instruction_tokens", spec.instruction_tokens >= 1, "1 or more"),
        ("response_tokens", spec.response_tokens >= 1, "1 or more"),
        ("near_duplicates", 0 < spec.near_duplicates <= 1, "within (0, 1]"),
        ("max_sentinels", 0 <= spec.max_sentinels < 1, "within [0, 1)"),
    )
    for name, good, expected in rules:
        if not good:
            found, field_name = getattr(spec, name), f"candidates.self_generated.{name}"
            raise BadInput(f"is {found}, expected {expected}.", file=path, field=field_name)


def check_launch(spec: LaunchSpec, tuned: Mapping[str, TuneSpec], path: Path) -> None:
    if spec.processes < 1:
        raise BadInput(
            f"is {spec.processes}, expected 1 or more.", file=path, field="launch.processes"
        )
    if spec.engine == "local" and (spec.processes > 1 or spec.config):
        fix = 'Set launch.engine = "accelerate" (or "ray").'
        raise BadInput(
            "is local, which is one process of this machine.",
            file=path,
            field="launch.engine",
            fix=fix,
        )
    for section, tuning in tuned.items():
        if tuning.batch_size % spec.processes:
            fix = f"Make {section}.batch_size a multiple of {spec.processes}: a step's rows are divided among the processes."
            message = f"{spec.processes} processes do not divide {section}.batch_size = {tuning.batch_size}."
            raise BadInput(message, file=path, field="launch.processes", fix=fix)


def check_stages(spec: TuneSpec, section: str, path: Path) -> None:
    """Stages begin at step 0 and follow one another; their patterns are held against the model later."""
    starts = [stage.from_step for stage in spec.stages]
    if starts and (starts[0] != 0 or any(later <= earlier for earlier, later in pairwise(starts))):
        fix = "Begin with from_step = 0, and put later stages after it."
        raise BadInput(f"begin at steps {starts}.", file=path, field=f"{section}.stages", fix=fix)
    for at, stage in enumerate(spec.stages):
        if stage.lr_scale <= 0:
            raise BadInput(
                f"is {stage.lr_scale:g}, expected more than 0.",
                file=path,
                field=f"{section}.stages[{at}].lr_scale",
            )


def check_decisions(points: Sequence[DecisionPoint], suites: Sequence[str], path: Path) -> None:
    stages = [point.stage for point in points]
    for index, point in enumerate(points):
        field = f"decisions[{index}]"
        if point.stage not in REPORT_STAGES:
            fix = did_you_mean(point.stage, REPORT_STAGES)
            raise BadInput(
                f"{point.stage!r} is no stage with a report.",
                file=path,
                field=f"{field}.stage",
                fix=fix,
            )
        if stages.count(point.stage) > 1:
            raise BadInput(
                f"{point.stage!r} has two points.",
                file=path,
                field=f"{field}.stage",
                fix="Join their rules.",
            )
        if point.suite not in suites:
            fix = f"Add it to bench.suites ({', '.join(suites)})."
            raise BadInput(
                f"{point.suite!r} is not answered.", file=path, field=f"{field}.suite", fix=fix
            )
        if not point.rules:
            raise BadInput(
                "has no rules.", file=path, field=f"{field}.rules", fix="Add [[decisions.rules]]."
            )


def check_pairs_and_dpo(pairs: PairsSpec, dpo: DpoSpec, budget: Budget, path: Path) -> None:
    caps = pairs.max_shares
    unknown = [kind for kind in caps if kind not in REJECTION_KINDS]
    if unknown:
        fix = did_you_mean(unknown[0], REJECTION_KINDS)
        raise BadInput(
            "is no kind of rejection.",
            file=path,
            field=f"pairs.max_shares.{unknown[0]}",
            fix=fix,
        )
    rules = (
        (
            "pairs.samples",
            2 <= pairs.samples <= 16,
            pairs.samples,
            "2 to 16: one answer alone has no pair",
        ),
        (
            "pairs.temperature",
            pairs.temperature > 0,
            pairs.temperature,
            "more than 0: greedy answers are all the same",
        ),
        ("pairs.top_p", 0 < pairs.top_p <= 1, pairs.top_p, "within (0, 1]"),
        (
            "pairs.min_accepted",
            0 <= pairs.min_accepted < 1,
            pairs.min_accepted,
            "0 to below 1: a task with no failure has no pair",
        ),
        (
            "pairs.margin",
            0 < pairs.margin <= 1,
            pairs.margin,
            "within (0, 1]: two sides that tie are no pair",
        ),
        (
            "pairs.max_shares",
            all(0 < cap <= 1 for cap in caps.values()),
            caps,
            "shares within (0, 1]",
        ),
        (
            "pairs.max_shares",
            len(caps) < len(REJECTION_KINDS) or sum(caps.values()) >= 1,
            caps,
            "shares that sum to 1 or more where every kind has one",
        ),
        ("dpo.beta", dpo.beta > 0, dpo.beta, "more than 0; seed 001 uses 0.1 to 0.3"),
        ("dpo.sft_weight", dpo.sft_weight >= 0, dpo.sft_weight, "0 or more"),
        ("budget.utilisation", 0 < budget.utilisation <= 1, budget.utilisation, "within (0, 1]"),
    )
    for name, good, found, expected in rules:
        if not good:
            raise BadInput(f"is {found}, expected {expected}.", file=path, field=name)
