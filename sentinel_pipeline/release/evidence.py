"""Everything that must hold before a checkpoint is published, gathered once and refused with every
reason at once.

What this module does not do: decide anew. Verdicts are the ledger's, parity is what the
checkpoint's own worker measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..audit.scorers import unlicensed
from ..bench.binding import bound_now
from ..critic.version import scorer_version
from ..errors import BadInput, GateRefused, Infrastructure, did_you_mean
from ..gates.fences import blocking_fences, fence_key, fence_severity, fences_of
from ..gates.keys import report_key
from ..records import GateVerdict
from ..records.recipe import Recipe
from ..records.stages import gates_of_stage
from ..store import Artifact, Home, Ledger, Store, skipped_reason
from ..store.launched import find_launched
from ..store.ledger import Entry
from ..store.manifest import read_manifest
from ..store.marks import name_of
from ..store.retention import lineage


class GateState(NamedTuple):
    """A gate or a fence that did not have to pass."""

    name: str
    severity: str
    """``warn`` or ``off``."""
    verdict: str
    """``none`` where nothing was decided."""
    reason: str


class Evidence(NamedTuple):
    """A checkpoint, and what allows publishing it."""

    recipe: Recipe
    stage: str
    checkpoint: Artifact
    report: Artifact
    verdicts: tuple[GateVerdict, ...]
    """The promotion gates of the stage: each passed, on exactly this report about exactly this
    checkpoint, by the current scorer version and policy."""
    fences: tuple[GateVerdict, ...]
    """The blocking fences of the checkpoint and of all that it was made from: each passed."""
    others: tuple[GateState, ...]
    """The other default gates of the stage and the fences that only warn, as they stand."""
    parity: dict[str, Any]
    ancestors: tuple[Artifact, ...]
    """The checkpoint and all that it was made from, oldest first."""
    home: Home
    selected: tuple[Artifact, ...] = ()
    """Reports of ``sentinel bench`` about exactly this checkpoint that are published as well."""
    notes: dict[tuple[str, str], str] = {}  # noqa: RUF012  # a default of a NamedTuple, never written
    """(Gate or fence, content) -> how old its verdict is, of those that are old."""

    def note(self, verdict: GateVerdict) -> str:
        """What stands behind a verdict's reason: empty where it is not old."""
        return self.notes.get((verdict.name, verdict.subject_hash), "")

    def ancestor(self, asset: str) -> Artifact | None:
        return next(
            (ancestor for ancestor in reversed(self.ancestors) if ancestor.manifest.asset == asset),
            None,
        )


