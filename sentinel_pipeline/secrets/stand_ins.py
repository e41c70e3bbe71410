"""What stands where a secret would and opens nothing: references to an environment or to a manager
of secrets, documented examples, stand-ins, defaults; and what is random or strong enough to be
one.

What this module does not do: find the places (``settings`` and ``catalogue`` do), or know the
difference between a real key and a well-made imitation.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import pairwise

_REFERENCE = re.compile(
    r"(?ix) \$\{ | \$\( | ^\$\w+$ | ^\$\$?[A-Z]{3} | \{\{ | \}\} | <% | ^%\w+%$ | ^%[sdr(] | ^@\w+@$ | ^[<{\[(] | ^\*+$"
    r"| ^!(?:ref|sub|getatt|join|select|importvalue|vault|secret|env|reference)\b"
    r"| environ\b | getenv | process\.env | import\.meta | ^env\. | secretsmanager | key_?vault | secret_?key_?ref"
    r"| ^(?:vault|env|file|ssm|secret|secrets|akv|op|sm|gsm|asm|sops|bw|pass|ref\+\w+|keyring|doppler|infisical|lookup):"
    r"| ^arn: | ^projects/ | ^[a-z][a-z0-9+.-]*:// | ^/ | ^[.~]/ | ^[.~]$"
    r"| ^(?:var|local|data|module|settings|config|cfg|conf|self|this|args|opts|options|request|req|os|rails|params|secrets"
    r"|credentials|props|state|ctx|context|app|event|kwargs|flags|viper|input|inputs|values|each|github|steps)(?:\.|\[|->)"
)
_STAND_IN = re.compile(
    r"(?ix) example | sample | your | change | placeholder | dummy | fake | redacted | removed | todo | insert | replace | x{4}"
    r"| \*{3} | \.{3} | 1234567 | 9876543 | abcdef | qwerty | (.)\1{5}"
)
_ISSUED = re.compile(
    r"(?ix) example | sample | (?<![a-z0-9])your | change[_-]?me | placeholder | redacted | insert | replace | x{5} | \*{3}"
    r"| \.{3} | 12345678 | 98765432 | abcdefgh | (.)\1{6}"
)
"""As ``_STAND_IN``, for keys of a provider's form: long random text holds short words by chance."""
_DOCUMENTED = (
    "SflKxwRJSMeKKF2QT4" + "fwpMeJf36POk6yJV",  # the introduction to JSON Web Tokens
    "Eby8vdM02xNOcqFlqUwJPLlmEtl" + "CDXJ1OUzFT50uSRZ",  # Azure's storage emulator
    "C2y6yDjf5/R+ob0N8A7Cgv30VRD" + "JIWEHLM+4QDU5DE2",  # Azure's Cosmos DB emulator
    "426614174000",  # the usual example of a UUID
)

_WORDS = re.compile(
    r"(?:"
    r"correct|horse|battery|staple|letmein|changeme|placeholder|passphrase|passwort|password|passwd|pass|pwd|pw|secrets?|senha|"
    r"default|administrator|admin|root|superuser|superadmin|username|users?|guest|anonymous|nobody|owner|master|"
    r"postgresql|postgres|pgsql|mysql|mariadb|mongodb|mongo|redis|rabbitmq|rabbit|elastic|opensearch|minio|grafana|keycloak|"
    r"oracle|mssql|sqlserver|neo|kafka|vault|jenkins|docker|dockerhub|nginx|django|flask|laravel|wordpress|airflow|dagster|"
    r"database|data|base|db|server|service|client|app|api|auth|access|private|public|account|login|signing|encryption|session|"
    r"tokens?|keys?|credentials?|value|string|hidden|hash|salt|jwt|test|tests|testing|tester|dev|devel|development|local|"
    r"staging|stage|production|prod|demo|temp|tmp|foo|bar|baz|qux|hello|world|welcome|hunter|monkey|dragon|trustno|iloveyou|"
    r"super|very|top|strong|strongest|secure|safe|weak|long|new|old|random|some|any|unsafe|insecure|really|simple|plain|text|"
    r"scott|tiger|alice|bob|john|jane|joe|doe|my|the|your|an|is|not|for|of|to|it|in|me|you|this|that|here|now|please|and|or|with|"
    r"enter|set|put|use|only|goes|wrong|right|invalid|valid|bad|good|abc|xyz|qwerty|asdf|none|null|true|false|undefined|empty"
    r")"
)  # fmt: skip
_LEET = str.maketrans("01345780@$!", "oieastbo" + "asi")
_SEGMENT = re.compile(r"[A-Z]?[a-z]+(?:[A-Z][a-z]+)*\d{0,4}|[A-Z]{2,}\d{0,4}|\d{1,4}|")
_HEX = re.compile(r"[0-9a-fA-F-]+")
_TOKEN = re.compile(r"[\w.~+/=:-]+")
_DOTTED = re.compile(r"[A-Za-z_$][\w$]*(?:(?:\?\.|!?\.|->|::)[A-Za-z_$][\w$]*)+!?")
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
_CALL = re.compile(r"[A-Za-z_][\w.]*\(.*\)")
_VARIABLE = re.compile(r"\$\{?[A-Z_]{3}[A-Z0-9_]*\}?")


