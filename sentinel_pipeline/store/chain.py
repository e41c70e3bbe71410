"""A hash chain over records that are only ever added: who changes, removes or slips in one later is
found.

Each link holds the hash of the link before, what its record is, when it was linked, and a hash over
all of that and the record's whole content. The newest hash, the *head*, stands for everything
before it: kept elsewhere, it also shows that the end was cut off or the whole chain written anew,
which whoever may write the file can do. What this module does not do: know where links and records
are kept (``ledger`` and ``review.trail`` do), or prevent anything.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

ADOPTED = "adopted "
"""Before the kind of a record that was there before the chain began."""


class Link(NamedTuple):
    """One link: ``record`` is the number of a record of ``kind``, ``at`` when it was linked."""

    seq: int
    kind: str
    record: int
    at: str
    previous: str
    hash: str


class ChainState(NamedTuple):
    """What a check of one chain came to."""

    name: str
    records: int
    """Chained records up to the first broken one."""
    adopted: int
    """Of these, how many were there before the chain began: unchanged since, not known before."""
    unchained: int
    """Records of a file that has no chain yet."""
    since: str | None
    """When the chain began: UTC, ISO 8601."""
    head: str
    """``COUNT:HASH`` of the newest link; empty where there is no chain."""
    broken: str | None
    """The first broken record and what is wrong with it; None where the chain is whole."""


def next_link(
    newest: Link | None, kind: str, record: int, at: str, content: Mapping[str, Any]
) -> Link:
    """The link that goes behind ``newest``."""
    seq = newest.seq + 1 if newest else 1
    previous = newest.hash if newest else ""
    return Link(seq, kind, record, at, previous, _hash(seq, kind, record, at, previous, content))


def holds(link: Link, content: Mapping[str, Any] | None) -> bool:
    """Whether a link and its record are what they were when they were linked."""
    return content is not None and link.hash == _hash(*link[:5], content)


def _hash(
    seq: int, kind: str, record: int, at: str, previous: str, content: Mapping[str, Any]
) -> str:
    value = [seq, kind, record, at, previous, list(content.items())]
    text = json.dumps(value, default=lambda data: {"bytes": bytes(data).hex()})
    return hashlib.sha256(text.encode()).hexdigest()


def check_chain(
    name: str,
    links: Iterable[Link],
    content_of: Callable[[str, int], Mapping[str, Any] | None],
    records: Iterable[tuple[str, int]],
    *,
    head: str | None = None,
) -> ChainState:
    """Walk a chain from its beginning to its first broken record.

    Args:
        name: what is chained, for people.
        links: in their order.
        content_of: a record's content by its kind and number; None where it is gone.
        records: kind and number of every record there is.
        head: ``COUNT:HASH`` that was kept elsewhere and that the chain must go through.
    """
    linked: set[tuple[str, int]] = set()
    newest: Link | None = None
    adopted = 0
    since: str | None = None
    passed_head = head is None

    def state(broken: str | None, unchained: int = 0) -> ChainState:
        at = f"{newest.seq}:{newest.hash}" if newest else ""
        return ChainState(name, len(linked), adopted, unchained, since, at, broken)

    for link in links:
        place = newest.seq + 1 if newest else 1
        kind = str(link.kind).removeprefix(ADOPTED)
        key = (kind, link.record)
        if link.seq != place:
            return state(f"link {place}: it is missing")
        if link.previous != (newest.hash if newest else ""):
            return state(f"link {place} ({kind} {link.record}): it does not follow the one before")
        content = content_of(kind, link.record)
        if content is None:
            return state(f"{kind} {link.record}: it was removed (link {place})")
        if key in linked:
            return state(f"{kind} {link.record}: it is linked again (link {place})")
        if not holds(link, content):
            return state(f"{kind} {link.record}: it was changed since {link.at} (link {place})")
        linked.add(key)
        adopted += link.kind.startswith(ADOPTED)
        since = since or link.at
        newest = link
        passed_head = passed_head or head == f"{link.seq}:{link.hash}"
    others = sorted(key for key in records if key not in linked)
    if newest and others:
        kind, record = others[0]
        return state(f"{kind} {record}: it is not in the chain")
    if not passed_head:
        return state(f"the head {head}: the chain does not go through it")
    return state(None, unchained=len(others))
