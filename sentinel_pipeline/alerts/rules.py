"""``data/alerts.toml``: channels, and which kind of alert goes to which of them.

What this module does not do: notice anything, or deliver.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from ..errors import BadInput, did_you_mean
from ..records.bounds import Count
from ..records.decode import Fault, decode
from ..records.toml import read_toml

Kind = Literal[
    "check_failed",
    "check_crashed",
    "check_missing",
    "check_stale",
    "check_inconclusive",
    "run_failed",
    "budget_reached",
    "review_queue",
    "digest",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One kind of alert and who gets it."""

    on: Kind
    to: tuple[str, ...]
    """Names of channels."""
    recipes: tuple[str, ...] = ("*",)
    """Shell patterns over recipe names."""
    nights: Count = 3
    """``check_inconclusive``: so many nights in a row."""
    pending: Count = 200
    """``review_queue``: more cards than this wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRules:
    link: str = "http://127.0.0.1:3000"
    """Where the reader of an alert finds Dagster's web server."""
    channels: dict[str, str] = field(default_factory=dict)
    """Name -> Apprise URL, or ``env:VARIABLE`` that holds one."""
    rules: tuple[Rule, ...] = ()

    def check(self) -> None:
        for name, url in self.channels.items():
            if problem := url_problem(url):
                raise Fault(problem, f"channels.{name}", "Write it as %40.")
        for index, rule in enumerate(self.rules):
            for channel in rule.to:
                if channel not in self.channels:
                    fix = did_you_mean(channel, self.channels)
                    raise Fault(f"unknown channel {channel!r}", f"rules[{index}].to", fix)

    def of(self, kind: Kind, recipe: str) -> Rule | None:
        """The first rule about ``kind`` whose patterns match ``recipe``; None when nobody asked."""
        matching = (
            rule
            for rule in self.rules
            if rule.on == kind and any(fnmatchcase(recipe, pattern) for pattern in rule.recipes)
        )
        return next(matching, None)

    def url(self, channel: str) -> str | None:
        """The channel's Apprise URL; None where its environment variable is not set."""
        value = self.channels[channel]
        return (
            os.environ.get(value.removeprefix("env:")) or None
            if value.startswith("env:")
            else value
        )

    def reachable(self, rule: Rule) -> list[str]:
        return [channel for channel in rule.to if self.url(channel)]


def url_problem(url: str) -> str | None:
    """What is wrong with a channel's URL, without the URL: with a second ``@`` before the path
    nobody can say where a password ends, and a part of it would be taken for the host."""
    address = re.split(r"[/?#]", url.partition("://")[2], maxsplit=1)[0]
    return "the user name or password holds an '@'" if address.count("@") > 1 else None


def load_rules(path: Path) -> AlertRules:
    """Read and validate the file of rules; a project without one is told of nothing.

    Raises:
        BadInput: no TOML, an unknown key or kind, an unknown channel, a number below one.
    """
    if not path.exists():
        return AlertRules()
    data = read_toml(path)
    channels = data.get("channels", {})
    # Here and not in the decoder, whose errors show the value: a channel's may be a secret.
    fix = "Give an Apprise URL or env:NAME for each channel."
    if not isinstance(channels, dict):
        message = f"expected table, got {type(channels).__name__}."
        raise BadInput(message, file=path, field="channels", fix=fix)
    for name, url in channels.items():
        if not isinstance(url, str):
            message = f"expected text, got {type(url).__name__}."
            raise BadInput(message, file=path, field=f"channels.{name}", fix=fix)
    return decode(AlertRules, data, file=path)
