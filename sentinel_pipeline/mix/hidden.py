"""What a text holds in another writing: base64, ROT13, the escapes of JSON, HTML and addresses.

What this module does not do: decrypt, unpack archives, or look more than one writing deep, but for
escapes within base64.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import json
import re
from collections.abc import Collection
from urllib.parse import unquote

MAX_BLOBS = 64
"""Blobs of base64, and strings of a document, that are looked into."""
MIN_STRING = 24
"""Characters from which a string is."""
_BLOB = re.compile(
    r"[A-Za-z0-9+/_-]{24,}={0,2}(?:\r?\n(?:[A-Za-z0-9+/_-]{4,}={0,2}|[A-Za-z0-9+/_-]{2,3}={1,2}))*"
)
_ESCAPES = re.compile(r'\\(?:u[0-9a-fA-F]{4}|[nrt"\\/])')
_STANDARD = str.maketrans("-_", "+/")
_MEANING = {"n": "\n", "r": "\n", "t": "\t"}
_ROT13 = frozenset(
    codecs.encode(word, "rot13")
    for word in (
        "function",
        "return",
        "write",
        "the",
        "and",
        "for",
        "from",
        "with",
        "that",
        "list",
        "number",
        "string",
        "def",
        "each",
    )
)
"""Frequent words of requests and programs, in ROT13."""


def hidden_texts(text: str, words: Collection[str]) -> list[str]:
    """Readable texts that ``text`` holds in another writing; ``words`` are its lower-case words."""
    texts: list[str] = []
    head = text[:40].lstrip()[:1]
    if head in ("{", "["):
        texts += _strings_of(text)
    if "\\" in text and not texts:
        plain = _ESCAPES.sub(_meant, text)
        if plain != text:
            texts.append(plain)
    if "&" in text and ";" in text:
        plain = html.unescape(text)
        if plain != text:
            texts.append(plain)
    if text.count("%20") >= 3:
        texts.append(unquote(text))
    for number, match in enumerate(_BLOB.finditer(text)):
        if number == MAX_BLOBS:
            break
        decoded = _decoded(match[0])
        if decoded is not None:
            texts.append(decoded)
            if "\\" in decoded:
                texts.append(_ESCAPES.sub(_meant, decoded))
    if "rot13" in words or len(_ROT13.intersection(words)) >= 2:
        texts.append(codecs.decode(text, "rot13"))
    return texts


def _strings_of(document: str) -> list[str]:
    """The longer strings of a JSON document, as they are meant."""
    try:
        waiting = [json.loads(document)]
    except (ValueError, RecursionError):
        return []
    texts: list[str] = []
    while waiting and len(texts) < MAX_BLOBS:
        value = waiting.pop()
        if isinstance(value, str):
            if len(value) >= MIN_STRING:
                texts.append(value)
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return texts


def _meant(match: re.Match[str]) -> str:
    code: str = match[0][1:]
    return chr(int(code[1:], 16)) if code[0] == "u" else _MEANING.get(code, code)


def _decoded(blob: str) -> str | None:
    """The text in a blob of base64, where it is text; its last line may be a word that follows."""
    lines = blob.split()
    for count in (len(lines), len(lines) - 1):
        bare = "".join(lines[:count]).translate(_STANDARD).rstrip("=")
        try:
            text = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            continue
        if "\n" in text or (" " in text and text.isprintable()):
            return text
    return None
