"""The seven labels of the auto-critic plan, each with its reason."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args

LABELS = (
    "syntax_pass",
    "tests_pass",
    "entrypoint_match",
    "format_pass",
    "no_secret",
    "no_repetition",
    "accepted",
)


Quality = Literal["unverified", "parsed", "verified"]
QUALITIES: tuple[Quality, ...] = get_args(Quality)
"""The evidence for a row that the critic accepted, the least first: nothing but form and hygiene,
the parser of its language, its verifier."""


class Label(NamedTuple):
    """``value`` is True, False, or None where the label does not apply or infrastructure failed;
    ``reason`` is a stable code with an optional detail (``"assertion: f(2) expected 4, got 5"``);
    infrastructure reasons start with ``infra:``."""

    value: bool | None
    reason: str

    @property
    def code(self) -> str:
        """The stable part of the reason, before the first colon."""
        return self.reason.partition(":")[0]


class CriticLabels(NamedTuple):
    """What the critic says of one candidate. Seven labels are seven fields."""

    id: str
    syntax_pass: Label
    tests_pass: Label
    entrypoint_match: Label
    format_pass: Label
    no_secret: Label
    no_repetition: Label
    accepted: Label
    """True when no label is False and none is infrastructure; None when infrastructure left it
    open."""
    scorer_version: str
    """Of the code that decides labels (``critic.version.label_version``)."""

    def to_row(self) -> dict[str, Any]:
        """``id``, then ``LABEL`` and ``LABEL_reason`` for each of the seven, then
        ``scorer_version``."""
        row: dict[str, Any] = {"id": self.id}
        for name in LABELS:
            label: Label = getattr(self, name)
            row[name], row[f"{name}_reason"] = label.value, label.reason
        return row | {"scorer_version": self.scorer_version}

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> CriticLabels:
        labels = {name: Label(row[name], row[f"{name}_reason"]) for name in LABELS}
        return cls(id=row["id"], scorer_version=row["scorer_version"], **labels)
