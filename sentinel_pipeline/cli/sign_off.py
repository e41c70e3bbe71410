"""``sentinel gate sign-off``: a reviewer reads sampled conversations and says whether the gap is
real.

The ledger keeps who, when and of which content; the same is told to Dagster. What this module does
not do: decide the proof itself.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from ..errors import BadInput, did_you_mean
from ..records import GateVerdict
from ..store import Artifact, Ledger, Store, find_home, read_jsonl
from .console import AsJson, emit, err, login_name, styled

SHOWN = 1_200
"""Characters of an answer that are shown."""


def sign_off(
    what: Annotated[str, typer.Argument(help="What is signed: gap_proof.")],
    recipe: Annotated[str, typer.Argument(help="The recipe.")],
    by: Annotated[
        str, typer.Option(help="Your name; the login is recorded beside it, whatever you write.")
    ] = "",
    approve: Annotated[bool, typer.Option("--approve", help="The gap is real.")] = False,
    reject: Annotated[
        bool, typer.Option("--reject", help="The gap is not real: training stays refused.")
    ] = False,
    note: Annotated[str, typer.Option(help="Why, in a sentence.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show the proof's sampled conversations; with --approve or --reject, sign exactly this proof.

    What is signed is shown again when it is signed; the ledger keeps name, login, time and content.

    Examples:

        sentinel gate sign-off gap_proof tiny-gap

        sentinel gate sign-off gap_proof tiny-gap --approve --by "Ana Lima"
    """
    from ..review.sign_off import signature

    if what != "gap_proof":
        raise BadInput(f"{what!r} cannot be signed.", fix=did_you_mean(what, ["gap_proof"]))
    home = find_home()
    loaded = home.recipe(recipe)
    if loaded.gap_proof is None:
        raise BadInput(
            f"{recipe} has no [gap_proof].",
            file=home.recipe_file(recipe),
            fix="There is nothing to sign.",
        )
    proof = Store.reading(home, recipe).get("gap_proof")
    if approve == reject:
        if approve:
            raise BadInput("both given.", field="--approve, --reject", fix="Give one.")
        _show(proof, recipe, as_json)
        return
    if not by.strip() or not by.isprintable():
        raise BadInput(
            "is missing.", field="--by", fix="A signature needs a name: --by 'Ana Lima'."
        )
    if not as_json:
        _show(proof, recipe, as_json=False)
    # The name is what the person says; the login is what the machine knows.
    login = login_name()
    signer = f"the login {login}, signing as {by.strip()},"
    signed = signature(loaded, proof, signer, "pass" if approve else "fail", note.strip())
    run_id = f"sign-off by the login {login}"
    Ledger(home.ledger).record(signed, recipe=recipe, run_id=run_id)
    # Imported here: `gate list`, beside this verb, has no use for it.
    from .run import prepare_instance

    prepare_instance(home)
    recorded = _tell_dagster(signed, recipe)
    if as_json:
        emit(
            {
                "gate": signed.name,
                "verdict": signed.verdict,
                "by": by.strip(),
                "login": login,
                "subject_hash": proof.hash,
                "dagster": recorded,
            }
        )
        return
    err.print(
        f"{signed.verdict}: {signed.reason}\ncontent {proof.hash}", markup=False, highlight=False
    )
    if approve:
        err.print(f"Continue: sentinel run {recipe} --resume", markup=False, highlight=False)


def _tell_dagster(signed: GateVerdict, recipe: str) -> bool:
    """Whether Dagster took it; the ledger's record counts either way."""
    command = [sys.executable, "-W", "ignore", "-m", "sentinel_pipeline.defs.sign_off"]
    done = subprocess.run(
        [*command, recipe, signed.subject_hash, signed.verdict, signed.reason],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:]
        err.print(
            f"Recorded, but Dagster could not be notified: {' '.join(last)}",
            markup=False,
            highlight=False,
        )
    return done.returncode == 0


def _show(proof: Artifact, recipe: str, as_json: bool) -> None:
    path: Path = proof.path("conversations.jsonl")
    drawn = list(read_jsonl(path))
    from ..review.sign_off import GATE

    entry = Ledger(find_home().ledger).newest(GATE, proof.hash)
    signature = None
    if entry is not None:
        signature = {
            "verdict": entry.verdict.verdict,
            "reason": entry.verdict.reason,
            "signed_at": entry.recorded_at,
            "signed_by": entry.run_id.removeprefix("sign-off by the "),
            "old": entry.old,
        }
    if as_json:
        emit(
            {
                "proof": proof.json("proof.json"),
                "conversations": drawn,
                "subject_hash": proof.hash,
                "signature": signature,
            }
        )
        return
    err.print(proof.json("proof.json")["reason"], markup=False, highlight=False)
    for conversation in drawn:
        err.rule(styled((conversation["id"], "dim")))
        for turn in conversation["prompt"]:
            err.print(styled((f"{turn['role']}: ", "bold"), _cut(turn["content"])))
        for answer in conversation["answers"]:
            colour = {"pass": "green", "fail": "red"}.get(answer["outcome"], "yellow")
            title = f"{answer['model']} in {answer['format']}, {answer['outcome']}: "
            err.print(styled((title, colour), _cut(answer["text"])))
    err.rule()
    if entry is not None and signature is not None:
        when = f"{entry.recorded_at[:16].replace('T', ' ')} UTC, {entry.age.days} days ago"
        line = f"Signed: {entry.verdict.reason}; {when}, by the {signature['signed_by']}"
        line += ": old, look again and sign anew" if entry.old else ""
        err.print(line, markup=False, highlight=False, soft_wrap=True)
    name = f'sentinel gate sign-off gap_proof {recipe} --approve --by "YOUR NAME"'
    err.print(
        f"All of it: {path}\nThe gap is real? {name}, else --reject.", markup=False, highlight=False
    )


def _cut(text: str) -> str:
    return text[:SHOWN] + ("…" if len(text) > SHOWN else "")