def is_reference(value: str) -> bool:
    """A name of a place where the secret is kept, or a gap for it."""
    return _REFERENCE.search(value) is not None


def is_issued(key: str) -> bool:
    """A key of a provider's form that is not a documented example or a stand-in."""
    if any(documented in key for documented in _DOCUMENTED):
        return False
    return _ISSUED.search(key) is None and entropy(key[-20:]) > 2.0


def is_wordy(value: str) -> bool:
    """Made of the words that people put where a secret belongs, with digits and signs for letters
    or around them: ``P@ssw0rd``, ``postgres``, ``s3cret123!``."""
    lower = value.lower()
    trimmed = lower.rstrip("0123456789!@#$%^&*._-?+=~")
    plain = re.sub(r"[^a-z]+", "", lower)
    letters = re.sub(r"[^a-z]+", "", trimmed.translate(_LEET))
    return any(text == "" or _of_words(text) for text in (plain, letters))


def _of_words(text: str) -> bool:
    """The longest word first at each place, never another one: linear."""
    at = 0
    while at < len(text):
        match = _WORDS.match(text, at)
        if match is None:
            return False
        at = match.end()
    return True


def is_plain(value: str) -> bool:
    """Identifiers, words and small numbers with signs between them: ``prod/db/credentials-v2``."""
    return all(
        _SEGMENT.fullmatch(segment) is not None for segment in re.split(r"[^A-Za-z0-9]+", value)
    )


def opens_nothing(value: str) -> bool:
    """A reference, an example, a stand-in or a word, whatever the setting is called."""
    return (
        is_reference(value)
        or _STAND_IN.search(value) is not None
        or any(documented in value for documented in _DOCUMENTED)
        or is_wordy(value)
    )


def is_key(value: str, *, quoted: bool) -> bool:
    """Random enough to be a key or a token: sixteen characters or more, letters and digits."""
    if opens_nothing(value) or len(value) < 16 or not _mixes(value):
        return False
    if any(char.isspace() for char in value) or _CALL.fullmatch(value) or is_plain(value):
        return False
    if _TOKEN.fullmatch(value):
        return entropy(value) >= (3.0 if _HEX.fullmatch(value) else 3.5)
    return entropy(value) >= 3.5 and is_password(value, quoted=quoted)


def is_password(value: str, *, quoted: bool) -> bool:
    """Strong enough to be a password that somebody uses: eight characters or more, letters, digits
    and signs; without signs ten or more that change between kinds of characters as words do not.
    Without quotes it must not read as code."""
    if opens_nothing(value):
        return False
    rest = _VARIABLE.sub("", value)
    if len(rest) < 8 or not _mixes(rest) or any(char.isspace() for char in rest):
        return False
    if _CALL.fullmatch(rest) or _DOTTED.fullmatch(rest) or _ADDRESS.fullmatch(rest):
        return False
    plain = is_plain(rest)
    if not quoted and plain:
        rest = rest.rstrip("!?")
        if not any(char in "!#@$?~" for char in rest) and rest == value.rstrip("!?"):
            return False
    signs = any(not char.isalnum() and char not in "_-./:," for char in value)
    if signs:
        return len(set(rest)) >= 6
    return not plain and len(rest) >= 10 and 2 * _changes(rest) >= len(rest) - 1


def is_secret(value: str, *, quoted: bool) -> bool:
    """A key, or a password with signs."""
    return is_key(value, quoted=quoted) or (
        any(char in "!#@$?~^&*%+" for char in value) and is_password(value, quoted=quoted)
    )


def is_given(value: str, *, quoted: bool) -> bool:
    """What is handed to an option, or follows a login: no stand-in, and no word of a sentence
    either."""
    signs = any(char.isdigit() or char in "!#@$?~^&*%+=" for char in value)
    return signs and not value.startswith("-") and is_known_password(value)


def is_known_password(value: str) -> bool:
    """What stands where only a password can (``-p``, a URL's user): anything but a stand-in."""
    return len(value) >= 3 and not opens_nothing(value)


def _mixes(value: str) -> bool:
    return any(char.isdigit() for char in value) and any(char.isalpha() for char in value)


def _changes(value: str) -> int:
    """How often the kind of character changes: lower, upper, digit, sign."""
    kinds = [
        "d" if c.isdigit() else "u" if c.isupper() else "l" if c.isalpha() else "s" for c in value
    ]
    return sum(left != right for left, right in pairwise(kinds))


def entropy(value: str) -> float:
    """Shannon entropy of the characters, in bits each."""
    total = len(value)
    return (
        -sum(count / total * math.log2(count / total) for count in Counter(value).values())
        if total
        else 0.0
    )
