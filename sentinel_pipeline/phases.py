"""A recipe's phases: which are critical, which optional, and which optional ones are skipped where
the budget does not suffice (the stage 1 plan's table of phases).

A phase is a training stage with all that is made for it, what comes before training, or a suite. A
budget counts device hours; what takes no device is never skipped. The order of skipping is the
recipe's (``[budget] optional``): a phase is skipped only when all before it are, and what does not
fit then is critical. What this module does not do: estimate hours (``training.planning``), measure
them (``costs``), or stop anything.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import NamedTuple

from .errors import BadInput
from .records.decode import Fault
from .records.recipe import Recipe
from .records.stages import BASE, REPORT_STAGES, report_of
from .records.training_spec import Budget
from .store import Artifact, Store, skipped_reason

SUITE = "suite:"
"""What an optional suite's name begins with in ``[budget] optional``."""
SKIPPED_SUITES = "skipped_suites.json"
"""In a report: suite -> why it was not answered."""
FOR_BUDGET = "skipped for the budget"
"""How the reason of a phase begins that the budget did not suffice for."""


class Phase(NamedTuple):
    """Assets that are made, or skipped, together."""

    name: str
    assets: tuple[str, ...]
    """Those that take the device; none of a suite, which is a share of every report."""
    place: int | None
    """In the order of skipping, from 1; None of a critical phase."""


class Choice(NamedTuple):
    """What the budget makes of the phases that are still to come."""

    skipped: tuple[str, ...]
    """Optional phases, in the order of skipping."""
    hours: float
    """Spent and expected, without what is skipped."""
    allowed: float | None
    left: tuple[str, ...]
    """Assets that take the device and are not skipped."""

    @property
    def fits(self) -> bool:
        """Whether what is left can be paid; nothing left always can."""
        return self.allowed is None or self.hours <= self.allowed or not self.left


def phases_of(recipe: Recipe) -> list[Phase]:
    """The recipe's phases in the order in which they come, then its optional suites."""
    order = recipe.budget.optional
    places = {name: at for at, name in enumerate(order, start=1)}
    phases = [Phase("base", ("base_checkpoint", report_of(BASE)), None)]
    if recipe.gap_proof is not None:
        phases.append(Phase("gap proof", ("instruct_report", "alt_base_report"), None))
    rows = ["self_generated"] if recipe.candidates.self_generated is not None else []
    rows += ["self_repairs"] if recipe.critic.self_repair else []
    if rows:
        phases.append(Phase("rows", tuple(rows), None))
    for stage in recipe.chain:
        phases.append(Phase(stage.name, stage.device_assets, places.get(stage.name)))
    return [*phases, *(Phase(name, (), places[name]) for name in order if name.startswith(SUITE))]


def choose(
    recipe: Recipe,
    budget: Budget,
    spent: float,
    hours: Mapping[str, float | None],
    items: Mapping[str, int],
) -> Choice:
    """Which optional phases are skipped.

    Args:
        recipe: whose phases they are.
        budget: the limits that hold, which a command may have changed.
        spent: device hours so far.
        hours: of each asset that is still to come; one whose hours nobody knows counts as none.
        items: of each suite, as far as they are known: a report's hours are divided by them.
    """
    allowed = budget.hours_allowed
    skipped: list[str] = []
    total = spent + _coming(recipe, hours, items, skipped)
    for name in recipe.budget.optional:
        if allowed is None or total <= allowed:
            break
        skipped.append(name)
        total = spent + _coming(recipe, hours, items, skipped)
    gone = _gone(recipe, skipped)
    left = tuple(asset for asset in hours if asset not in gone)
    return Choice(tuple(skipped), total, allowed, left)


def _gone(recipe: Recipe, skipped: Collection[str]) -> set[str]:
    return {
        asset
        for stage in recipe.chain
        if stage.name in skipped
        for asset in (stage.trains_on, *stage.device_assets)
    }


