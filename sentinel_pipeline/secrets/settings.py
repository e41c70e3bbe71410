"""Passwords and keys by where they stand: assignments in code and in configuration files, URLs and
connection strings, command lines, headers, ``.netrc`` and ``.pgpass``, Docker's ``auth``, SQL.

The detector's pass says which kinds of places a text has (``places.toml``), so that most text
costs nothing here. A value is judged by ``stand_ins``. What this module does not do: know a
provider's form (``catalogue`` does), or find a password that looks like an ordinary word.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Set
from typing import NamedTuple

from .stand_ins import is_given, is_key, is_known_password, is_password, is_secret


class Place(NamedTuple):
    kind: str
    start: int
    end: int


PLACES = frozenset({"url", "setting", "option", "login", "server", "command", "header"})
"""The kinds of places that ``places.toml`` searches."""


def settings(text: str, places: Set[str] = PLACES) -> Iterator[Place]:
    """Every secret in a setting, by kind of place, of which ``places`` says what the text has
    (``catalogue.scan``). Linear in the length of ``text``."""
    lower = _lower(text)
    if "url" in places:
        yield from _urls(text)
    if "setting" in places or "option" in places:
        yield from _assignments(text, lower)
    if "login" in places:
        yield from _logins(text)
    if "server" in places:
        yield from _servers(text)
    if "command" in places:
        yield from _commands(text)
    if "header" in places:
        yield from _headers(text)


def _lower(text: str) -> str:
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return re.sub(r"[A-Z]+", lambda match: match[0].lower(), text)


# -- URLs

_URL = re.compile(
    r"://([^\s/:@'\"<>{}\[\]`|]{0,64}):([^\s/'\"<>{}\[\]`|]{3,128})@(\[[0-9a-f:]+\]|[\w.-]+)"
)
_LOCAL = re.compile(
    r"(?:localhost|127(?:\.\d+){3}|0\.0\.0\.0|\[::1\]|[\w-]+\.(?:local|localhost|test|example|invalid)|host\.docker\.internal)\Z"
    r"|[a-z_]+(?:-[a-z]+)*\Z",
    re.IGNORECASE,
)  # fmt: skip
"""A machine of the reader's own: the loop, a name of a container, a name kept for examples."""
_ORACLE = re.compile(
    r"(?:oracle:thin:|oracle:oci:|\bsqlplus[ ]+(?:-[sSlL]+[ ]+)*)[\"']?(\w{1,40})/([^\s@/\"']{4,128})@"
)


def _urls(text: str) -> Iterator[Place]:
    for match in _URL.finditer(text):
        user, password, host = match.groups()
        # A password may hold an @: the last one before the host ends it.
        secret = is_known_password(password) and password.lower() != user.lower()
        if secret and _LOCAL.match(host):
            secret = is_password(password, quoted=True)
        if secret and not password.isdigit():
            yield Place("password_in_url", *match.span(2))
    for match in _ORACLE.finditer(text):
        if is_known_password(match[2]) and match[2].lower() != match[1].lower():
            yield Place("password_in_url", *match.span(2))


# -- assignments