def gather(
    store: Store, recipe: Recipe, stage: str | None, selected: Sequence[Path] = ()
) -> Evidence:
    """The evidence on a stage's checkpoint; without ``stage``, on the last one that has a
    checkpoint.

    Args:
        selected: folders of reports of ``sentinel bench`` that are published as well.

    Raises:
        BadInput: no such stage, checkpoint or report, the recipe states no licence, or a selected
            folder is not a report about this checkpoint.
        GateRefused: a gate, a fence, a licence or export parity is missing, stale or not passed,
            the recipe's gates are not those that the run was launched with, or the checkpoint, its
            report or what it was made from is superseded; names each.
        Infrastructure: the report's bytes are not those of its manifest.
    """
    if recipe.scaled_from:
        raise GateRefused(
            f"{recipe.name} is {recipe.scaled_from} at a small scale, to see that its plan runs: "
            f"nothing that it trains is released. Release {recipe.scaled_from} when it is trained."
        )
    stage = stage or _last(store, recipe)
    names = [stage.name for stage in recipe.chain]
    if stage not in names:
        raise BadInput(
            f"{stage!r} is not a stage that {recipe.name} trains.",
            field="--stage",
            fix=did_you_mean(stage, names),
        )
    if recipe.release.license is None:
        fix = 'Add [release] license = "apache-2.0" (or what holds) to the recipe.'
        raise BadInput("the recipe states no licence.", field="release.license", fix=fix)
    checkpoint = store.get(f"{stage}_checkpoint")
    report = store.get(f"{stage}_report")
    if damaged := report.damage():
        raise Infrastructure(f"{report.folder} is damaged ({damaged[0]}): rebuild it.")
    ancestors = tuple(lineage(store.home, checkpoint))
    # What had to pass when the run was launched has to pass, whatever the recipe says now.
    launched = find_launched(store.home, recipe.name, checkpoint.manifest.loop_id) or recipe
    promotion = tuple(
        dict.fromkeys((*launched.promotion_gates(stage), *recipe.promotion_gates(stage)))
    )
    verdicts = _verdicts(store, recipe, stage, promotion, checkpoint, report)
    fences = _fences(store, (launched, recipe), ancestors)
    parity = _parity(checkpoint)
    reasons = [verdict for verdict in (*verdicts, *fences) if isinstance(verdict, str)]
    if checkpoint.as_parent() not in report.manifest.parents:
        asset = report.manifest.asset
        problem = f"The newest {asset} is about another checkpoint than the newest: rebuild it."
        reasons.insert(0, problem)
    reasons += [parity] if isinstance(parity, str) else []
    reasons += _superseded(store.home, (report, *ancestors))
    if reasons:
        raise GateRefused(f"{recipe.name}/{stage} is not released: {' '.join(reasons)}")
    passed = tuple(verdict for verdict in verdicts if isinstance(verdict, GateVerdict))
    fenced = tuple(verdict for verdict in fences if isinstance(verdict, GateVerdict))
    ledger = Ledger(store.home.ledger)
    notes = {
        (verdict.name, verdict.subject_hash): entry.note
        for verdict in (*passed, *fenced)
        if (entry := ledger.newest(verdict.name, verdict.subject_hash)) is not None and entry.old
    }
    return Evidence(
        recipe,
        stage,
        checkpoint,
        report,
        passed,
        fenced,
        _others(store, recipe, stage, promotion, report, ancestors),
        parity if isinstance(parity, dict) else {},
        ancestors,
        store.home,
        tuple(_selected(folder, checkpoint) for folder in selected),
        notes,
    )


def _superseded(home: Home, artifacts: Sequence[Artifact]) -> list[str]:
    marks = Ledger(home.ledger).marks()
    names = dict.fromkeys(name_of(home, artifact) for artifact in artifacts)
    return [
        f"{name} is {marks[name].words}."
        for name in names
        if name in marks and marks[name].state == "superseded"
    ]


def _selected(folder: Path, checkpoint: Artifact) -> Artifact:
    field = "--report"
    if not (folder / "manifest.json").is_file():
        fix = "Name the folder that sentinel bench printed: data/runs/bench/MODEL/RUN_ID."
        raise BadInput("holds no report.", file=folder, field=field, fix=fix)
    report = Artifact(folder.resolve(), read_manifest(folder))
    if damaged := report.damage():
        raise Infrastructure(f"{report.folder} is damaged ({damaged[0]}): run the benchmark again.")
    suites = sorted(folder.glob("*/report.json"))
    hashes = {report.json(f"{path.parent.name}/report.json").get("model_hash") for path in suites}
    if hashes != {checkpoint.hash}:
        about = ", ".join(sorted(str(value)[:12] for value in hashes)) or "nothing"
        problem = f"is about {about}, not about the checkpoint {checkpoint.hash[:12]}."
        fix = "Answer its suites with this checkpoint: sentinel bench RECIPE/STAGE."
        raise BadInput(problem, file=folder, field=field, fix=fix)
    return report


def _last(store: Store, recipe: Recipe) -> str:
    checkpoints = {stage.name: store.find(stage.checkpoint) for stage in recipe.chain}
    stages = [
        name for name, artifact in checkpoints.items() if artifact and not skipped_reason(artifact)
    ]
    if not stages:
        problem = f"{recipe.name} has no tuned checkpoint yet."
        raise BadInput(problem, fix=f"Train one: sentinel run {recipe.name}.")
    return stages[-1]