def _coming(
    recipe: Recipe,
    hours: Mapping[str, float | None],
    items: Mapping[str, int],
    skipped: Collection[str],
) -> float:
    gone = _gone(recipe, skipped)
    share = 1 - sum(suite_share(recipe, name, items) for name in skipped if name.startswith(SUITE))
    reports = {report_of(name) for name in REPORT_STAGES}
    return sum(
        (each or 0.0) * (share if asset in reports else 1.0)
        for asset, each in hours.items()
        if asset not in gone
    )


def suite_share(recipe: Recipe, phase: str, items: Mapping[str, int]) -> float:
    """The share of a report that an optional suite takes, by items; by suites where some suite's
    items are unknown."""
    suites = recipe.bench.suites
    if all(items.get(name) for name in suites):
        return items[phase.removeprefix(SUITE)] / sum(items[name] for name in suites)
    return 1 / len(suites)


def phase_hours(
    recipe: Recipe, phase: Phase, hours: Mapping[str, float | None], items: Mapping[str, int]
) -> float | None:
    """What a phase is expected to take; None where nobody knows any part of it."""
    if phase.name.startswith(SUITE):
        reports = [hours.get(report_of(name)) for name in recipe.reported]
        share = suite_share(recipe, phase.name, items)
        told = [each * share for each in reports if each is not None]
    else:
        told = [each for asset in phase.assets if (each := hours.get(asset)) is not None]
    return sum(told) if told else None


def skip_reason(name: str, choice: Choice) -> str:
    """Why an optional phase is skipped, with the numbers."""
    allowed = "no limit" if choice.allowed is None else f"{choice.allowed:g} h allowed"
    return (
        f"{FOR_BUDGET}: {name} is optional, and with it the run would take more than the budget "
        f"({allowed}, {choice.hours:.3f} h spent and expected without it)"
    )


def is_for_budget(reason: str | None) -> bool:
    """Whether something was skipped since the budget did not suffice, and not since the recipe
    does not use it."""
    return reason is not None and reason.startswith(FOR_BUDGET)


def limited(recipe: Recipe, max_hours: float | None, max_cost: float | None) -> Recipe:
    """The recipe with these limits, which a command set, in the place of its own.

    Raises:
        BadInput: money is to bound a run whose hours cost nothing.
    """
    own = recipe.budget
    budget = replace(
        own,
        max_hours=own.max_hours if max_hours is None else max_hours,
        max_cost=own.max_cost if max_cost is None else max_cost,
    )
    try:
        budget.check()
    except Fault as fault:
        raise BadInput(f"{fault.message}.", field="--max-cost", fix=fault.fix) from None
    return replace(recipe, budget=budget)


def skipped_suites(store: Store, report: str) -> dict[str, str]:
    """Suite -> why the report, an asset, does not answer it."""
    artifact = _shown(store, report)
    if artifact is None or not (artifact.folder / SKIPPED_SUITES).is_file():
        return {}
    reasons: dict[str, str] = artifact.json(SKIPPED_SUITES)
    return reasons


def skipped_phases(store: Store, recipe: Recipe) -> dict[str, str]:
    """Phase -> why the budget did not suffice for it, of what the store's loop made; of the newest
    artifacts where the store is of no run."""
    reasons: dict[str, str] = {}
    for stage in recipe.chain:
        for asset in (stage.trains_on, stage.checkpoint, stage.report):
            artifact = _shown(store, asset)
            reason = skipped_reason(artifact) if artifact is not None else None
            if reason is not None and is_for_budget(reason):
                reasons.setdefault(stage.name, reason)
    for name in recipe.reported:
        for suite, reason in skipped_suites(store, report_of(name)).items():
            reasons.setdefault(f"{SUITE}{suite}", reason)
    return reasons


def _shown(store: Store, asset: str) -> Artifact | None:
    artifact = store.find(asset)
    if artifact is None or store.run_id == artifact.manifest.run_id:
        return artifact
    if artifact.manifest.loop_id == store.loop_id:
        return artifact
    return artifact if store.loop_id == Store.reading(store.home, store.recipe).loop_id else None
