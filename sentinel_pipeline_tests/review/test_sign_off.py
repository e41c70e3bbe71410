"""A lead's signature under exactly the proof that was shown, in the ledger that training asks."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from typer.testing import CliRunner

from sentinel_pipeline.alerts.digest import old_licences
from sentinel_pipeline.cli import app
from sentinel_pipeline.review.review_queue import Conflict, Refused, Unknown, User
from sentinel_pipeline.review.sign_off import GATE, proof, proofs, sign
from sentinel_pipeline.store import Home, Ledger, Store
from sentinel_pipeline.store.ledger import OLD_AFTER
from sentinel_pipeline_tests.tools import days_ago

EVE, ANN = User("eve", "lead"), User("ann", "reviewer")


def make(home: Home, run: str, answer: str = "no") -> None:
    talk = {"id": "1", "prompt": [{"role": "user", "content": "x"}], "answers": [{"text": answer}]}
    with Store(home, "tiny-gap", run, run).writing("gap_proof", recipe_hash="x", seed=1) as out:
        out.json("proof.json", {"reason": "the base fails"})
        out.jsonl("conversations.jsonl", [talk])


def test_a_lead_signs_the_proof_that_was_shown(home: Home) -> None:
    assert proofs(home) == []
    with pytest.raises(Unknown):
        proof(home, "tiny-gap")
    make(home, "one")
    seen = proof(home, "tiny-gap")
    assert (proofs(home), seen.reason, seen.signed) == (["tiny-gap"], "the base fails", None)
    with pytest.raises(Refused, match="only a lead signs"):
        sign(home, ANN, "tiny-gap", seen.subject_hash, "pass", "")
    signed = sign(home, EVE, "tiny-gap", seen.subject_hash, "pass", "I looked")
    assert signed.reason == "approved by eve on 1 sampled conversations: I looked"
    kept = Ledger(home.ledger).latest(GATE, seen.subject_hash)
    assert kept == signed and proof(home, "tiny-gap").signed == signed.reason


def test_a_rebuilt_proof_is_not_signed_by_an_old_page(home: Home) -> None:
    make(home, "one")
    old = proof(home, "tiny-gap").subject_hash
    make(home, "two", answer="other")
    with pytest.raises(Conflict, match="was rebuilt"):
        sign(home, EVE, "tiny-gap", old, "pass", "")
    assert Ledger(home.ledger).verdicts() == []


def test_a_proof_shows_who_signed_it_when_and_whether_that_is_long_ago(home: Home) -> None:
    make(home, "one")
    seen = proof(home, "tiny-gap")
    assert (seen.signed_at, seen.signed_as, seen.old) == (None, None, False)
    sign(home, EVE, "tiny-gap", seen.subject_hash, "pass", "I looked")
    signed = proof(home, "tiny-gap")
    assert signed.signed_as == "reviewer eve" and not signed.old
    assert signed.signed_at == dt.datetime.now(dt.UTC).isoformat(sep=" ")[: len("2026-01-01 10:00")]
    assert [talk["answers"][0]["text"] for talk in signed.conversations] == ["no"]
    with days_ago(OLD_AFTER.days + 1):
        sign(home, EVE, "tiny-gap", seen.subject_hash, "pass", "I looked")
    assert proof(home, "tiny-gap").old
    ledger = Ledger(home.ledger)
    entry = ledger.newest(GATE, seen.subject_hash)
    assert entry is not None and entry.note == " (old: decided 91 days ago)"
    assert list(old_licences(ledger, {"tiny-gap"})) == [
        "tiny-gap/gap_proof: gap_sign_off is old, decided 91 days ago. Decide it again."
    ]
    assert list(old_licences(ledger, {"another"})) == []
    shown = CliRunner().invoke(app, ["gate", "sign-off", "gap_proof", "tiny-gap", "--json"])
    data = json.loads(shown.stdout)
    assert data["signature"]["signed_by"] == "reviewer eve" and data["signature"]["old"]
    assert data["conversations"] == signed.conversations
    sign(home, EVE, "tiny-gap", seen.subject_hash, "pass", "I looked again")
    assert not proof(home, "tiny-gap").old and list(old_licences(ledger, {"tiny-gap"})) == []
