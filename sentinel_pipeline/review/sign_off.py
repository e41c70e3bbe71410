"""A person's signature under a gap proof: "I confirm the gap is real", or not. The command and the
page sign by the same function.

What this module does not do: decide the proof, or tell Dagster: the ledger's record is what
training asks for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, NamedTuple

from ..errors import BadInput
from ..gates.keys import artifact_key
from ..records import Decided, GateVerdict
from ..records.recipe import Recipe
from ..store import Artifact, Home, Ledger, Store, read_jsonl
from .review_queue import Conflict, Refused, Unknown, User

GATE = "gap_sign_off"


def signature(
    recipe: Recipe, report: Artifact, by: str, verdict: Literal["pass", "fail"], note: str
) -> GateVerdict:
    """The verdict that says who confirmed or rejected exactly this proof. ``by`` is who was logged
    in: a reviewer's name, or a login with the name that it signs as."""
    from ..critic.version import scorer_version

    shown = sum(1 for _ in read_jsonl(report.path("conversations.jsonl")))
    word = "approved" if verdict == "pass" else "rejected"
    decided = Decided(
        verdict=verdict,
        measured=None,
        threshold=0.0,
        n=shown,
        interval=None,
        reason=f"{word} by {by} on {shown} sampled conversations" + (f": {note}" if note else ""),
    )
    return artifact_key(GATE, report, recipe.gap_proof, scorer_version()).verdict(decided)


class Proof(NamedTuple):
    """A gap proof as the page shows it."""

    recipe: str
    reason: str
    subject_hash: str
    conversations: list[dict[str, Any]]
    signed: str | None
    """The newest signature under exactly this proof: what was signed, by whom and why."""
    signed_at: str | None = None
    """When, UTC to the minute."""
    signed_as: str | None = None
    """The login or the reviewer that signed, as the machine knows it."""
    old: bool = False
    """Signed so long ago that somebody should look again."""


def proofs(home: Home) -> list[str]:
    """Recipes that have a gap proof to sign."""
    artifacts = (
        name
        for name in home.recipe_names()
        if Store.reading(home, name).find("gap_proof") is not None
    )
    return [name for name in artifacts if home.recipe(name).gap_proof is not None]


def proof(home: Home, recipe: str) -> Proof:
    """
    Raises:
        Unknown: the recipe has no gap proof.
    """
    if recipe not in proofs(home):
        raise Unknown("there is no gap proof of that recipe.", field="recipe")
    artifact = Store.reading(home, recipe).get("gap_proof")
    entry = Ledger(home.ledger).newest(GATE, artifact.hash)
    path: Path = artifact.path("conversations.jsonl")
    reason = str(artifact.json("proof.json")["reason"])
    conversations = list(read_jsonl(path))
    if entry is None:
        return Proof(recipe, reason, artifact.hash, conversations, None)
    return Proof(
        recipe,
        reason,
        artifact.hash,
        conversations,
        entry.verdict.reason,
        entry.recorded_at[:16].replace("T", " "),
        entry.run_id.removeprefix("sign-off by the "),
        entry.old,
    )


def sign(
    home: Home,
    user: User,
    recipe: str,
    subject_hash: str,
    verdict: Literal["pass", "fail"],
    note: str,
) -> GateVerdict:
    """Put a lead's signature under the proof that they saw.

    Raises:
        Refused: the person is not a lead.
        Conflict: the proof was rebuilt since they saw it.
        Unknown: the recipe has no gap proof.
    """
    if user.role != "lead":
        raise Refused("only a lead signs.", fix="Ask one.")
    shown = proof(home, recipe)
    if shown.subject_hash != subject_hash:
        raise Conflict(
            "the proof was rebuilt since you opened it.", fix="Reload the page and look again."
        )
    if len(note) > 400 or not note.isprintable():
        raise BadInput("expected one printable line of at most 400 characters.", field="note")
    artifact = Store.reading(home, recipe).get("gap_proof")
    signed = signature(home.recipe(recipe), artifact, user.name, verdict, note.strip())
    run_id = f"sign-off by the reviewer {user.name}"
    Ledger(home.ledger).record(signed, recipe=recipe, run_id=run_id)
    return signed
