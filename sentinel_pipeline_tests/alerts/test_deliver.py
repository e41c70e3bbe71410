"""Delivery by Apprise to a webhook and a mail server that really listen."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller

from sentinel_pipeline.alerts.deliver import deliver, send, without_secrets
from sentinel_pipeline.alerts.rules import AlertRules
from sentinel_pipeline.records.alert import Alert
from sentinel_pipeline.store import Outbox
from sentinel_pipeline_tests.alerts.doubles import Mailbox, webhook

ALERT = Alert(
    key="check_failed/1/sft_report/pass_at_1",
    kind="check_failed",
    recipe="tiny",
    title="tiny: check pass_at_1 failed",
    body="31.0 % [26.0, 36.5], n 300 <script>alert(1)</script>",
    link="http://127.0.0.1:3000/runs/1",
)


def test_a_webhook_gets_title_number_interval_reason_and_link() -> None:
    with webhook() as hook:
        assert send(hook.url, ALERT) is None
    (got,) = hook.got
    assert got["title"] == ALERT.title
    assert got["message"] == f"{ALERT.body}\n\n{ALERT.link}"
    assert got["type"] == "warning"


def test_mail_arrives_as_plain_text() -> None:
    box = Mailbox()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    try:
        url = (
            f"mailto://127.0.0.1:{port}?from=sentinel@example.org&to=team@example.org&mode=insecure"
        )
        assert send(url, ALERT) is None
    finally:
        server.stop()
    (message,) = box.messages
    assert "Subject: tiny: check pass_at_1 failed" in message
    assert "text/html" not in message


def test_a_channel_that_is_down_is_tried_again_and_told_once(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.sqlite")
    with webhook() as hook:
        rules = AlertRules(channels={"team": hook.url})
        hook.status = 503
        outbox.add(ALERT, ["team"], now=0)
        assert deliver(outbox, rules) == (0, 1)
        (waiting,) = outbox.deliveries()
        assert waiting.error is not None and "503" in waiting.error
        assert deliver(outbox, rules) == (0, 0), "not before its time"
        outbox.failed(waiting._replace(attempts=0), "again now", now=0)
        hook.status = 200
        assert deliver(outbox, rules) == (1, 0)
        assert deliver(outbox, rules) == (0, 0)
    assert len(hook.got) == 1


def test_why_it_failed_never_holds_the_secret_url() -> None:
    said = send("json://user:hunter2@127.0.0.1:9/s3cret", ALERT)
    assert said is not None
    assert "hunter2" not in said and "s3cret" not in said


def test_a_url_that_is_none_is_an_error_and_no_crash() -> None:
    assert send("no such thing", ALERT) == "not a URL that Apprise knows"


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        ("json://user:s3cr@etpass@127.0.0.1:9/pathtoken", ("s3cr", "etpass", "pathtoken")),
        ("json://user:hunter22@127.0.0.1:9/pathtoken?key=querytoken", ("hunter22", "token")),
        ("json://127.0.0.1:9/user%40pathtoken", ("pathtoken",)),
        ("mailto://me:hunter@two2@127.0.0.1:9", ("hunter", "two2")),
        ("json://u:pa/ssw0rd@127.0.0.1:9/x", ("ssw0rd",)),
    ],
)
def test_no_part_of_a_secret_url_is_told(url: str, secrets: tuple[str, ...]) -> None:
    error = send(url, ALERT)
    assert error and not any(secret in error for secret in secrets)


def test_what_a_library_complains_of_is_told_without_the_urls_secrets() -> None:
    url = "json://user:hunter%4022@host.example/pathtoken?key=querytoken"
    text = "no hunter@22 or hunter%4022 at host.example/pathtoken: querytoken"
    assert without_secrets(text, url) == "no *** or *** at host.example/***: ***"
