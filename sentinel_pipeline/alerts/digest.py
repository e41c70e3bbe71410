"""What a night came to, on one page: runs, gates, changes since the night before, what needs a
person.

What this module does not do: decide anything. It reads the ledger and the reports; a number stands
here as it stands there.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from ..audit.staleness import is_licence
from ..bench.compare import compare
from ..bench.samples import read_samples
from ..errors import BadInput
from ..gates.fences import FENCES, fence_severity
from ..markdown import cell
from ..phases import skipped_phases
from ..rates import difference, with_interval
from ..records import GateVerdict, PairedComparison
from ..records.recipe import Recipe
from ..sandbox.outcomes import one_line
from ..store import Artifact, Home, Ledger, Store, read_parquet
from ..store.ledger import Entry
from .notice import RunSeen


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One suite of one report, paired with the report of the loop before, item by item."""

    recipe: str
    asset: str
    comparison: PairedComparison


class Spent(NamedTuple):
    """What one run took of the device, its killed attempts too, and the money at its recipe's rate;
    empty where it names none."""

    device_hours: float
    money: str


class NightSeen(NamedTuple):
    """A night that is over, as it was seen from outside the ledger and the reports."""

    night: dt.date
    runs: Sequence[RunSeen]
    spent: Mapping[str, Spent]
    """By run id."""
    idle: Sequence[str]
    """Recipes marked nightly that had no run this night."""
    faults: Sequence[str]
    """What went wrong beside the runs, in words: a daemon that was away, damaged artifacts, checks
    without a result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    night: dt.date
    runs: tuple[RunSeen, ...]
    spent: dict[str, Spent]
    gates: tuple[tuple[str, GateVerdict], ...]
    """Recipe and verdict, each gate's last of this night."""
    warnings: tuple[str, ...]
    """Gates that did not pass and stop nothing."""
    refused: tuple[str, ...]
    """Recipes of which a gate or fence that blocks did not pass this night: their run ended as
    ``sentinel run`` ends with exit code 3."""
    changes: tuple[Change, ...]
    skipped: tuple[str, ...]
    """Phases that a budget did not suffice for; no pass of theirs is among the gates."""
    needs: tuple[str, ...]
    """What a person must look at, most urgent first; empty on a quiet night."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"night": self.night.isoformat()}


def build_digest(home: Home, night: NightSeen) -> Digest:
    """Gather one night whose runs are over."""
    ledger = Ledger(home.ledger)
    gates = tuple((run.recipe, verdict) for run in night.runs for verdict in _last(ledger, run))
    recipes = home.every_recipe().valid
    blocking = tuple(
        (recipe, verdict)
        for recipe, verdict in gates
        if not _only_warns(recipes, recipe, verdict.name)
    )
    changes = tuple(
        change for run in night.runs for change in changes_of(home, run.recipe, run.run_id)
    )
    return Digest(
        night=night.night,
        runs=tuple(night.runs),
        spent=dict(night.spent),
        gates=gates,
        warnings=tuple(
            f"{recipe}: {verdict.name} {verdict.verdict}. {verdict.reason}"
            for recipe, verdict in gates
            if verdict.verdict != "pass" and _only_warns(recipes, recipe, verdict.name)
        ),
        refused=tuple(
            dict.fromkeys(
                recipe
                for recipe, verdict in blocking
                if verdict.verdict != "pass" and _is_asked(recipes, recipe, verdict.name)
            )
        ),
        changes=changes,
        skipped=tuple(
            f"{run.recipe}: {reason}"
            for run in night.runs
            if run.recipe in recipes
            for reason in skipped_phases(
                Store(home, run.recipe, run_id=run.run_id, loop_id=run.run_id), recipes[run.recipe]
            ).values()
        ),
        needs=(
            *_needs(night, blocking, changes),
            *(line for run in night.runs for line in left_open(home, run)),
            *old_licences(ledger, {run.recipe for run in night.runs}),
        ),
    )


def _only_warns(recipes: Mapping[str, Recipe], recipe: str, gate: str) -> bool:
    """Whether a gate or fence of the recipe stops nothing; one that is not known to warn counts as
    one that stops."""
    if recipe not in recipes:
        return False
    policy = recipes[recipe].gates.get(gate)
    severity = policy.severity if policy is not None else fence_severity(recipes[recipe], gate)
    return severity == "warn"


def _is_asked(recipes: Mapping[str, Recipe], recipe: str, name: str) -> bool:
    """Whether a verdict is of a gate or fence that who goes on asks for: a licence, or a gate that
    windows decide, is not."""
    gates = recipes[recipe].gates if recipe in recipes else {}
    return name in gates or any(name in fences for fences in FENCES.values())


def _last(ledger: Ledger, run: RunSeen) -> list[GateVerdict]:
    verdicts = ledger.verdicts(recipe=run.recipe, run_id=run.run_id)
    # Every scorer has a licence of the same name.
    newest = {
        (verdict.name, verdict.subject if is_licence(verdict) else ""): verdict
        for verdict in verdicts
    }
    return list(newest.values())


def changes_of(home: Home, recipe: str, run_id: str) -> Iterator[Change]:
    """Each report that this run made against the newest one of an earlier loop, on the items that
    both answered."""
    store = Store(home, recipe, run_id=run_id, loop_id=run_id)
    for folder in sorted((home.runs / recipe).glob(f"*_report/{run_id}")):
        history = store.history(folder.parent.name)
        index = next(i for i, artifact in enumerate(history) if artifact.manifest.run_id == run_id)
        earlier = [
            artifact
            for artifact in history[:index]
            if artifact.manifest.loop_id != history[index].manifest.loop_id
        ]
        if earlier:
            yield from _suites(recipe, earlier[-1], history[index])


def _suites(recipe: str, before: Artifact, now: Artifact) -> Iterator[Change]:
    for path in sorted(now.folder.glob("*/samples.parquet")):
        suite = path.parent.name
        if not (before.folder / suite / "samples.parquet").is_file():
            continue
        try:
            comparisons, _ = compare(
                read_samples(before, suite),
                read_samples(now, suite),
                from_stage="before",
                to_stage="now",
                suite=suite,
            )
        except BadInput:
            continue
        yield Change(recipe=recipe, asset=now.manifest.asset, comparison=comparisons)


def left_open(home: Home, run: RunSeen) -> Iterator[str]:
    """Suites of this run's reports with items that infrastructure left without a score, and the
    reason that most of them give."""
    for path in sorted((home.runs / run.recipe).glob(f"*_report/{run.run_id}/*/samples.parquet")):
        suite = path.parent.name
        asset = path.parents[2].name
        rows = list(read_parquet(path, ["outcome", "reason"]))
        reasons = Counter(row["reason"] for row in rows if row["outcome"] == "infra")
        if reasons:
            most = one_line(reasons.most_common(1)[0][0].removeprefix("infra: "), 200)
            yield f"{run.recipe}: {asset}, {suite}: {reasons.total()} of {len(rows)} items have no score. Mostly: {most}"


_LICENCES = ("judge_licence", "scorer_licence", "gap_sign_off")
"""Verdicts that are not decided anew each night."""


def old_licences(ledger: Ledger, recipes: Collection[str]) -> Iterator[str]:
    """Licences and signatures of these recipes, or of none, that are old: the newest one for each
    judge, scorer or proof, while it still passes."""
    newest: dict[tuple[str, str], Entry] = {}
    for entry in ledger.entries():
        if entry.verdict.name in _LICENCES and entry.recipe in (*recipes, "-"):
            newest[entry.verdict.name, entry.verdict.subject] = entry
    for (name, subject), entry in newest.items():
        if entry.old and entry.verdict.verdict == "pass":
            yield f"{subject}: {name} is old, decided {entry.age.days} days ago. Decide it again."


def _needs(
    night: NightSeen, gates: Sequence[tuple[str, GateVerdict]], changes: Sequence[Change]
) -> Iterator[str]:
    yield from night.faults
    for run in night.runs:
        for why in (run.failures or (run.why,)) if run.failed else ():
            yield f"{run.recipe}: the run failed. {' '.join(why.split())}".rstrip()
    for recipe, verdict in gates:
        if verdict.verdict != "pass":
            yield f"{recipe}: {verdict.name} {verdict.verdict}. {verdict.reason}"
    for change in changes:
        if change.comparison.difference < 0 and change.comparison.p < 0.05:
            yield f"{change.recipe}: {change.asset} got worse on {_words(change.comparison)}"
    for recipe in night.idle:
        yield f"{recipe}: did not run, an earlier run was still going on."


def _words(comparison: PairedComparison) -> str:
    return (
        f"{comparison.suite}: {difference(comparison.difference, comparison.interval)}, n {comparison.n}, "
        f"{comparison.gained} gained, {comparison.lost} lost, exact paired p = {comparison.p:.2g}"
    )


def digest_markdown(digest: Digest) -> str:
    """The page; reasons are ours, and model output never stands in them."""
    lines = [f"# Night of {digest.night.isoformat()}", ""]
    if digest.needs:
        lines += ["## Needs a person", "", *(f"- {need}" for need in digest.needs), ""]
    else:
        lines += ["Nothing needs a person.", ""]
    if digest.warnings:
        lines += ["## Warnings", "", *(f"- {warning}" for warning in digest.warnings), ""]
    if digest.skipped:
        lines += ["## Skipped for the budget", "", *(f"- {each}" for each in digest.skipped), ""]
    lines += [
        "## Runs",
        "",
        "| recipe | run | status | hours | device hours | cost |",
        "|---|---|---|---|---|---|",
    ]
    for run in digest.runs:
        status = "refused" if run.recipe in digest.refused else "done"
        status = "failed" if run.failed else status
        hours, money = digest.spent.get(run.run_id, Spent(0.0, ""))
        lines.append(
            f"| {cell(run.recipe)} | {run.run_id[:8]} | {status} | {run.hours:.2f} | {hours:.2f} "
            f"| {money or '–'} |"
        )
    gates = [row for row in digest.gates if not is_licence(row[1])]
    audits = [row for row in digest.gates if is_licence(row[1])]
    if gates:
        lines += [
            "",
            "## Gates",
            "",
            "| recipe | gate | verdict | measured [interval] | n |",
            "|---|---|---|---|---|",
        ]
        lines += [
            f"| {cell(recipe)} | {v.name} | {v.verdict} | {with_interval(v.measured, v.interval)} | {v.n} |"
            for recipe, v in gates
        ]
    if audits:
        passed = sum(verdict.verdict == "pass" for _, verdict in audits)
        questions = sum(verdict.n for _, verdict in audits)
        lines += ["", "## Audits of the scorers", ""]
        lines.append(f"{passed} of {len(audits)} passed, {questions:,} questions asked.")
    if digest.changes:
        lines += ["", "## Since the loop before, on the same items", ""]
        lines += [
            f"- {change.recipe}, {change.asset}, {_words(change.comparison)}"
            for change in digest.changes
        ]
    return "\n".join(lines) + "\n"
