"""A lead's signature under exactly the proof that was shown, in the ledger that training asks."""

from __future__ import annotations

import pytest

from sentinel_pipeline.review.review_queue import Conflict, Refused, Unknown, User
from sentinel_pipeline.review.sign_off import GATE, proof, proofs, sign
from sentinel_pipeline.store import Home, Ledger, Store

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
