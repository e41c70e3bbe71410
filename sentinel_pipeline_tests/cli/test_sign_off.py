"""A person's signature: who, when, of exactly which proof; and no signature without a name."""

from __future__ import annotations

import json
from dataclasses import replace

import dagster as dg
import pytest
from typer.testing import CliRunner

from sentinel_pipeline.cli import app
from sentinel_pipeline.cli.console import login_name
from sentinel_pipeline.errors import BadInput, GateRefused
from sentinel_pipeline.records import VerdictKey
from sentinel_pipeline.records.recipe import section_hash
from sentinel_pipeline.store import Artifact, Home, Ledger, Store

LOGIN = login_name()


@pytest.fixture
def proof(home: Home) -> Artifact:
    store = Store(home, "tiny-gap", "run1", "run1")
    conversation = {"id": "a", "prompt": [{"role": "user", "content": "hi"}], "answers": [
        {"model": "base", "format": "raw", "outcome": "fail", "reason": "r", "text": "\x1b[31mred"}]}  # fmt: skip
    with store.writing("gap_proof", recipe_hash="r", seed=1) as out:
        out.json(
            "proof.json", {"verdict": "pass", "reason": "a gap", "cells": [], "instruct": {"n": 1}}
        )
        out.jsonl("conversations.jsonl", [conversation])
    return store.get("gap_proof")


def invoke(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["gate", "sign-off", *arguments], catch_exceptions=True)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


def test_it_is_shown_before_it_is_signed_and_no_escape_code_reaches_the_screen(
    home: Home, proof: Artifact
) -> None:
    shown = invoke("gap_proof", "tiny-gap")
    assert "red" in shown and "\x1b[31mred" not in shown
    assert Ledger(home.ledger).verdicts(recipe="tiny-gap") == []


def test_a_signature_holds_for_this_proof_and_this_policy_and_dagster_knows_it(
    home: Home, proof: Artifact
) -> None:
    said = invoke(
        "gap_proof", "tiny-gap", "--approve", "--by", "Ana Lima", "--note", "real", "--json"
    )
    assert json.loads(said.strip().splitlines()[-1]) == {
        "gate": "gap_sign_off", "verdict": "pass", "by": "Ana Lima", "login": LOGIN, "subject_hash": proof.hash,
        "dagster": True,
    }  # fmt: skip
    (entry,) = Ledger(home.ledger).entries(recipe="tiny-gap")
    assert entry.verdict.reason == (
        f"approved by the login {LOGIN}, signing as Ana Lima, on 1 sampled conversations: real"
    )
    assert entry.run_id == f"sign-off by the login {LOGIN}"
    assert entry.recorded_at.startswith("20")
    key = VerdictKey(
        name="gap_sign_off",
        subject="s",
        subject_hash=proof.hash,
        scorer_version=entry.verdict.scorer_version,
        policy_hash=section_hash(home.recipe("tiny-gap").gap_proof)[:16],
    )
    Ledger(home.ledger).require(key)
    with pytest.raises(GateRefused, match="no verdict"):
        Ledger(home.ledger).require(replace(key, subject_hash="rebuilt"))
    check = dg.AssetCheckKey(dg.AssetKey("gap_proof"), "gap_sign_off")
    records = dg.DagsterInstance.get().event_log_storage.get_asset_check_execution_history(
        check, limit=1
    )
    logged = records[0].event
    assert logged is not None and logged.dagster_event is not None
    assert logged.dagster_event.asset_check_evaluation_data.passed


@pytest.mark.parametrize("name", ["eve", "the login eve", "the reviewer eve", "eve, login eve"])
def test_no_name_passes_for_a_login(
    home: Home, proof: Artifact, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``eve`` is a reviewer whose signature on the page reads ``approved by eve on``."""
    for variable in ("USER", "LOGNAME", "USERNAME", "LNAME"):
        monkeypatch.setenv(variable, "eve")
    monkeypatch.setattr("sentinel_pipeline.cli.sign_off._tell_dagster", lambda *_: True)
    invoke("gap_proof", "tiny-gap", "--approve", "--by", name)
    (entry,) = Ledger(home.ledger).entries(recipe="tiny-gap")
    assert entry.run_id == f"sign-off by the login {LOGIN}"
    assert entry.verdict.reason.startswith(f"approved by the login {LOGIN}, signing as {name}, on")


def test_a_rejection_refuses(home: Home, proof: Artifact) -> None:
    invoke("gap_proof", "tiny-gap", "--reject", "--by", "Ana")
    assert Ledger(home.ledger).verdicts(recipe="tiny-gap")[-1].verdict == "fail"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["gap_proof", "tiny-gap", "--approve"], "A signature needs a name"),
        (["gap_proof", "tiny-gap", "--approve", "--reject", "--by", "A"], "Give one"),
        (["gap_prof", "tiny-gap"], "Did you mean 'gap_proof'"),
        (["gap_proof", "tiny"], "nothing to sign"),
    ],
)
def test_what_cannot_be_signed_says_why(
    home: Home, proof: Artifact, arguments: list[str], says: str
) -> None:
    with pytest.raises(BadInput, match=says):
        invoke(*arguments)
