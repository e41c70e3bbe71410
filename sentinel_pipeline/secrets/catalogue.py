"""Keys by the forms of their providers: the rules of Kingfisher (MongoDB's detector, with the rules
of Betterleaks and Veles in it), all in one pass of its engine, beside ``forms.toml``.

The scanner is compiled at the first text of a process and reads from memory only: it contacts
nobody, and Kingfisher's validation and revocation are never called. What this module does not do:
look for passwords and settings (``settings`` does), or obey marks in a text that ask to be passed
over.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .stand_ins import is_issued

if TYPE_CHECKING:
    from kingfisher_sdk import Scanner

FORMS = Path(__file__).with_name("forms.toml")
PLACES = Path(__file__).with_name("places.toml")

_OURS = frozenset(
    {
        "curl_auth_header",
        "curl_auth_user",
        "generic_credential_uri",
        "jwt_base64",
        "mongodb_connection_string",
        "nuget_config_password",
        "private_key",
    }
)
"""Rules for what ``settings`` and ``find`` judge: local defaults and stand-ins count there."""
_KINDS = {
    "aws_access_token": "aws_access_key",
    "azure_storage_account_key": "azure_storage_key",
    "anthropic_api_key": "anthropic_key",
    "openai_api_key": "openai_key",
    "stripe_access_token": "stripe_key",
}
"""Kinds of the catalogue that have a shorter name here."""
_ENDS = bytes.maketrans(b")]},\0", b"     ")


class Finding(NamedTuple):
    kind: str
    start: int
    end: int


class Scan(NamedTuple):
    keys: list[Finding]
    """Keys of a known form, in order of place, ours first at one place."""
    places: frozenset[str]
    """Rules of ``places.toml`` that match somewhere."""


_NOTHING = Scan([], frozenset())


@cache
def _scanner() -> Scanner:
    from kingfisher_sdk import Rules, Scanner

    return Scanner(Rules([str(FORMS), str(PLACES)], confidence="low"))


def scan(text: str) -> Scan:
    """The keys in a text, and which kinds of places it has for others.

    Many rules of the catalogue take a key only where a quote, a blank or a line ends it: what ends
    it in a list or in brackets is a blank to it.
    """
    data = text.encode("utf-8", "replace").translate(_ENDS)
    if data[-1:] == b".":
        data = data[:-1] + b" "
    findings = _scanner().scan(data)
    if not findings:
        return _NOTHING
    places = set()
    spans = []
    for finding in findings:
        rule = finding.rule_id
        if rule.startswith("custom.place-"):
            places.add(rule[len("custom.place-") :])
        elif finding.visible:
            kind = rule.partition(".")[2].rpartition("/")[2].replace("-", "_")
            kind = kind.rstrip(".0123456789")
            if kind not in _OURS and is_issued(finding.secret):
                place = finding.location
                ours = rule.startswith("custom.")
                spans.append((place["start_offset"], not ours, place["end_offset"], kind))
    keys = []
    for start, _, end, kind in sorted(spans):
        first = len(data[:start].decode("utf-8", "replace"))
        last = first + len(data[start:end].decode("utf-8", "replace"))
        keys.append(Finding(_KINDS.get(kind, kind), first, last))
    return Scan(keys, frozenset(places))
