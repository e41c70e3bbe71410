"""``sentinel release``: a checkpoint that passed its gates, as a folder that others load."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import BadInput
from ..records.stages import STAGE_NAMES
from ..store import Artifact, Store, find_home
from .console import AsJson, emit, err

if TYPE_CHECKING:
    from ..release.evidence import Evidence


def release(
    recipe: Annotated[str, typer.Argument(help="A recipe's name.")],
    stage: Annotated[
        str | None,
        typer.Option(help=f"{', '.join(STAGE_NAMES)}; else the last one that was trained."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Also copy the bundle into this new folder.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say whether it would be released.")
    ] = False,
    push: Annotated[
        str | None, typer.Option(metavar="OWNER/NAME", help="Upload to the hub, privately.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Bundle a checkpoint with its model card and evidence. Exit code 3, with every reason, unless each blocking gate of the stage
    passed on exactly these weights, the scorers are licensed and export parity holds.

    Example:

        sentinel release tiny --stage sft --out ./tiny-sft
    """
    from ..release.evidence import gather
    from ..release.push import check_name

    if out is not None and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadInput("is not empty.", file=out, field="--out", fix="Name a new folder.")
    if push is not None:
        check_name(push)
    home, run_id = find_home(), str(uuid.uuid4())
    loaded, store = home.recipe(recipe), Store(home, recipe, run_id, run_id)
    evidence = gather(store, loaded, stage)
    made = None if dry_run else _bundle(store, evidence)
    if made and out is not None:
        shutil.copytree(made.folder, out, dirs_exist_ok=True)
    result = _result(evidence, made, out, _push(made, push, evidence) if made and push else None)
    for gate in evidence.verdicts:
        err.print(f"{gate.name}: {gate.verdict}. {gate.reason}", markup=False, highlight=False)
    err.print(
        f"Bundle: {result['folder']}" if made else "It would be released.",
        highlight=False,
        soft_wrap=True,
    )
    if result["pushed"]:
        err.print(f"Pushed: {result['pushed']}", highlight=False, soft_wrap=True)
    if as_json:
        emit(result)


def _bundle(store: Store, evidence: Evidence) -> Artifact:
    from ..release.bundle import write_bundle

    parents = (evidence.checkpoint, evidence.report)
    recipe = evidence.recipe
    with store.writing(
        "release_bundle", parents=parents, recipe_hash=recipe.sha256(), seed=recipe.seed
    ) as draft:
        write_bundle(draft, evidence)
    return store.get("release_bundle")


def _push(made: Artifact, name: str, evidence: Evidence) -> str:
    from ..release.push import push

    return push(
        made.folder,
        name,
        message=f"{evidence.recipe.name}:{evidence.stage} {evidence.checkpoint.hash[:12]}",
    )


def _result(
    evidence: Evidence, made: Artifact | None, out: Path | None, pushed: str | None
) -> dict[str, Any]:
    from ..release.bundle import gate_json

    return {
        "recipe": evidence.recipe.name,
        "stage": evidence.stage,
        "checkpoint": evidence.checkpoint.hash,
        "gates": [gate_json(verdict) for verdict in evidence.verdicts],
        "parity": evidence.parity.get("passed", False),
        "folder": str(out or made.folder) if made else None,
        "content_hash": made.hash if made else None,
        "files": [entry.path for entry in made.manifest.files] if made else [],
        "pushed": pushed,
    }
