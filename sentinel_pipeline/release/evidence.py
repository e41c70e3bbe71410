"""Everything that must hold before a checkpoint is published, gathered once and refused with every
reason at once.

What this module does not do: decide anew. Verdicts are the ledger's, parity is what the
checkpoint's own worker measured.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from ..audit.scorers import unlicensed
from ..critic.version import scorer_version
from ..errors import BadInput, GateRefused, Infrastructure, did_you_mean
from ..gates.keys import report_key
from ..records import GateVerdict
from ..records.recipe import Recipe
from ..store import Artifact, Ledger, Store, skipped_reason
from ..store.manifest import read_manifest
from ..store.retention import with_ancestors


class Evidence(NamedTuple):
    """A checkpoint, and what allows publishing it."""

    recipe: Recipe
    stage: str
    checkpoint: Artifact
    report: Artifact
    verdicts: tuple[GateVerdict, ...]
    """The blocking gates of the stage: each passed, on exactly this report, by the current scorer
    version and policy."""
    parity: dict[str, Any]
    ancestors: tuple[Artifact, ...]
    """The checkpoint and all that it was made from, oldest first."""

    def ancestor(self, asset: str) -> Artifact | None:
        return next(
            (ancestor for ancestor in reversed(self.ancestors) if ancestor.manifest.asset == asset),
            None,
        )


def gather(store: Store, recipe: Recipe, stage: str | None) -> Evidence:
    """The evidence on a stage's checkpoint; without ``stage``, on the last one that has a
    checkpoint.

    Raises:
        BadInput: no such stage, checkpoint or report, or the recipe states no licence.
        GateRefused: a gate, a licence or export parity is missing, stale or not passed; names each.
        Infrastructure: the report's bytes are not those of its manifest.
    """
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
    verdicts = _verdicts(store, recipe, stage, report)
    parity = _parity(checkpoint)
    reasons = [verdict for verdict in verdicts if isinstance(verdict, str)]
    if checkpoint.as_parent() not in report.manifest.parents:
        asset = report.manifest.asset
        problem = f"The newest {asset} is about another checkpoint than the newest: rebuild it."
        reasons.insert(0, problem)
    reasons += [parity] if isinstance(parity, str) else []
    if reasons:
        raise GateRefused(f"{recipe.name}/{stage} is not released: {' '.join(reasons)}")
    return Evidence(
        recipe,
        stage,
        checkpoint,
        report,
        tuple(verdict for verdict in verdicts if isinstance(verdict, GateVerdict)),
        parity if isinstance(parity, dict) else {},
        _ancestors(store, checkpoint),
    )


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
    store: Store, recipe: Recipe, stage: str, report: Artifact
) -> list[GateVerdict | str]:
    """Of each blocking gate its verdict, or why there is none that allows going on."""
    ledger = Ledger(store.home.ledger)
    verdicts: list[GateVerdict | str] = []
    if reason := unlicensed(ledger):
        verdicts.append(reason)
    blocking = [
        name
        for name, policy in recipe.gates.items()
        if (policy.stage, policy.severity) == (stage, "block")
    ]
    if not blocking:
        verdicts.append(f"No blocking gate decides about stage {stage}: no evidence is not a pass.")
    for name in blocking:
        try:
            verdicts.append(
                ledger.require(report_key(store, recipe, name, report, scorer_version()))
            )
        except GateRefused as error:
            verdicts.append(str(error))
    return verdicts


def _parity(checkpoint: Artifact) -> dict[str, Any] | str:
    """What the worker compared when it had saved the checkpoint, or why that allows nothing."""
    listed = {entry.path: entry for entry in checkpoint.manifest.files}
    path = checkpoint.folder / "parity.json"
    if "parity.json" not in listed or not path.is_file():
        return "Export parity was never compared: train this stage again."
    parity: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if parity.get("passed") is not True:
        differ = [
            variant["name"] for variant in parity.get("variants", ()) if variant["answers_differ"]
        ]
        return f"Export parity does not hold ({', '.join(differ) or 'see parity.json'})."
    return parity


def _ancestors(store: Store, checkpoint: Artifact) -> tuple[Artifact, ...]:
    folders = with_ancestors(store.home, [checkpoint])
    artifacts = [Artifact(folder, read_manifest(folder)) for folder in folders]
    return tuple(sorted(artifacts, key=lambda artifact: artifact.manifest.created_at))
