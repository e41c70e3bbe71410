"""Made-up secrets are found and what only looks like one is not; every extra rule is needed."""

from __future__ import annotations

import re
import time
import tomllib
from importlib import import_module
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.critic.version import LABELLING, reached
from sentinel_pipeline.secrets import find_credentials
from sentinel_pipeline.secrets.catalogue import FORMS, PLACES, scan
from sentinel_pipeline.secrets.settings import PLACES as KINDS
from sentinel_pipeline.secrets.settings import settings
from sentinel_pipeline_tests.secrets.made_secrets import (
    NO_SECRETS,
    PASSWORDS,
    Draw,
    MadeSecret,
    made_secrets,
    providers,
)

BENCHMARK = import_module("benchmarks.secret_detector")
MADE = list(made_secrets(rounds=2))
HARMLESS = [(group, text) for group, texts in NO_SECRETS.items() for text in texts]


def test_keys_of_more_than_sixty_providers_are_made() -> None:
    assert len(providers()) >= 100
    assert len(PASSWORDS) >= 45


def test_of_a_hundred_secrets_ninety_nine_are_found_in_every_group() -> None:
    missed: dict[str, list[str]] = {}
    made: dict[str, int] = {}
    for secret in MADE:
        made[secret.group] = made.get(secret.group, 0) + 1
        if next(find_credentials(secret.text), None) is None:
            missed.setdefault(secret.group, []).append(f"{secret.provider}: {secret.text}")
    for group, texts in missed.items():
        assert len(texts) <= 0.01 * made[group] + 0.5, (group, texts)


@pytest.mark.parametrize(("group", "text"), HARMLESS)
def test_what_only_looks_like_a_secret_is_none(group: str, text: str) -> None:
    assert list(find_credentials(text)) == []
    assert list(find_credentials(f"import os\n\n{text}\n\nprint(1)\n")) == []


PASSWORD = "k8#Pz!2v" + "Qm9Lw"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("DB_PASSWORD=" + PASSWORD[:-2] + "$Lw", "assigned_secret"),
        (f"  password: {PASSWORD}  # production", "assigned_secret"),
        (f"- name: DB_PASSWORD\n  value: {PASSWORD}", "assigned_secret"),
        (f'<add key="DbPassword" value="{PASSWORD}" />', "assigned_secret"),
        (f'os.environ["DB_PASSWORD"] = "{PASSWORD}"', "assigned_secret"),
        (f'password = os.getenv("DB_PASSWORD", "{PASSWORD}")', "assigned_secret"),
        (f'{{\\"password\\": \\"{PASSWORD}\\"}}', "assigned_secret"),
        (f"The password is {PASSWORD}.", "assigned_secret"),
        (f"ENV DB_PASSWORD {PASSWORD}", "password_on_command_line"),
        (f"machine api.acme.io\n  login ci\n  password {PASSWORD}", "password_in_netrc"),
        (f"jdbc:mysql://db.acme.io/app?user=root&password={PASSWORD}", "assigned_secret"),
        (f"jdbc:oracle:thin:app/{PASSWORD}@db.acme.io:1521:X", "password_in_url"),
        (f"mysql -u root -p{PASSWORD} app", "password_on_command_line"),
        (f"curl -uadmin:{PASSWORD} https://api.acme.io", "password_on_command_line"),
        (f"tool --db-password {PASSWORD} -v", "password_on_command_line"),
        (f"echo '{PASSWORD}' | docker login -u ci --password-stdin", "password_on_command_line"),
        (f"CREATE USER app IDENTIFIED BY '{PASSWORD}';", "password_in_sql"),
        (f"requests.get(url, auth=('ci', '{PASSWORD}'))", "assigned_secret"),
    ],
)
def test_a_password_is_found_by_its_place_and_covered_whole(text: str, kind: str) -> None:
    found = list(find_credentials(text))
    assert kind in {credential.kind for credential in found}, found
    shown = text
    for credential in sorted(found, key=lambda each: -each.start):
        shown = shown[: credential.start] + shown[credential.end :]
    assert PASSWORD[2:10] not in shown


