"""Secrets and repetition: planted ones found for the right reason, ordinary code left alone, fast
enough."""

from __future__ import annotations

import ast
import random
import string
import sysconfig
import time
from pathlib import Path

import pytest

from sentinel_pipeline.critic.hygiene import no_repetition, no_secret
from sentinel_pipeline.secrets import find_credentials, mask

LETTERS = string.ascii_letters + string.digits


def _random(length: int, alphabet: str = LETTERS, seed: int = 3) -> str:
    return "".join(random.Random(seed).choices(alphabet, k=length))


def _key_block(name: str) -> str:
    rule = "-" * 5
    return f"{rule}BEGIN {name}PRIVATE KEY{rule}\n{_random(64)}\n{rule}END {name}PRIVATE KEY{rule}"


SECRETS = {
    "private_key": [_key_block("RSA "), _key_block("OPENSSH "), _key_block("")],
    "aws_access_key": ["AK" + "IA" + _random(16, string.ascii_uppercase + "234567")],
    "gcp_api_key": ["AI" + "za" + _random(35)],
    "azure_storage_key": ["Account" + "Key=" + _random(86) + "=="],
    "github_token": ["gh" + "p_" + _random(36), "github_" + "pat_" + _random(60)],
    "gitlab_token": ["gl" + "pat-" + _random(20)],
    "huggingface_token": ["h" + "f_" + _random(34)],
    "openai_key": ["s" + "k-" + _random(48), "sk-" + "proj-" + _random(60)],
    "anthropic_key": ["sk-" + "ant-api03-" + _random(60)],
    "slack_token": ["xo" + "xb-" + _random(12, string.digits) + "-" + _random(24)],
    "stripe_key": ["sk_" + "live_" + _random(24)],
    "jwt": ["ey" + "J" + _random(30) + ".eyJ" + _random(40) + "." + _random(43)],
    "password_in_url": ["postgres://admin:" + _random(14) + "@db.internal:5432/app"],
    "assigned_secret": [
        'api_key = "' + _random(32) + '"',
        "CLIENT_SECRET=" + _random(40),
        '{"password": "' + "tr0ub4dor&" + '3!x"}',
        "DB_PASSWORD: '" + "Hx9$k" + "Lm2#q'",
    ],
    "authorization_header": ["Authorization: Bearer " + _random(40)],
}


@pytest.mark.parametrize(
    ("kind", "secret"), [(kind, one) for kind, each in SECRETS.items() for one in each]
)
def test_a_planted_secret_is_found_by_kind_and_never_quoted(kind: str, secret: str) -> None:
    label = no_secret(f"import os\n# set it up\n{secret}\nprint(1)\n")
    assert label.value is False
    assert label.reason.startswith(f"secret: {kind} at character ")
    assert secret[8:20] not in label.reason


@pytest.mark.parametrize("secret", [one for each in SECRETS.values() for one in each])
def test_redaction_leaves_nothing_to_find(secret: str) -> None:
    assert list(find_credentials(mask(f"a {secret} b"))) == []


def test_a_secret_in_the_prompt_counts() -> None:
    assert no_secret(
        "ok", ["use AK" + "IA" + _random(16, string.ascii_uppercase + "2")]
    ).reason.endswith("of the prompt")


@pytest.mark.parametrize(
    "text",
    [
        'password = os.environ["PASSWORD"]',
        'api_key = "YOUR_API_KEY_GOES_HERE"',
        "token = get_token(request)",
        "password: str = ''",
        "https://user:password@example.com/x",
        "secret_key = 'change-me-please'",
        "key = hashlib.sha256(data).hexdigest()",
        "sk-learn is a library",
        "def hf_hub_download_to_somewhere_else(x): pass",
        "token = '<|im_end|>'",
        "AKIA is a prefix",
        "digest = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'",
        "tokens = tokenizer.encode('some text here')",
        "git clone git@github.com:user/repo.git",
        "postgres://user:${PASSWORD}@host/db",
        "curl -u user:pass https://host",
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQC7 user@host",
        "cache_key = f'{user}:{name}:{version}'",
        "gh" + "p_" + "x" * 36,
    ],
)
def test_ordinary_text_is_no_secret(text: str) -> None:
    assert no_secret(text) == (True, "ok")