def _verdicts(
    store: Store,
    recipe: Recipe,
    stage: str,
    promotion: tuple[str, ...],
    checkpoint: Artifact,
    report: Artifact,
) -> list[GateVerdict | str]:
    """Of each promotion gate its verdict, or why there is none that allows going on."""
    ledger = Ledger(store.home.ledger)
    verdicts: list[GateVerdict | str] = []
    if reason := unlicensed(ledger):
        verdicts.append(reason)
    if not promotion:
        verdicts.append(
            f"No promotion gate decides about stage {stage}: no evidence is not a pass."
        )
    for name in promotion:
        if name not in recipe.gates:
            verdicts.append(f"Promotion gate {name} is gone from the recipe since the launch.")
            continue
        policy = recipe.gates[name]
        if policy.severity == "off":
            fix = f"Switch it on, or name the promotion gates: [release] gates = [...], in {recipe.name}.toml."
            verdicts.append(f"Promotion gate {name} is off. {fix}")
            continue
        if policy.stage != stage:
            verdicts.append(f"Promotion gate {name} is about {policy.stage} in this recipe.")
            continue
        try:
            # The suite as it was answered: retired items since then do not undo what was released.
            bank = store.origin(report, "task_bank")
            bound = bound_now(recipe, policy.suite, checkpoint, bank)
            key = report_key(store, recipe, name, report, scorer_version(), bound)
            verdicts.append(ledger.require(key))
        except (GateRefused, Infrastructure) as error:
            verdicts.append(str(error))
    return verdicts


def _fences(
    store: Store, recipes: tuple[Recipe, Recipe], ancestors: tuple[Artifact, ...]
) -> list[GateVerdict | str]:
    """Of each fence that blocks in one of ``recipes``, as launched and as it is now, its verdict,
    or why there is none that allows going on. The bar is that of the launch."""
    ledger = Ledger(store.home.ledger)
    verdicts: list[GateVerdict | str] = []
    for artifact in ancestors:
        bars = {
            name: each for each in reversed(recipes) for name in blocking_fences(each, artifact)
        }
        for name, recipe in bars.items():
            try:
                verdicts.append(ledger.require(fence_key(name, artifact, recipe, scorer_version())))
            except GateRefused as error:
                verdicts.append(str(error))
    return verdicts


def _others(
    store: Store,
    recipe: Recipe,
    stage: str,
    promotion: tuple[str, ...],
    report: Artifact,
    ancestors: tuple[Artifact, ...],
) -> tuple[GateState, ...]:
    """What else there is to know: no gate that was loosened is passed over in silence."""
    ledger = Ledger(store.home.ledger)
    states = []
    for name in dict.fromkeys((*gates_of_stage(stage), *recipe.gates)):
        policy = recipe.gates.get(name)
        if policy is None or policy.stage != stage or name in promotion:
            continue
        entry = ledger.newest(name, report.hash) if policy.severity != "off" else None
        states.append(_state(name, policy.severity, entry))
    for artifact in ancestors:
        for name in fences_of(recipe, artifact):
            if fence_severity(recipe, name) != "block":
                states.append(_state(name, "warn", ledger.newest(name, artifact.hash)))
    return tuple(states)


def _state(name: str, severity: str, entry: Entry | None) -> GateState:
    if entry is None:
        return GateState(name, severity, "none", "nothing was decided")
    return GateState(name, severity, entry.verdict.verdict, entry.verdict.reason + entry.note)


def _parity(checkpoint: Artifact) -> dict[str, Any] | str:
    """What the worker compared when it had saved the checkpoint, or why that allows nothing."""
    listed = {entry.path: entry for entry in checkpoint.manifest.files}
    path = checkpoint.folder / "parity.json"
    if "parity.json" not in listed or not path.is_file():
        return "Export parity was never compared: train this stage again."
    parity: dict[str, Any] = checkpoint.json("parity.json")
    if parity.get("passed") is not True:
        differ = [
            variant["name"] for variant in parity.get("variants", ()) if variant["answers_differ"]
        ]
        return f"Export parity does not hold ({', '.join(differ) or 'see parity.json'})."
    return parity