_VALUE = (
    r"(?:(?P<open>[rbufRBUF]{0,2}\\?[\"'`])(?P<quoted>[^\"'`\n\\]{6,512})(?P<close>\\?[\"'`])?"
    r"|(?P<bare>[^\s\"'`()\[\]{}<>\\]{8,512})(?P<next>[(\[{]?))"
)
_SET = re.compile(
    r"(?P<suffix>[A-Za-z0-9_.-]{0,24}?)"
    r"(?:"
    # name = value, name: str = value, "name": "value", name := value, x["name"] = value
    r"\\?[\"'`]?\]{0,2}[ \t]{0,4}"
    r"(?:[?]?:[ ]{0,3}[A-Za-z_][\w.|\[\]? ]{0,30}?=|:=|=>|[!=]={1,2}|[?|+]?=|:)[ \t]{0,8}(?:\|-?[ ]*)?"
    # ("name", "value"), key="name" value="value", - name: NAME, value: ...
    r"|\\?[\"'],[ ]{0,3}(?=\\?[\"'])"
    r"|\\?[\"'][ ]{1,4}value[ ]?=[ ]?(?=[\"'])"
    r"|[\"']?[ ]{0,2},?\s{1,40}[\"']?value[\"']?[ ]?:[ ]{0,3}"
    # <name>value</name>, the name is value, PASSWORD 'value', --name value
    r"|>[ ]?(?=[^<>\s]{6,256}[ ]?</)"
    r"|[ ]{0,20}\|[ ]{0,20}(?=\S{8})"
    r"|[ ](?:is|was|to)[ ]{1,2}(?=\S{8})"
    r"|[ ]{1,3}(?=\\?[\"'])"
    r")" + _VALUE
)
_BEHIND = re.compile(r"\s{1,40}" + _VALUE)
_OPENSSL = re.compile(r":" + _VALUE)
_CUT = re.compile(r"[;,](?=[A-Za-z][\w .-]{0,40}=)|[;,.:|&]+\Z")
_CUT_QUERY = re.compile(r"[;&,](?=[A-Za-z][\w .-]{0,40}=)|[;,.:|&]+\Z")
_IN_QUERY = re.compile(r"[?&][^\s\"'=&]{0,60}\Z")
"""A bare value ends before the next setting of a connection string; in a query, at an ``&``."""
_NO_SECRET_SUFFIX = re.compile(
    r"[_.-]?(?:hash(?:ed|es)?|digest|names?|types?|ids?|url|uri|arn|files?|paths?|dir|fields?|len(?:gth)?|regex(?:p)?|patterns?"
    r"|prompt|labels?|col(?:umn)?|policy|rules?|count|size|limit|index|idx|expir\w*|age|ttl|timeout|endpoint|algorithm|alg|method"
    r"|format|scheme|schema|class|model|map|version|status|state|validators?|message|msg|error|help|hint|title|text|description"
    r"|stdin|i[sz]\w*|board\w*|verify|manager|store|storage|provider|service|ref|reference|scope)"
    r"(?:[_.-]\w*)?\Z",
    re.IGNORECASE,
)
"""What a setting about a secret is called: ``password_hash``, ``token_type``, ``tokenizer``."""
_KEY_BEFORE = re.compile(
    r"(?:api|app|access|private|secret|auth|client|signing|sign|encryption|encrypt|master|shared|account|webhook|service|deploy"
    r"|storage|session|license|server|admin|rsa|ssh|aes|hmac|jwt|crypto|wallet|write|read|personal|primary|secondary)[_. -]?\Z"
)
_PASS = re.compile(r"pass(?:word|wd|phrase|code|wort|wrd)?")
_ENV = re.compile(r"(?:\A|\n)[ \t]*env[ ]+[\w.-]*\Z")
_NETRC = re.compile(r"(?:\blogin\s{1,8}\S{1,80}|\bmachine\s{1,8}\S{1,80}|\A\s*default)\s{1,8}\Z")


def _assignments(text: str, lower: str) -> Iterator[Place]:
    for word, place_at in _NAMES.items():
        at = lower.find(word)
        while at >= 0:
            place, resume = place_at(text, lower, at, word)
            if place is not None:
                yield place
            at = lower.find(word, max(resume, at + len(word)))


class _Read(NamedTuple):
    """The secret that stands behind a name, and where to go on: behind a bare value, which is read
    once however many names are in it."""

    place: Place | None
    resume: int


def _password_at(text: str, lower: str, at: int, word: str) -> _Read:
    name = _PASS.match(lower, at) if word == "pass" else None
    end = name.end() if name else at + len(word)
    if word == "pass" and end == at + 4 and lower[at - 1 : at].isalpha():
        return _Read(None, end)  # bypass, compass
    if lower.startswith("pass:", at) and "openssl" in lower:
        return _judged(_OPENSSL.match(text, at + 4), "password_on_command_line", end, is_given)
    match = _SET.match(text, end)
    option = _option(lower, at)
    if match is not None:
        if _NO_SECRET_SUFFIX.fullmatch(match["suffix"]):
            return _Read(None, end)
        return _judged(match, "assigned_secret", end, is_given if option else is_password)
    if option:
        return _judged(_BEHIND.match(text, end), "password_on_command_line", end, is_given)
    if _NETRC.search(text, max(0, at - 160), at):
        return _judged(_BEHIND.match(text, end), "password_in_netrc", end, is_given)
    return _Read(None, end)


def _key_at(text: str, lower: str, at: int, word: str) -> _Read:
    end = at + len(word)
    if word == "key" and not _KEY_BEFORE.search(lower, max(0, at - 16), at):
        return _Read(None, end)
    looks = is_secret if word == "secret" else is_key
    match = _SET.match(text, end)
    if match is not None:
        if _NO_SECRET_SUFFIX.fullmatch(match["suffix"]):
            return _Read(None, end)
        return _judged(match, "assigned_secret", end, looks)
    if _option(lower, at):
        return _judged(_BEHIND.match(text, end), "password_on_command_line", end, looks)
    return _Read(None, end)


