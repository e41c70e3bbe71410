"""The file of rules: read as it stands in the project, and refused by name where it is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from sentinel_pipeline.alerts.rules import Kind, load_rules
from sentinel_pipeline.errors import BadInput
from sentinel_pipeline_tests.conftest import ROOT


def written(folder: Path, text: str) -> Path:
    path = folder / "alerts.toml"
    path.write_text(text)
    return path


def test_the_projects_own_file_has_a_rule_for_every_kind() -> None:
    rules = load_rules(ROOT / "data" / "alerts.toml")
    assert {rule.on for rule in rules.rules} == set(get_args(Kind))
    assert all(rule.to for rule in rules.rules)


def test_a_channel_reads_its_secret_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = '[channels]\nteam = "env:HOOK"\nmail = "mailto://a@b.c"\n[[rules]]\non = "run_failed"\nto = ["team", "mail"]\n'
    rules = load_rules(written(tmp_path, text))
    rule = rules.of("run_failed", "tiny")
    assert rule is not None
    monkeypatch.delenv("HOOK", raising=False)
    assert rules.reachable(rule) == ["mail"]
    monkeypatch.setenv("HOOK", "json://localhost/x")
    assert rules.reachable(rule) == ["team", "mail"]
    assert rules.url("team") == "json://localhost/x"


def test_recipes_are_shell_patterns(tmp_path: Path) -> None:
    rules = load_rules(
        written(tmp_path, '[[rules]]\non = "run_failed"\nto = []\nrecipes = ["tiny*"]\n')
    )
    assert rules.of("run_failed", "tiny-moe") is not None
    assert rules.of("run_failed", "big") is None
    assert rules.of("check_failed", "tiny") is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            '[[rules]]\non = "check_faild"\nto = []\n',
            "rules\\[0\\].on.*Did you mean 'check_failed'",
        ),
        (
            '[channels]\nteam = "x://"\n[[rules]]\non = "digest"\nto = ["taem"]\n',
            "unknown channel 'taem'. Did you mean 'team'",
        ),
        (
            '[[rules]]\non = "check_inconclusive"\nto = []\nnights = 0\n',
            "nights.*is 0, expected more than 0",
        ),
        ("links = 3\n", "unknown key. Did you mean 'link'"),
        ("[[rules]\n", "is not TOML"),
    ],
)
def test_a_wrong_file_is_named_with_what_was_meant(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        load_rules(written(tmp_path, text))


def test_no_file_tells_nobody_of_anything(tmp_path: Path) -> None:
    assert load_rules(tmp_path / "alerts.toml").rules == ()


@pytest.mark.parametrize(
    ("text", "field", "says"),
    [
        ("[channels]\nteam = 'json://user:s3cr@etpass@host'", "channels.team", "Write it as %40"),
        ("[channels]\nteam = ['json://user:etpass@host']", "channels.team", "expected text"),
        ("channels = 'json://user:etpass@host'", "channels", "expected table"),
    ],
)
def test_a_wrong_channel_is_named_without_its_secret(
    tmp_path: Path, text: str, field: str, says: str
) -> None:
    path = tmp_path / "alerts.toml"
    path.write_text(text)
    with pytest.raises(BadInput, match=says) as caught:
        load_rules(path)
    assert caught.value.field == field and "etpass" not in str(caught.value)


def test_an_address_in_a_path_or_a_query_is_no_second_user(tmp_path: Path) -> None:
    path = tmp_path / "alerts.toml"
    path.write_text("[channels]\na = 'slack://t/@user'\nb = 'mailto://u:p@h?to=a@b.c'\n")
    assert len(load_rules(path).channels) == 2