CODE = "def f(xs):\n    total = 0\n    for x in xs:\n        total += x\n    return total\n"
BAD = {
    "line_loop": [
        CODE + "    return total\n" * 20,
        "x = 1\n" * 30,
        "a\nbb bb bb bb\n" * 8,
        "ls | wc -l\n" * 12,
        "}\n" * 60,
    ],
    "word_loop": [
        "the cat sat on the mat and " * 10,
        "no no no no no no no no no no no no no no no no no no no no no no no no no no no ",
    ],
    "char_loop": ["x" + "ab" * 60, "haha" * 40, "(" * 500, "see " + "-=" * 300],
    "invalid_character": [CODE + "\x00", "a\ufffdb", "\x1b[0m", "a\u202eb", "\ud800"],
    "special_token": ["<|im_start|>user\nhi", "a <unk> b", "text [PAD] more"],
    "filler": [
        "As a language model I try to be helpful. Please note that results may vary.",
        "I hope this message finds you well! This is a great question.",
        "As an AI, I cannot.",
    ],
    "stub": [
        "def f(x):\n    # your code here\n    pass",
        "... rest of the code ...",
        "# TODO: implement\n",
    ],
    "boilerplate": [
        "Accept all cookies. Privacy policy. Click here to subscribe to our newsletter."
    ],
}


@pytest.mark.parametrize(
    ("code", "text"), [(code, one) for code, each in BAD.items() for one in each]
)
def test_bad_text_is_refused_for_its_reason(code: str, text: str) -> None:
    label = no_repetition(text)
    assert (label.value, label.code) == (False, code)


@pytest.mark.parametrize(
    "text",
    [
        CODE,
        "return x\n" * 4,
        "x = [\n" + "    0, 0, 0, 0,\n" * 5 + "]",
        "# ---------------------------------------------------------------",
        "a = 1\nb = 2\nc = 3\n" * 3,
        "café – naïve “quotes” 日本語",
        "{'a': 1, 'b': 1, 'c': 1, 'd': 1}",
        "As an aid to memory, note it.",
        "Well done<|im_end|>",
        "I hope it rains.",
        "0x" + "0" * 64,
    ],
)
def test_ordinary_text_is_not_repetitive(text: str) -> None:
    assert no_repetition(text, code=True) == (True, "ok")


@pytest.fixture(scope="module")
def functions() -> list[str]:
    """Functions of the standard library, some 2,500 of them."""
    found: list[str] = []
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        source = path.read_text(encoding="utf-8", errors="replace")
        lines = source.split("\n")
        nodes = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef))
        found += ["\n".join(lines[node.lineno - 1 : node.end_lineno]) for node in nodes]
    return random.Random(1).sample(found, 2500)


def test_at_most_half_a_percent_of_library_functions_is_refused(functions: list[str]) -> None:
    refused = [
        text
        for text in functions
        if not (no_secret(text).value and no_repetition(text, code=True).value)
    ]
    assert len(refused) <= 0.005 * len(functions), refused[:3]


def test_three_thousand_rows_a_second(functions: list[str]) -> None:
    rows = [(text + "\n" + text[::-1])[:1000] for text in functions if len(text) > 700] or functions
    start = time.process_time()
    for text in rows:
        no_secret(text)
        no_repetition(text, code=True)
    assert len(rows) / (time.process_time() - start) > 2000, (
        "3,000 on a quiet machine, two thirds of it here"
    )


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "password=",
        "eyJ",
        "://a:b",
        "x ",
        "-----BEGIN PRIVATE KEY-----",
        "token: '",
        "ab\n",
        "sk-",
        "1 ",
    ],
)
def test_hostile_text_is_read_in_linear_time(piece: str) -> None:
    """Four times the text, at most eight times the processor time; a square would take sixteen."""

    def seconds(length: int) -> float:
        text = (piece * length)[:length]
        start = time.process_time()
        no_secret(text)
        no_repetition(text)
        return time.process_time() - start

    least = min(seconds(200_000) for _ in range(2))
    assert seconds(800_000) < 8 * max(least, 0.02)