@pytest.mark.parametrize("mark", ["# gitleaks:allow", "# kingfisher:ignore", "# pragma: allowlist secret"])  # fmt: skip
def test_a_text_cannot_ask_to_be_passed_over(mark: str) -> None:
    key = "gh" + "p_" + Draw(Random(1)).of("abcdefghkmnpqrstuvwxyz23456789ABCDEFGH", 36)
    kinds = {each.kind for each in find_credentials(f"TOKEN = '{key}'  {mark}")}
    assert "github_token" in kinds


def test_places_are_wider_than_what_is_read_there() -> None:
    """What the detector's pass says of a text decides what is looked at: it must miss nothing that
    looking at everything would find."""
    for secret in MADE:
        everything = {place[1:] for place in settings(secret.text)}
        chosen = {place[1:] for place in settings(secret.text, scan(secret.text).places)}
        assert chosen == everything, secret.text
    rules = tomllib.loads(PLACES.read_text(encoding="utf-8"))["rules"]
    assert {rule["id"].removeprefix("place-") for rule in rules} == KINDS


def test_every_form_of_ours_finds_something_that_was_made() -> None:
    """A rule of ours that no made-up key needs is one that nothing tests."""
    texts = "\n".join(secret.text for secret in MADE)
    untested = {
        "azure-shared-access-key", "azure-sas", "supabase-secret-key", "mongodb-atlas-secret", "langfuse-secret-key",
        "salesforce-session", "packagist-token", "putty-key",
    }  # fmt: skip
    rules = tomllib.loads(FORMS.read_text(encoding="utf-8"))["rules"]
    unused = {rule["id"] for rule in rules if re.search(rule["regex"], texts) is None}
    assert unused <= untested, unused - untested


def test_the_rules_are_part_of_the_labels_version() -> None:
    files = reached(LABELLING)
    assert {FORMS, PLACES} <= set(files)
    assert FORMS.read_text(encoding="utf-8") in files[FORMS]


def test_the_table_in_the_docs_is_what_is_found_today() -> None:
    """Recall and look-alikes; rows of installed packages and speed differ between machines."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "critic.md").read_text("utf-8")
    secrets = list(made_secrets(BENCHMARK.MADE_OF_EACH, seed=BENCHMARK.SEED))
    finders = (BENCHMARK.ours, BENCHMARK.catalogue_alone())
    recalls = [BENCHMARK.recall(find, secrets) for find in finders]
    for group, counts in recalls[0].items():
        rates = " | ".join(f"{100 * each[group]['recall']:.1f} %" for each in recalls)
        assert f"| found: {group} ({counts['made']}) | {rates} |" in page
    for group, texts in NO_SECRETS.items():
        numbers = " | ".join(str(BENCHMARK.alarms(find, texts)["alarms"]) for find in finders)
        assert f"| false alarms: {group} ({len(texts)}) | {numbers} |" in page


def test_places_are_counted_in_characters_of_the_text() -> None:
    key = "AK" + "IA" + "QYLPMN7HGF2KT7VR"
    for before in ("é€😀 ", "\ud800 \x00 ", "\ufeff", "İı"):
        text = f"{before}{key} ende"
        assert [(c.kind, text[c.start : c.end]) for c in find_credentials(text)] == [
            ("aws_access_key", key)
        ]


@given(st.text(max_size=400))
def test_no_text_raises(text: str) -> None:
    for credential in find_credentials(text):
        assert 0 <= credential.start < credential.end <= len(text)


@given(st.sampled_from(MADE), st.sampled_from(["", "x = 1\n", "é\n", "# set it up\n\n"]))
def test_a_secret_is_found_in_whatever_stands_around_it(secret: MadeSecret, before: str) -> None:
    alone = [each.kind for each in find_credentials(secret.text)]
    within = [each.kind for each in find_credentials(f"{before}{secret.text}\n\nprint('done')\n")]
    assert set(alone) <= set(within)


@pytest.mark.parametrize(
    "piece",
    [
        "password=", 'password="', "curl -u ", "mysql -p", "echo a|", "login a password ", "auth: YWJj", "://a:b@", "--password ",
        "-----BEGIN PRIVATE KEY-----", "host:5432:a:b:", "password\n value: ", "openssl pass:", "ENV key ", "passpass", "_key_key",
    ],
)  # fmt: skip
def test_time_is_linear_in_hostile_text(piece: str) -> None:
    start = time.process_time()
    list(find_credentials((piece * 100_000)[:100_000]))
    assert time.process_time() - start < 2