_NAMES: dict[str, Callable[[str, str, int, str], _Read]] = {
    "pass": _password_at,
    "pwd": _password_at,
    "senha": _password_at,
    "secret": _key_at,
    "token": _key_at,
    "credential": _key_at,
    "key": _key_at,
}
"""Words in the names of settings, with how the value is looked at."""


def _option(lower: str, at: int) -> bool:
    """The word at ``at`` ends the name of an option or of a Dockerfile's variable, which a blank
    parts from its value: ``--db-password``, ``ENV DB_PASSWORD``."""
    before = lower[max(0, at - 24) : at]
    if "--" not in before:
        return "env" in before and _ENV.search(lower, max(0, at - 64), at) is not None
    return " " not in before[before.rindex("--") :]


def _judged(match: re.Match[str] | None, kind: str, end: int, looks: Callable[..., bool]) -> _Read:
    """The value of a match, where it ``looks`` like a secret."""
    if match is None:
        return _Read(None, end)
    text = match.string
    quoted = match["quoted"] is not None
    if quoted:
        start, stop = match.span("quoted")
        if match["close"] is None and text[stop : stop + 1] not in ("", "\n"):
            return _Read(None, end)
    else:
        start, stop = match.span("bare")
        end = stop
        in_query = _IN_QUERY.search(text, max(0, match.start() - 64), match.start())
        cut = (_CUT_QUERY if in_query else _CUT).search(text, start, stop)
        if cut is not None:
            stop = cut.start()
            end = stop
        if match["next"] and cut is None:
            return _Read(None, end)
    secret = looks(text[start:stop], quoted=quoted)
    return _Read(Place(kind, start, stop) if secret else None, end)


# -- Docker's auth, registries

_AUTH = re.compile(
    r"(?:[\"']?\bauth[\"']?\s{0,3}:\s{0,3}[\"']?|\b_auth(?:Token)?[ ]{0,2}=[ ]{0,2}[\"']?"
    r"|dockerconfigjson[\"']?\s{0,3}:\s{0,3}[\"']?)"
    r"([A-Za-z0-9+/_-]{12,4096}={0,2})"
)


_LOGIN = re.compile(
    r"(?:\bauth[ ]?=[ ]?\(|(?:Basic|Digest)Auth\(|\bauth[ ]?:[ ]?\[)\s{0,8}"
    r"(?:username[ ]?=[ ]?)?[\"'][^\"'\n]{1,64}[\"']\s{0,3},"
    r"\s{0,8}(?:password[ ]?=[ ]?)?[\"'](?P<value>[^\"'\n]{6,128})[\"']"
)


def _logins(text: str) -> Iterator[Place]:
    yield from _docker_auth(text)
    for match in _LOGIN.finditer(text):
        if is_password(match["value"], quoted=True):
            yield Place("assigned_secret", *match.span("value"))


def _docker_auth(text: str) -> Iterator[Place]:
    for match in _AUTH.finditer(text):
        if _holds_login(match[1]):
            yield Place("docker_auth", *match.span(1))


def _holds_login(encoded: str) -> bool:
    """Base64 of ``user:password``, or of a file of Docker's with one in it."""
    try:
        padded = encoded.rstrip("=") + "=" * (-len(encoded.rstrip("=")) % 4)
        decoded = base64.b64decode(
            padded, altchars=b"-_" if "-" in encoded or "_" in encoded else None
        )
        login = decoded.decode("utf-8")
    except (binascii.Error, ValueError):
        return is_key(encoded, quoted=True)
    if login.lstrip().startswith("{"):
        return any(True for _ in _docker_auth(login)) or "password" in login
    user, colon, password = login.partition(":")
    if not colon or not login.isprintable():
        return is_key(encoded, quoted=True)
    return is_known_password(password) and password != user


# -- a line of a server or of a file of its own

_IDENTIFIED = re.compile(
    r"(?i)\bidentified\s{1,3}(?:with\s{1,3}\S{1,60}\s{1,3})?by\s{1,3}(?:password\s{1,3})?[\"'](?P<value>[^\"'\n]{4,128})[\"']"
)
_SECURE_STRING = re.compile(
    r"(?i)securestring\s{1,3}(?:-string\s{1,3})?[\"'](?P<value>[^\"'\n]{6,128})[\"']"
)
_SERVER = re.compile(
    r"\b(?:requirepass|masterauth|psk[ ]?=)[ ]{0,3}[\"']?(?P<value>[^\s\"']{6,128})"
)
_PGPASS = re.compile(
    r"(?m)^[\w.*-]{1,120}:(?:\d{2,5}|\*):[\w*-]{1,63}:[\w*.-]{1,63}:(?P<value>[^\s:]{6,128})$"
)


