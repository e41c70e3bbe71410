"""What programs that call the command rely on: exit codes of ports, errors as JSON, licences apart
from gates, one answer about staleness."""

from __future__ import annotations

import json
import socket
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from sentinel_pipeline.audit.licence import GATE
from sentinel_pipeline.audit.rewards import REWARDS, rewards_version
from sentinel_pipeline.audit.scorers import SCORERS, present_version
from sentinel_pipeline.audit.staleness import why_stale
from sentinel_pipeline.cli import app
from sentinel_pipeline.critic.version import scorer_version
from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.ports import require_free
from sentinel_pipeline.records import Decided, GateVerdict, VerdictKey
from sentinel_pipeline.store import Home, Ledger
from sentinel_pipeline_tests.conftest import ROOT


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from sentinel_pipeline.cli import main; main()", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def licence(name: str, version: str) -> GateVerdict:
    key = VerdictKey(
        name=GATE, subject=name, subject_hash=f"{name}@{version}", scorer_version=version, policy_hash="exam"
    )  # fmt: skip
    return key.verdict(
        Decided(
            verdict="pass", measured=1.0, threshold=0.99, n=321, interval=None, reason="licensed"
        )
    )


def test_a_busy_port_is_the_users_to_change(home: Home) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for verb in (["chat"], ["review", "serve"]):
            done = run(*verb, f"--port={port}")
            assert done.returncode == 2, done.stderr
            assert f"port {port} is taken" in done.stderr
    with pytest.raises(BadInput, match="cannot listen on '192.0.2.1'"):
        require_free("192.0.2.1", 8080)


@pytest.mark.parametrize(
    ("arguments", "kind", "says"),
    [
        (("plan", "nosuch", "--json"), "badinput", "no recipe 'nosuch'"),
        (("plan", "--json"), "usage", "standard error"),
    ],
)
def test_with_json_an_error_is_json_too(
    home: Home, arguments: tuple[str, ...], kind: str, says: str
) -> None:
    done = run(*arguments)
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["exit_code"], error["kind"]) == (2, 2, kind)
    assert says in error["message"] and done.stderr


def test_without_json_standard_output_stays_empty(home: Home) -> None:
    done = run("plan", "nosuch")
    assert (done.returncode, done.stdout) == (2, "")


def test_licences_are_listed_as_audits_and_a_fresh_one_is_not_stale(home: Home) -> None:
    ledger = Ledger(home.ledger)
    for name in SCORERS:
        ledger.record(licence(name, present_version(name)), recipe="tiny", run_id="r")
    ledger.record(licence(REWARDS, rewards_version()), recipe="tiny", run_id="r")
    ledger.record(licence(REWARDS, "old"), recipe="tiny", run_id="r")
    done = CliRunner().invoke(app, ["gate", "list", "tiny", "--json"])
    listed = json.loads(done.stdout)
    assert listed["gates"] == []
    stale = {(row["subject"], row["scorer_version"]): row["stale"] for row in listed["audits"]}
    assert [key for key, reason in stale.items() if reason] == [(REWARDS, "old")]
    assert {row["n"] for row in listed["audits"]} == {321}
    shown = CliRunner().invoke(app, ["gate", "list", "tiny"])
    assert "Audits of the scorers" in shown.stderr and "questions" in shown.stderr


def test_staleness_asks_for_the_version_that_the_verdict_is_about(home: Home) -> None:
    def verdict(version: str) -> GateVerdict:
        key = VerdictKey(
            name="pass_at_1", subject="s", subject_hash="h", scorer_version=version, policy_hash="p"
        )
        return key.verdict(
            Decided(verdict="pass", measured=1.0, threshold=0.4, n=1, interval=None, reason="r")
        )

    assert why_stale(home, verdict(scorer_version()), None) is None
    assert "decided by scorer old" in str(why_stale(home, verdict("old"), None))
    assert why_stale(home, verdict("-"), None) is None, "a fence over rows knows no scorer"
