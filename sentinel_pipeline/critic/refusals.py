"""Whether an answer refuses, in English and Portuguese, by how it begins.

Pairs name a rejected answer by it and comparisons ask whether refusals explain a difference. What
this module does not do: score; the constraint ``hygiene:answers`` is the scorer's own, and
stricter.
"""

from __future__ import annotations

import re

_REFUSAL = re.compile(
    r"\W*(?:(?:i['’]?m|i am) (?:sorry|afraid|unable|not able)|sorry\b|i (?:cannot|can['’]?t|won['’]?t|will not)\b"
    r"|as an? (?:ai|language model)\b|unfortunately,? i\b|desculpe|n[ãa]o posso|n[ãa]o consigo)",
    re.IGNORECASE,
)


def refuses(text: str) -> bool:
    """Whether ``text`` begins as a refusal does."""
    return _REFUSAL.match(text) is not None