def _servers(text: str) -> Iterator[Place]:
    for match in _IDENTIFIED.finditer(text):
        if is_known_password(match["value"]):
            yield Place("password_in_sql", *match.span("value"))
    for pattern in (_SECURE_STRING, _SERVER):
        for match in pattern.finditer(text):
            if is_password(match["value"], quoted=True):
                yield Place("assigned_secret", *match.span("value"))
    for match in _PGPASS.finditer(text):
        if is_known_password(match["value"]):
            yield Place("password_in_pgpass", *match.span("value"))


# -- command lines

_TOOLS = re.compile(
    # tool, options, then -p VALUE or -pVALUE: the value stands beside or behind, by tool
    r"\b(?:"
    r"(?:mysql|mysqldump|mysqladmin|mysqlimport|mariadb|mariadb-dump)\b[^\n|;]{0,160}?[ ]-p"
    r"|sshpass[ ]+-p[ ]*"
    r"|(?:mongo|mongosh|mongodump|mongorestore|mongoexport|mongoimport|cqlsh|clickhouse-client|xfreerdp|rdesktop)\b"
    r"[^\n|;]{0,160}?[ ]-p[ ]+"
    r"|(?:docker|podman|nerdctl|oras|skopeo|buildah|helm[ ]registry|az|cf|oc|vault)[ ]+login\b[^\n|;]{0,160}?[ ]-p[ ]+"
    r"|redis-cli\b[^\n|;]{0,160}?[ ]-a[ ]+"
    r"|ldap(?:search|modify|add|delete|passwd|whoami)\b[^\n|;]{0,160}?[ ]-w[ ]+"
    r"|(?:sqlcmd|bcp)\b[^\n|;]{0,160}?[ ]-P[ ]*"
    r"|htpasswd[ ]+-[a-zA-Z]*b[a-zA-Z]*[ ]+\S+[ ]+\S+[ ]+"
    r"|smbclient\b[^\n|;]{0,160}?[ ]-U[ ]+[\"']?\w+%"
    r"|net[ ]+use\b[^\n|;]{0,160}?/user:\S+[ ]+|net[ ]+user[ ]+\w{1,40}[ ]+(?!/)"
    r"|(?<=[ ]-)(?:src|dest)?(?:store|key)pass(?:wd)?[ ]+"
    r"|(?:7z[ar]?|rar|unrar)\b[^\n|;]{0,160}?[ ]-p|(?:zip|unzip)\b[^\n|;]{0,160}?[ ]-P[ ]*"
    r"|curl\b[^\n|;]{0,300}?[ ](?:-u|--user|-U|--proxy-user)[ =]*[\"']?[\w.@+-]{1,60}:"
    r"|wget\b[^\n|;]{0,200}?[ ]--(?:http-|ftp-)?passwd[ =]+"
    r")(?:\"([^\"\n]{3,128})\"|'([^'\n]{3,128})'|((?<=[\w]:)[^\s\"'<>{}|;]{3,128}|[^\s\"'<>{}|;]{3,128}))"
)  # fmt: skip
_PIPED = re.compile(
    r"\becho[ ]+(?:-n[ ]+)?[\"']?(?P<value>[^\s\"'|]{6,128})[\"']?[ ]*\|[ ]*"
    r"(?:sudo[ ]+(?:-\w+[ ]+)*-S|(?:sudo[ ]+)?(?:chpasswd|passwd|kinit|cryptsetup|smbpasswd)\b"
    r"|(?:docker|podman|helm|oras|gh|az)\b[^\n|]{0,120}?login)"
)


def _commands(text: str) -> Iterator[Place]:
    for match in _PIPED.finditer(text):
        if is_known_password(match["value"].partition(":")[2] or match["value"]):
            yield Place("password_on_command_line", *match.span("value"))
    for match in _TOOLS.finditer(text):
        group = match.lastindex or 1
        value = match[group]
        if value.startswith("-") or not is_known_password(value):
            continue
        start, end = match.span(group)
        yield Place("password_on_command_line", start, end)


# -- headers

_HEADER = re.compile(
    r"\b(bearer|basic|token|apikey)[ ]+([A-Za-z0-9+/_.~=-]{16,1024})", re.IGNORECASE
)


def _headers(text: str) -> Iterator[Place]:
    for match in _HEADER.finditer(text):
        scheme, value = match.groups()
        if scheme.lower() == "basic":
            secret = _holds_login(value)
        else:
            secret = len(value) >= 20 and is_key(value, quoted=True)
        if secret:
            yield Place("authorization_header", *match.span(2))
