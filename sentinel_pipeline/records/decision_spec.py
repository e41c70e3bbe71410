"""Recipe section ``[[decisions]]``: decision points, each a list of rules in order, of which the
first that holds decides.

A point is asked about a stage's report, inside a run, and says whether the run goes on; or about
the recorded curves of the finished GRPO run, by ``sentinel next``, and says which recipe comes
next. What this module does not do: evaluate (``gates.decisions``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from ..errors import did_you_mean
from .decode import Fault
from .printable import RECIPE_NAMES, is_recipe_name
from .report import Interval
from .stages import GRPO, REPORT_STAGES

Action = Literal["continue", "investigate", "stop", "complete", "next_recipe"]
GOING_ON: frozenset[Action] = frozenset({"continue", "complete"})
"""``investigate`` and ``stop`` refuse whatever depends on the report; ``complete`` says that the
goal is reached."""
REPORT_METRICS = ("pass_at_1", "syntax_rate", "gain")


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """About one metric: exactly one of ``at_least``, ``above``, ``below`` and ``weakest``."""

    metric: str = "pass_at_1"
    """Of a report ``pass_at_1``, ``syntax_rate`` or ``gain``, the paired difference in Pass@1 to
    the stage before; of curves the name of one that is recorded with its interval, such as
    ``eval/mean_reward``."""
    at_least: float | None = None
    above: float | None = None
    below: float | None = None
    from_start: bool = False
    """Of curves: the bound counts from the metric's value before the first step. Bounds that were
    measured with another reward or model mean nothing as levels; as gains they do."""
    weakest: bool = False
    """It is the lowest of the tasks' own metrics (``eval/TASK``)."""

    def check(self) -> None:
        bounds = (self.at_least, self.above, self.below)
        if sum(bound is not None for bound in bounds) + self.weakest != 1:
            raise Fault("expected exactly one of at_least, above, below and weakest")
        if self.from_start and self.weakest:
            raise Fault("weakest compares tasks, not with the start", "from_start", "Leave it out.")


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRule:
    """Holds where all its conditions do; a rule without conditions always holds."""

    action: Action
    """``next_recipe``: write ``recipe``; of points over curves only, and there the only action."""
    why: str
    """What a person should think of; printed as it stands."""
    when: tuple[Condition, ...] = ()
    name: str = ""
    """How reports name the rule."""
    recipe: str | None = None
    """Name of the next recipe."""
    set: dict[str, Any] = field(default_factory=dict)
    """Dotted keys of the recipe and their new values in the next one."""
    based_on: str | None = None
    """The recipe that ``set`` changes into the next one; absent: the recipe that decides."""
    note: str = ""
    """Further words for people, written into the next recipe."""
    then: tuple[DecisionRule, ...] = ()
    """The rules over the next recipe's own curves, so that the tree goes on after it; without any
    the next recipe ends the tree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionPoint:
    """One point of the tree: what is decided when the report of ``stage`` is there, or its curves
    are."""

    stage: str
    evidence: Literal["report", "curves"] = "report"
    """``report``: asked inside a run, which has to do something, so that a rule whose evidence
    leaves it open is passed over. ``curves``: asked about the finished GRPO run, where more can be
    measured, so that an open rule leaves the decision open."""
    suite: str = "heldout"
    """Whose report is read."""
    decide_on: Literal["interval", "point"] = "interval"
    """``interval``: a bound is passed only where the whole 95 % interval lies beyond it."""
    rules: tuple[DecisionRule, ...] = ()

    def check(self) -> None:
        if self.stage not in REPORT_STAGES:
            fix = did_you_mean(self.stage, REPORT_STAGES)
            raise Fault(f"unknown stage {self.stage!r}", "stage", fix)
        if self.evidence == "curves" and self.stage != GRPO.name:
            fix = f"Say stage = {GRPO.name!r}, or leave evidence away to decide on the report."
            raise Fault(f"{self.stage!r} records no rewards", "evidence", fix)
        if not self.rules:
            raise Fault("has no rules", "rules", "Add [[decisions.rules]].")
        for place, rule in enumerate(self.rules):
            self._check_rule(rule, f"rules[{place}]")
            self._check_further(rule, f"rules[{place}]")

    def _check_further(self, rule: DecisionRule, key: str) -> None:
        """The rules that a next recipe would hold."""
        if rule.then and self.evidence != "curves":
            fix = "Remove then, or say evidence = 'curves'."
            raise Fault("a report leads to no recipe", f"{key}.then", fix)
        for place, further in enumerate(rule.then):
            self._check_rule(further, f"{key}.then[{place}]")
            self._check_further(further, f"{key}.then[{place}]")

    def _check_rule(self, rule: DecisionRule, key: str) -> None:
        """What may follow from the point's evidence, and what may be asked of it."""
        curves = self.evidence == "curves"
        if curves != (rule.action == "next_recipe"):
            fix = "Over curves every rule's action is 'next_recipe'; over a report none is."
            message = f"{rule.action!r} cannot follow from {self.evidence}"
            raise Fault(message, f"{key}.action", fix)
        if curves and not rule.when:
            raise Fault("has no condition", f"{key}.when", "A next recipe needs evidence.")
        if curves and (not rule.recipe or not is_recipe_name(rule.recipe)):
            fix = f"Leave out its folder. {RECIPE_NAMES}"
            raise Fault(f"{rule.recipe!r:.80} is not a recipe's name", f"{key}.recipe", fix)
        if rule.based_on is not None and not is_recipe_name(rule.based_on):
            problem = f"{rule.based_on!r:.80} is not a recipe's name"
            raise Fault(problem, f"{key}.based_on", RECIPE_NAMES)
        if not curves and (rule.recipe or rule.set or rule.note or rule.based_on):
            fix = "Remove recipe, based_on, set and note, or say evidence = 'curves'."
            raise Fault("a report leads to no recipe", key, fix)
        for place, condition in enumerate(rule.when):
            if not curves and condition.from_start:
                fix = "Use the metric 'gain' against the stage before."
                raise Fault("a report has no start", f"{key}.when[{place}].from_start", fix)
            if not curves and (condition.metric not in REPORT_METRICS or condition.weakest):
                name = "weakest" if condition.weakest else "metric"
                fix = did_you_mean(condition.metric, REPORT_METRICS)
                raise Fault("is not measured in a report", f"{key}.when[{place}].{name}", fix)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a point decided about one report; immutable, kept in the ledger as the audit trail."""

    stage: str
    action: Action
    subject_hash: str
    """Content hash of the report that was read: the decision holds for this content and no
    other."""
    reason: str
    """The rule in words, with the numbers it was decided on."""
    metric: str | None
    measured: float | None
    interval: Interval | None
    n: int
    scorer_version: str
    point_hash: str
    """Hash of the point's rules; other rules make the decision stale."""
