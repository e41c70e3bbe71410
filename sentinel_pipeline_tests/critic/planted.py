"""Bad rows made on purpose: each kind is a generator that says which label must refuse its rows,
and by which code.

The rows are drawn from a seed with names, numbers and lengths of their own; credential-like strings
are put together at run time, so that this repository holds none. What this module does not do:
label, or read what the critic's rules look for.
"""

from __future__ import annotations

import ast
import base64
import json
import string
import sysconfig
import textwrap
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from sentinel_pipeline.records import (
    Candidate,
    JsonAnswer,
    Message,
    PatchApplies,
    PythonTests,
    Verifier,
)

LETTERS = string.ascii_letters + string.digits
ROWS_A_KIND = 10
_NOUNS = ("total", "score", "price", "weight", "depth", "count", "level", "width", "speed", "share")
_VERBS = ("scale", "shift", "merge", "clip", "fold", "pick", "join", "split", "rank", "sum")


class Planted(NamedTuple):
    """``label`` must be False with a reason of one of ``codes``; the row must not be accepted."""

    kind: str
    candidate: Candidate
    label: str
    codes: tuple[str, ...]


class Draw:
    """A right answer with its tests, from which one row is made."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        verb, noun = rng.choice(_VERBS), rng.choice(_NOUNS)
        self.name, self.factor, self.offset = (
            f"{verb}_{noun}",
            rng.randint(2, 9),
            rng.randint(1, 99),
        )
        self.code = (
            f"def {self.name}(values):\n    result = []\n    for value in values:\n"
            f"        result.append(value * {self.factor} + {self.offset})\n    return result\n"
        )
        right = [value * self.factor + self.offset for value in (1, 2, 5)]
        self.tests = f"assert {self.name}([1, 2, 5]) == {right}\nassert {self.name}([]) == []"
        self.prompt = f"Write a Python function {self.name} that multiplies by {self.factor} and adds {self.offset}."

    def text(self, length: int, alphabet: str = LETTERS) -> str:
        return "".join(self.rng.choices(alphabet, k=length))

    def verifier(self) -> PythonTests:
        return PythonTests(tests=self.tests, entry_point=self.name)


Row = tuple[str, Verifier | None, str | None]
"""Completion, verifier, prompt (None: the draw's own)."""
Make = Callable[[Draw], Row]


def _code(change: Callable[[Draw], str]) -> Make:
    return lambda draw: (change(draw), draw.verifier(), None)


def _secret(make: Callable[[Draw], str], where: str = "KEY = '{}'") -> Make:
    """A right program that carries a credential: only hygiene can refuse it."""
    return lambda draw: (f"{where.format(make(draw))}\n\n\n{draw.code}", draw.verifier(), None)


def _key_block(draw: Draw) -> str:
    dashes, words = "-" * 5, " ".join((draw.rng.choice(("RSA", "EC", "OPENSSH")), "PRIVATE", "KEY"))
    body = [base64.b64encode(draw.rng.randbytes(48)).decode() for _ in range(3)]
    return "\n".join([f"{dashes}BEGIN {words}{dashes}", *body, f"{dashes}END {words}{dashes}"])


def _jwt(draw: Draw) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return ".".join(
        [part({"alg": "HS256", "typ": "JWT"}), part({"sub": draw.text(10)}), draw.text(43)]
    )


def _json(change: Callable[[dict[str, object]], str], schema: bool = False) -> Make:
    def make(draw: Draw) -> Row:
        value: dict[str, object] = {
            "name": draw.name,
            "arguments": {"factor": draw.factor, "offset": draw.offset},
        }
        shape = {
            "type": "object",
            "required": ["name", "arguments"],
            "properties": {
                "arguments": {
                    "type": "object",
                    "properties": {"factor": {"type": "integer"}},
                    "required": ["factor"],
                }
            },
        }
        verifier = JsonAnswer(
            expected=json.dumps(value), schema=json.dumps(shape) if schema else None
        )
        return (
            change(value),
            verifier,
            f"Call {draw.name} with factor {draw.factor} and offset {draw.offset}.",
        )

    return make


def _diff(change: Callable[[str, Draw], str]) -> Make:
    def make(draw: Draw) -> Row:
        lines = draw.code.split("\n")
        old = lines[3]
        new = old.replace("+", "-")
        diff = (
            f"--- a/m.py\n+++ b/m.py\n@@ -3,3 +3,3 @@\n {lines[2]}\n-{old}\n+{new}\n {lines[4]}\n"
        )
        verifier = PatchApplies(
            files={"m.py": draw.code}, expected={"m.py": draw.code.replace(old, new)}
        )
        return (
            change(diff, draw),
            verifier,
            "Subtract the offset instead. Answer with a unified diff of m.py.",
        )

    return make


def _free(make: Callable[[Draw], str], prompt: str) -> Make:
    """Nothing to run: the row is judged by form and hygiene."""
    return lambda draw: (make(draw), None, prompt)


def _loop(draw: Draw) -> str:
    line = (
        f"    print(value, {draw.offset})\n" if draw.rng.random() < 0.5 else "    return result\n"
    )
    return draw.code + line * draw.rng.randint(15, 60)


def _words(draw: Draw) -> str:
    phrase = " ".join(draw.rng.sample(_NOUNS + _VERBS, draw.rng.randint(2, 6)))
    return f"The answer is the {phrase} " + f"and {phrase} " * draw.rng.randint(12, 40)


def _invalid(draw: Draw) -> str:
    at = draw.rng.randrange(1, len(draw.code))
    return (
        draw.code[:at]
        + draw.rng.choice(("\ufffd", "\x07", "\x1b[0m", "\u202e", "\ufffd\ufffd"))
        + draw.code[at:]
    )


_FILLERS = (
    "As a language model I try to be helpful. Please note that results may vary.",
    "I hope this message finds you well! This is a great question, and I am happy to help.",
    "It is important to remember that there are many ways to see this. In conclusion, it depends.",
)
_CHEATS = (
    "import sys\nsys.exit(0)\n\n\ndef {name}(values):\n    return []\n",
    "import os\n\n\ndef {name}(values):\n    os._exit(0)\n",
    "class Any(list):\n    def __eq__(self, other):\n        return True\n\n\ndef {name}(values):\n    return Any()\n",
    "class All:\n    __eq__ = lambda self, other: True\n\n\ndef {name}(values):\n    return All()\n",
    "import builtins\nbuiltins.AssertionError = ValueError\n\n\ndef {name}(values):\n    return None\n",
    "def {name}(values):\n    raise SystemExit(0)\n",
    "import sys\n\n\ndef {name}(values):\n    frame = sys._getframe(1)\n    return frame.f_locals.get('expected')\n",
    "def {name}(values):\n    return values\n\n\nprint('passed')\n",
)
_NOTHING = ("pass", "...", "raise NotImplementedError", "raise NotImplementedError()")
_STUBS = ("TODO: implement this", "your code here", "rest of the code")

KINDS: dict[str, tuple[str, tuple[str, ...], Make]] = {
    # -- syntax
    "missing_colon": ("syntax_pass", ("syntax_error",), _code(lambda d: d.code.replace("values):", "values)"))),
    "unbalanced": ("syntax_pass", ("syntax_error",), _code(lambda d: d.code.replace(f"{d.offset})", f"{d.offset}"))),
    "bad_indent": ("syntax_pass", ("syntax_error",), _code(lambda d: d.code.replace("    return", "   return"))),
    "truncated": ("syntax_pass", ("syntax_error",), _code(lambda d: d.code[: d.code.index("(value") + 4])),
    "python_2": ("syntax_pass", ("syntax_error",), _code(lambda d: d.code + f"print '{d.name}'\n")),
    "shell_syntax": (
        "syntax_pass",
        ("syntax_error",),
        _free(
            lambda d: f"```bash\nfor f in *.{d.name}; do\n  cat $f | wc -l\n```",
            "Count the lines of every file by a shell loop.",
        ),
    ),
    "sql_syntax": (
        "syntax_pass",
        ("syntax_error",),
        _free(
            lambda d: d.rng.choice(
                (
                    f"```sql\nselect {d.name}, from rows where id = {d.offset}\n```",
                    f"```sql\nselect {d.name} from rows group {d.factor}\n```",
                    f"```sql\nselect ({d.name} from rows\n```",
                )
            ),
            "Write the SQL query.",
        ),
    ),
    "yaml_syntax": (
        "syntax_pass",
        ("syntax_error",),
        _free(lambda d: f"```yaml\n{d.name}:\n  a: [1, {d.offset}\n  b: 2\n```", "Write the YAML settings."),
    ),
    "typescript_syntax": (
        "syntax_pass",
        ("syntax_error",),
        _free(
            lambda d: f"```typescript\nfunction {d.name}(x: number): number {{\n  return x * ;\n}}\n```",
            "Write the function in TypeScript.",
        ),
    ),
    # -- tests
    "wrong_value": (
        "tests_pass",
        ("assertion",),
        _code(lambda d: d.code.replace(f"+ {d.offset}", f"+ {d.offset + 1}")),
    ),
    "raises": (
        "tests_pass",
        ("exception",),
        _code(lambda d: d.code.replace("result = []", "result = [][0]")),
    ),
    "undefined_name": (
        "tests_pass",
        ("exception",),
        _code(lambda d: d.code.replace("return result", "return results")),
    ),
    "right_prefix_only": ("tests_pass", ("assertion",), _code(lambda d: d.code.replace("result\n", "result[:2]\n"))),
    "cheating": ("tests_pass", (), _code(lambda d: d.rng.choice(_CHEATS).format(name=d.name))),
    "wrong_patch": (
        "tests_pass",
        ("files_differ",),
        _diff(lambda t, d: t.replace(f"- {d.offset})\n", f"- {d.offset + 1})\n")),
    ),
    "wrong_json_value": (
        "tests_pass",
        ("json_value",),
        _json(lambda v: json.dumps(v | {"arguments": {"factor": -1, "offset": -1}})),
    ),
    "wrong_json_key": ("tests_pass", ("json_keys",), _json(lambda v: json.dumps({"function": v["name"]} | v))),
    # -- entry points
    "wrong_name": (
        "entrypoint_match",
        ("missing_entry_point",),
        _code(lambda d: d.code.replace(f"def {d.name}", "def solve")),
    ),
    "stub": (
        "entrypoint_match",
        ("stub_body",),
        _code(
            lambda d: (
                f"def {d.name}(values):\n    {d.rng.choice(_NOTHING)}\n"
            )
        ),
    ),
    "wrong_signature": (
        "entrypoint_match",
        ("signature",),
        lambda d: (
            d.code.replace("(values)", "(values, factor, offset)"),
            None,
            f"Complete in Python:\n\ndef {d.name}(values):\n",
        ),
    ),
    # -- form
    "prose_around": (
        "format_pass",
        ("prose_around",),
        _code(lambda d: f"Sure, here is what you asked for:\n{d.code}\n\nTell me if it is not right."),
    ),
    "prose_around_fence": (
        "format_pass",
        ("prose_around",),
        lambda d: (
            f"Here you go:\n```python\n{d.code}```\nIt works as asked.",
            d.verifier(),
            f"{d.prompt} Reply with only the code.",
        ),
    ),
    "unclosed_fence": ("format_pass", ("unclosed_fence",), _code(lambda d: f"```python\n{d.code}")),
    "text_after_stop": (
        "format_pass",
        ("after_stop",),
        _code(lambda d: f"{d.code}<|im_end|>\n<|im_start|>user\nAnd for {d.offset}?"),
    ),
    "not_json": ("format_pass", ("not_json",), _json(lambda v: json.dumps(v)[:-1])),
    "json_comment": ("format_pass", ("not_json",), _json(lambda v: json.dumps(v)[:-1] + ",}")),
    "json_nan": ("format_pass", ("not_json",), _json(lambda v: json.dumps(v | {"x": float("nan")}))),
    "duplicate_key": ("format_pass", ("duplicate_key",), _json(lambda v: '{"name": "x", ' + json.dumps(v)[1:])),
    "schema": (
        "format_pass",
        ("json_schema",),
        _json(lambda v: json.dumps(v | {"arguments": {"factor": "two"}}), schema=True),
    ),
    "several_values": ("format_pass", ("several_values",), _json(lambda v: f"{json.dumps(v)} {json.dumps(v)}")),
    "prose_for_json": (
        "format_pass",
        ("requested_format",),
        _free(lambda d: f"The {d.name} has a factor of {d.factor}.", "Give name and factor. Answer in JSON."),
    ),
    "code_for_diff": (
        "format_pass",
        ("requested_format",),
        lambda d: (d.code, None, "Fix the function. Respond with a unified diff."),
    ),
    "missing_name": (
        "format_pass",
        ("missing_name",),
        lambda d: (d.code, None, f"Write a Python function `{d.name}` and a function named `check_{d.name}`."),
    ),
    "bad_hunk_counts": ("format_pass", ("bad_diff",), _diff(lambda t, d: t.replace("-3,3 +3,3", "-3,5 +3,4"))),
    "diff_does_not_apply": (
        "format_pass",
        ("hunk_mismatch",),
        _diff(lambda t, d: t.replace("-        result", "-        results")),
    ),
    "diff_of_other_file": ("format_pass", ("unknown_file",), _diff(lambda t, d: t.replace("m.py", f"{d.name}.py"))),
    "no_diff": ("format_pass", ("no_diff",), _diff(lambda t, d: d.code)),
    "empty": ("format_pass", ("empty",), _code(lambda d: d.rng.choice(("", "\n", "```python\n```", "  \n\n")))),
    # -- secrets
    "private_key": ("no_secret", ("secret: private_key",), _secret(_key_block, 'KEY = """{}"""')),
    "aws": (
        "no_secret",
        ("secret: aws_access_key",),
        _secret(lambda d: "AK" + "IA" + d.text(16, string.ascii_uppercase + "234567")),
    ),
    "aws_secret": (
        "no_secret",
        ("secret: assigned_secret",),
        _secret(lambda d: d.text(40, LETTERS + "/+"), "aws_secret_access_key = '{}'"),
    ),
    "gcp": ("no_secret", ("secret: gcp_api_key",), _secret(lambda d: "AI" + "za" + d.text(35))),
    "azure": (
        "no_secret",
        ("secret: azure_storage_key",),
        _secret(lambda d: "DefaultEndpointsProtocol=https;Account" + "Key=" + d.text(86) + "=="),
    ),
    "github": (
        "no_secret",
        ("secret: github_token",),
        _secret(lambda d: d.rng.choice(("gh" + "p_", "gh" + "s_")) + d.text(36)),
    ),
    "gitlab": ("no_secret", ("secret: gitlab_token",), _secret(lambda d: "gl" + "pat-" + d.text(20))),
    "hub": ("no_secret", ("secret: huggingface_token",), _secret(lambda d: "h" + "f_" + d.text(34))),
    "openai": (
        "no_secret",
        ("secret: openai_key",),
        _secret(lambda d: d.rng.choice(("s" + "k-", "s" + "k-proj-")) + d.text(d.rng.randint(40, 120))),
    ),
    "anthropic": ("no_secret", ("secret: anthropic_key",), _secret(lambda d: "sk-" + "ant-api03-" + d.text(90))),
    "slack": (
        "no_secret",
        ("secret: slack_token",),
        _secret(lambda d: "xo" + "xb-" + d.text(12, string.digits) + "-" + d.text(24)),
    ),
    "stripe": ("no_secret", ("secret: stripe_key",), _secret(lambda d: "sk_" + "live_" + d.text(24))),
    "jwt": ("no_secret", ("secret: jwt",), _secret(_jwt)),
    "password_in_url": (
        "no_secret",
        ("secret: password_in_url",),
        _secret(lambda d: f"postgres://admin:{d.text(14)}@db.internal:5432/app"),
    ),
    "bearer": (
        "no_secret",
        ("secret: authorization_header",),
        _secret(lambda d: f"Authorization: Bearer {d.text(40)}", "HEADER = '{}'"),
    ),
    "assigned": (
        "no_secret",
        ("secret: assigned_secret",),
        _secret(lambda d: d.text(32), "client_secret = '{}'"),
    ),
    "hex_secret": (
        "no_secret",
        ("secret: assigned_secret",),
        _secret(lambda d: d.text(40, "0123456789abcdef"), "api_key = '{}'"),
    ),
    "password": (
        "no_secret",
        ("secret: assigned_secret",),
        _secret(lambda d: f"{d.text(5)}{d.factor}!{d.text(4)}#", "DB_PASSWORD = '{}'"),
    ),
    "ssh_command": (
        "no_secret",
        ("secret: password_on_command_line",),
        _free(
            lambda d: f"```bash\nsshpass -p '{d.text(6)}{d.factor}!{d.text(3)}' ssh admin@host{d.offset} uptime\n```",
            "How do I log in from a script?",
        ),
    ),
    # -- repetition and what no one should write
    "line_loop": ("no_repetition", ("line_loop",), _code(_loop)),
    "word_loop": ("no_repetition", ("word_loop",), _free(_words, "Explain the method.")),
    "char_loop": (
        "no_repetition",
        ("char_loop",),
        _free(lambda d: f"{d.name} " + d.text(3, string.ascii_lowercase) * d.rng.randint(30, 80), "Explain."),
    ),
    "invalid_character": ("no_repetition", ("invalid_character",), _code(_invalid)),
    "special_token": (
        "no_repetition",
        ("special_token",),
        _code(lambda d: d.rng.choice(("<unk>", "[PAD]", "<|fim_middle|>", "<0x0A>")) + f"\n{d.code}"),
    ),
    "filler": ("no_repetition", ("filler",), _free(lambda d: d.rng.choice(_FILLERS), "How do trees grow?")),
    "stub_comment": (
        "no_repetition",
        ("stub",),
        _code(
            lambda d: (
                f"def {d.name}(values):\n    # {d.rng.choice(_STUBS)}\n    return values\n"
            )
        ),
    ),
    "boilerplate": (
        "no_repetition",
        ("boilerplate",),
        _free(
            lambda d: f"{d.name}. Accept all cookies. Privacy policy. Click here to subscribe to our newsletter.",
            "What is on the page?",
        ),
    ),
}  # fmt: skip


def planted(seed: int = 5, rows: int = ROWS_A_KIND) -> Iterator[Planted]:
    """``rows`` bad rows of each kind, the same for the same seed."""
    for kind, (label, codes, make) in KINDS.items():
        for number in range(rows):
            draw = Draw(Random(f"{kind}|{seed}|{number}"))
            completion, verifier, prompt = make(draw)
            ask = (Message("user", prompt or draw.prompt),)
            name = f"{kind}-{number}"
            candidate = Candidate(
                id=name,
                source="planted",
                messages=ask,
                completion=completion,
                verifier=verifier,
                planted=kind,
            )
            yield Planted(kind, candidate, label, codes)


def right(seed: int = 5, rows: int = 100) -> Iterator[Candidate]:
    """Good rows of the same making: what a kind changes must be what is refused."""
    for number in range(rows):
        draw = Draw(Random(f"right|{seed}|{number}"))
        ask = (Message("user", draw.prompt),)
        yield Candidate(
            id=f"right-{number}",
            source="planted",
            messages=ask,
            completion=draw.code,
            verifier=draw.verifier(),
        )


def clean(rows: int = 2500, seed: int = 7) -> list[Candidate]:
    """Whole definitions cut from this machine's standard library, each of which compiles by
    itself."""
    found: list[tuple[str, str]] = []
    for path in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py")):
        if {"test", "tests", "site-packages", "lib2to3"}.isdisjoint(path.parts):
            found += _definitions(path)
    picked = Random(seed).sample(found, min(rows, len(found)))
    return [
        Candidate(
            id=f"clean-{number}",
            source="library",
            messages=(Message("user", f"Write {name} in Python, please."),),
            completion=text,
        )
        for number, (name, text) in enumerate(picked)
    ]


def _definitions(path: Path) -> list[tuple[str, str]]:
    try:
        source = path.read_text(encoding="utf-8")
        tree = ast.parse(source)
    except (UnicodeDecodeError, SyntaxError):
        return []
    nodes = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    lines = source.split("\n")
    texts = [
        (node.name, textwrap.dedent("\n".join(lines[node.lineno - 1 : node.end_lineno])))
        for node in nodes
    ]
    return [(name, text) for name, text in texts if len(text) < 6000 and _compiles(text)]


def _compiles(text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, "<cut>", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True
