"""People, their tokens and their sessions.

A token is 32 random bytes, shown once; only its SHA-256 is kept, which is enough for a secret that
nobody chose. What this module does not do: count wrong attempts (the web server does) or know HTTP.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import NamedTuple

from sqlalchemy import delete, insert, select, update

from ..errors import BadInput, did_you_mean
from ..records.review_spec import ROLES, Role
from .review_queue import Conflict, ReviewQueue, Unknown, User, note
from .schema import sessions, users

SESSION_SECONDS = 12 * 3600.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
_RESERVED = ("import", "export", "sentinel")
"""Actors of the trail that are not a person."""


class Session(NamedTuple):
    """A person's way in: ``csrf`` must come with every request that changes something."""

    user: User
    csrf: str


def add_user(desk: ReviewQueue, name: str, role: Role = "reviewer") -> str:
    """Let a person in; returns their token, which is shown once and kept nowhere.

    Raises:
        BadInput: the name is malformed or the role unknown.
        Conflict: there is a person of that name, or was.
    """
    if not _NAME.fullmatch(name) or name in _RESERVED:
        fix = "Use letters, digits, dots, dashes and underscores, 40 at most."
        raise BadInput(f"invalid name {name[:60]!r}.", field="name", fix=fix)
    if role not in ROLES:
        raise BadInput(f"unknown role {role!r}.", field="role", fix=did_you_mean(role, ROLES))
    token = secrets.token_urlsafe(32)
    with desk.db.writing() as connection:
        if connection.execute(select(users.c.name).where(users.c.name == name)).first():
            problem = f"there is a person {name!r} already."
            raise Conflict(problem, field="name", fix="Names are never used twice.")
        row = {
            "name": name,
            "role": role,
            "token_hash": _hash(token),
            "active": 1,
            "created_at": desk.clock(),
        }
        connection.execute(insert(users).values(row))
        note(desk, connection, "sentinel", "user added", None, {"user": name, "role": role})
    return token


def remove_user(desk: ReviewQueue, name: str) -> None:
    """Shut a person out at once; what they did stays.

    Raises:
        Unknown: there is no such person.
    """
    with desk.db.writing() as connection:
        if not connection.execute(
            update(users).where(users.c.name == name).values(active=0)
        ).rowcount:
            names = [row.name for row in connection.execute(select(users.c.name))]
            problem = f"there is no person {name!r}."
            raise Unknown(problem, field="name", fix=did_you_mean(name, names) if names else "")
        connection.execute(delete(sessions).where(sessions.c.user_name == name))
        note(desk, connection, "sentinel", "user removed", None, {"user": name})


def list_users(desk: ReviewQueue) -> list[tuple[str, str, bool]]:
    """Name, role and whether they are active."""
    with desk.db.reading() as connection:
        rows = connection.execute(
            select(users.c.name, users.c.role, users.c.active).order_by(users.c.name)
        ).all()
    return [(row.name, row.role, bool(row.active)) for row in rows]


def log_in(desk: ReviewQueue, token: str) -> str | None:
    """A new session's secret for a valid token; None for any other."""
    if not 20 <= len(token) <= 200:
        return None
    user = user_of_token(desk, token)
    if user is None:
        return None  # and no writer waited for it
    session = secrets.token_urlsafe(32)
    now = desk.clock()
    with desk.db.writing() as connection:
        connection.execute(delete(sessions).where(sessions.c.expires_at < now))
        values = {
            "user_name": user.name,
            # Worked out from the session's secret (``_csrf``): nothing of it is kept.
            "csrf": "",
            "expires_at": now + SESSION_SECONDS,
        }
        connection.execute(insert(sessions).values(id_hash=_hash(session), **values))
        note(desk, connection, user.name, "login", None, {})
    return session


def user_of_token(desk: ReviewQueue, token: str) -> User | None:
    """Whose token this is, for programs that send it with every request; None for any other
    text."""
    if not 20 <= len(token) <= 200:
        return None
    mine = (users.c.token_hash == _hash(token), users.c.active == 1)
    with desk.db.reading() as connection:
        row = connection.execute(select(users.c.name, users.c.role).where(*mine)).first()
    return User(row.name, row.role) if row else None


def session_of(desk: ReviewQueue, secret: str) -> Session | None:
    """Who comes with this session; None when it is unknown, old, or its person was deactivated."""
    query = (
        select(users.c.name, users.c.role)
        .join(users, users.c.name == sessions.c.user_name)
        .where(
            sessions.c.id_hash == _hash(secret),
            sessions.c.expires_at > desk.clock(),
            users.c.active == 1,
        )
    )
    with desk.db.reading() as connection:
        row = connection.execute(query).first()
    return Session(User(row.name, row.role), _csrf(secret)) if row else None


def log_out(desk: ReviewQueue, secret: str) -> None:
    with desk.db.writing() as connection:
        connection.execute(delete(sessions).where(sessions.c.id_hash == _hash(secret)))


def _csrf(secret: str) -> str:
    return _hash(f"csrf|{secret}")


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
