"""Strings that look like credentials: private keys, cloud and hub tokens, JWTs, passwords in URLs,
assigned secrets.

Precise forms first, each behind a cheap substring test; then assignments to secret-sounding names,
judged by the value's entropy and shape. Findings name a kind and a place and never quote the value.
What this module does not do: ask a provider whether a key lives, or find a password that looks like
an ordinary word.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple


class Credential(NamedTuple):
    """``kind`` is stable; ``start`` and ``end`` are character offsets of what must not be shown."""

    kind: str
    start: int
    end: int


class _Form(NamedTuple):
    kind: str
    hints: tuple[str, ...]
    pattern: re.Pattern[str]


_B64 = r"[A-Za-z0-9+/=_-]"


def _form(kind: str, hints: str, pattern: str) -> _Form:
    return _Form(kind, tuple(hints.split()), re.compile(pattern))


_PRIVATE = re.compile(r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_PRIVATE_END = re.compile(r"-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_START = r"(?<![A-Za-z0-9_-])"
_EDGE = r"(?<![A-Za-z0-9_])"
_END = r"(?![A-Za-z0-9])"
_FORMS = (
    _form("aws_access_key", "AKIA ASIA ABIA ACCA", rf"{_EDGE}(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{{16}}{_END}"),
    _form("gcp_api_key", "AIza", rf"{_EDGE}AIza[A-Za-z0-9_-]{{35}}(?![A-Za-z0-9_-])"),
    _form("gcp_oauth_token", "ya29.", rf"{_EDGE}ya29\.[A-Za-z0-9_-]{{20,}}"),
    _form("azure_storage_key", "AccountKey=", r"AccountKey=[A-Za-z0-9+/]{40,}={0,2}"),
    _form("azure_sas", "sig=", r"[?&]sig=[A-Za-z0-9%+/]{40,}"),
    _form("github_token", "ghp_ gho_ ghu_ ghs_ ghr_", rf"{_EDGE}gh[pousr]_[A-Za-z0-9]{{30,}}"),
    _form("github_token", "github_pat_", rf"{_EDGE}github_pat_[A-Za-z0-9_]{{40,}}"),
    _form("gitlab_token", "glpat-", rf"{_EDGE}glpat-[A-Za-z0-9_-]{{20,}}"),
    _form("huggingface_token", "hf_", rf"{_EDGE}hf_[A-Za-z0-9]{{30,}}{_END}"),
    _form("anthropic_key", "sk-ant-", rf"{_START}sk-ant-[A-Za-z0-9_-]{{20,}}"),
    _form("openai_key", "sk-", rf"{_START}sk-(?!ant-)[A-Za-z0-9_-]{{0,60}}?[A-Za-z0-9]{{20}}[A-Za-z0-9_-]*"),
    _form("slack_token", "xox", rf"{_START}xox[abeoprs]-[A-Za-z0-9-]{{10,}}"),
    _form("slack_webhook", "hooks.slack.com", r"hooks\.slack\.com/services/T[A-Za-z0-9_]+/B[A-Za-z0-9_]+/[A-Za-z0-9_]{16,}"),
    _form("stripe_key", "_live_ _test_", rf"{_EDGE}[rs]k_(?:live|test)_[A-Za-z0-9]{{16,}}"),
    _form("npm_token", "npm_", rf"{_EDGE}npm_[A-Za-z0-9]{{36}}{_END}"),
    _form("pypi_token", "pypi-", rf"{_EDGE}pypi-AgE[A-Za-z0-9_-]{{30,}}"),
    _form("sendgrid_key", "SG.", rf"{_START}SG\.[A-Za-z0-9_-]{{16,}}\.[A-Za-z0-9_-]{{16,}}"),
    _form("jwt", "eyJ", rf"{_START}eyJ[A-Za-z0-9_-]{{8,}}\.eyJ[A-Za-z0-9_-]{{8,}}\.[A-Za-z0-9_-]{{8,}}"),
    _form("putty_key", "PuTTY-User-Key-File", r"PuTTY-User-Key-File-\d: "),
)  # fmt: skip

_HINTED = [(hint, form) for form in _FORMS for hint in form.hints]

_URL = re.compile(r"://([^\s/:@'\"<>{}$\[\]]{0,64}):([^\s/@'\"<>{}$\[\]]{3,128})@[\w.\[-]")
_ASSIGNED = re.compile(
    r"(?:password|passwd|passphrase|pwd|secret|token|(?:api|access|private|secret|auth)[_-]?key|credentials?)[a-z0-9_-]{0,16}"
    r"[\"']?\s{0,3}(?::=|=>|[:=])\s{0,3}(?:[rbu]?[\"']([^\"'\n]{8,256})[\"']|([^\s\"'`,;(){}\[\]<>$]{12,256}))"
)
_COMMAND_LINE = re.compile(
    r"\b(?:sshpass[ ]+-p[ ]*|(?:mysql|mysqldump|mysqladmin|mariadb)\b[^\n|;]{0,120}?[ ]-p"
    r"|curl\b[^\n|;]{0,120}?[ ](?:-u|--user)[ ]+[\"']?\w{1,40}:)"
    r"[\"']?([^\s\"'$<>{}]{6,128})"
)
_BEARER = re.compile(r"(?i)\b(?:bearer|basic)[ ]+([A-Za-z0-9+/_.=-]{20,512})")
_HINTS = ("pass", "pwd", "secret", "token", "key", "credential")
_PLACEHOLDER = re.compile(
    r"(?i)example|sample|your|change|placeholder|dummy|fake|redacted|todo|insert|replace|xxx|\*\*\*|\.\.\.|1234567|abcdef"
    r"|^[<{$%\[]|^(?:none|null|true|false|test|secret|password|token)\b|environ|getenv|^https?://|[\s(]|^[/.~]|%\("
)


def find_credentials(text: str) -> Iterator[Credential]:
    """Every credential-like string in order of kind, then place. Linear in the length of
    ``text``."""
    if "PRIVATE KEY" in text:
        for match in _PRIVATE.finditer(text):
            end = _PRIVATE_END.search(text, match.end())
            yield Credential("private_key", match.start(), end.end() if end else len(text))
            if end is None:
                break
    for form in dict.fromkeys([form for hint, form in _HINTED if hint in text]):
        for match in form.pattern.finditer(text):
            if _entropy(match[0][-20:]) > 2.0:
                yield Credential(form.kind, match.start(), match.end())
    if "://" in text and "@" in text:
        for match in _URL.finditer(text):
            if not _PLACEHOLDER.search(match[2]) and match[2].lower() not in _WORDS:
                yield Credential("password_in_url", match.start(2), match.end(2))
    yield from _assigned(text)


_WORDS = frozenset({"password", "passwd", "pass", "pwd", "secret", "token", "user", "port", "host"})


def _assigned(text: str) -> Iterator[Credential]:
    lower = text.lower()
    if len(lower) != len(text):
        lower = text
    if any(hint in lower for hint in _HINTS):
        for match in _ASSIGNED.finditer(lower):
            group = 1 if match[1] is not None else 2
            start, end = match.span(group)
            weak = match[0].startswith(("passw", "passp", "pwd"))
            if _secret_value(text[start:end], weak=weak, quoted=group == 1):
                yield Credential("assigned_secret", start, end)
    if "sshpass" in text or "curl" in text or "mysql" in text or "mariadb" in text:
        for match in _COMMAND_LINE.finditer(text):
            if _secret_value(match[1], weak=True, quoted=True):
                yield Credential("password_on_command_line", match.start(1), match.end(1))
    if "earer " in text or "asic " in text:
        for match in _BEARER.finditer(text):
            if _secret_value(match[1], weak=False, quoted=True):
                yield Credential("authorization_header", match.start(1), match.end(1))


def _secret_value(value: str, *, weak: bool, quoted: bool) -> bool:
    """Random enough to be a key; a password (``weak``) may be shorter but mixes letters, digits and
    signs."""
    if _PLACEHOLDER.search(value):
        return False
    digits = any(char.isdigit() for char in value)
    letters = any(char.isalpha() for char in value)
    if weak and quoted:
        signs = any(not char.isalnum() and char not in "_-./:" for char in value)
        return digits and letters and signs and len(set(value)) >= 6
    if (
        len(value) < 16
        or not (digits and letters)
        or not re.fullmatch(rf"{_B64}+|[\w.~+/=-]+", value)
    ):
        return False
    return _entropy(value) >= (3.0 if re.fullmatch(r"[0-9a-fA-F-]+", value) else 3.5)


def _entropy(value: str) -> float:
    """Shannon entropy of the characters, in bits each."""
    total = len(value)
    return (
        -sum(count / total * math.log2(count / total) for count in Counter(value).values())
        if total
        else 0.0
    )


def redact(text: str) -> str:
    """``text`` with every finding replaced by ``[REDACTED]``."""
    spans = sorted((span.start, span.end) for span in find_credentials(text))
    parts = []
    last = 0
    for start, end in spans:
        if start >= last:
            parts += [text[last:start], "[REDACTED]"]
        last = max(last, end)
    return "".join([*parts, text[last:]])
