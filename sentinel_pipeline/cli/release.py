"""``sentinel release``: a checkpoint that passed its gates, as a folder that others load."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import BadInput
from ..store import Artifact, Store, find_home
from ..store.address import STAGE_FORMS, recipe_address
from .console import AsJson, emit, say

if TYPE_CHECKING:
    from ..release.evidence import Evidence


def release(
    model: Annotated[str, typer.Argument(help=f"{STAGE_FORMS}.")],
    stage: Annotated[
        str | None, typer.Option(help="The stage, where MODEL does not name it.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Also copy the bundle into this new folder.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only check whether it would be released.")
    ] = False,
    report: Annotated[
        list[Path] | None,
        typer.Option(help="Also publish this report of sentinel bench; may be repeated."),
    ] = None,
    push: Annotated[
        str | None, typer.Option(metavar="OWNER/NAME", help="Upload to the hub, privately.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Bundle a checkpoint with its model card and evidence.

    Exit code 3, with every reason, unless each promotion gate of the stage passed on exactly these
    weights, every fence of what they were made from passed, the scorers are licensed and export
    parity holds.

    Example:

        sentinel release tiny/sft --out ./tiny-sft
    """
    from ..release.bundle import gate_json, write_bundle
    from ..release.evidence import gather
    from ..release.push import check_name
    from ..release.push import push as upload

    # Asked before the evidence is gathered, which reads and hashes weights.
    if out is not None and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadInput("is not empty.", file=out, field="--out", fix="Name a new folder.")
    if push is not None:
        check_name(push)
    home = find_home()
    recipe, address_stage = recipe_address(home, model)
    if stage and address_stage and stage != address_stage:
        raise BadInput(
            f"is {stage}, but {model} names {address_stage}.", field="--stage", fix="Leave one out."
        )
    run_id = str(uuid.uuid4())
    loaded = home.recipe(recipe)
    store = Store(home, recipe, run_id, run_id)
    evidence = gather(store, loaded, stage or address_stage, report or ())
    bundle: Artifact | None = None
    pushed: str | None = None
    if not dry_run:
        parents = (evidence.checkpoint, evidence.report)
        with store.writing(
            "release_bundle", parents=parents, recipe_hash=loaded.sha256(), seed=loaded.seed
        ) as draft:
            write_bundle(draft, evidence)
        bundle = store.get("release_bundle")
        if out is not None:
            shutil.copytree(bundle.folder, out, dirs_exist_ok=True)
        if push is not None:
            message = f"{recipe}/{evidence.stage} {evidence.checkpoint.hash[:12]}"
            pushed = upload(bundle.folder, push, message=message)
    result = _result(evidence, bundle, out, pushed)
    result["gates"] = [gate_json(verdict) for verdict in evidence.verdicts]
    result["fences"] = [gate_json(verdict) for verdict in evidence.fences]
    result["others"] = [state._asdict() for state in evidence.others]
    for gate in (*evidence.verdicts, *evidence.fences):
        say(f"{gate.name}: {gate.verdict}. {gate.reason}")
    for state in evidence.others:
        say(f"{state.name} ({state.severity}): {state.verdict}. {state.reason}")
    say(f"Bundle: {result['folder']}" if bundle else "It would be released.")
    if pushed:
        say(f"Pushed: {pushed}")
    if as_json:
        emit(result)


def _result(
    evidence: Evidence, bundle: Artifact | None, out: Path | None, pushed: str | None
) -> dict[str, Any]:
    result: dict[str, Any] = {
        "recipe": evidence.recipe.name,
        "stage": evidence.stage,
        "checkpoint": evidence.checkpoint.hash,
        "parity": evidence.parity.get("passed", False),
        "folder": None,
        "content_hash": None,
        "files": [],
        "pushed": pushed,
    }
    if bundle is not None:
        result |= {
            "folder": str(out or bundle.folder),
            "content_hash": bundle.hash,
            "files": [entry.path for entry in bundle.manifest.files],
        }
    return result
