"""The one module that executes candidate code: a forked, sealed process that answers calls and
dies.

It knows the program and the arguments of calls, never a test or an expected value, so whatever the
program does to this process, it can only choose its answers. Nothing that leaves here is trusted:
the harness's codec reads it.
"""

from __future__ import annotations

import builtins
import os
import sys
from types import CodeType, ModuleType
from typing import Any, NoReturn

from . import codec, objects
from .wire import FRAME

FILE_NAME = "<candidate>"
MODULE_NAME = "candidate"
_MESSAGE_CHARS = 300
SHOWN = "__shown__"
"""By this name tests that run beside the program show what they compare."""
_SCALARS_ONLY = 3
"""Opening brackets in the text of arguments that hold no container: nothing there can change in
place."""


class Sample:
    """One candidate's module, the handles it gave out, and where its answers go."""

    def __init__(self, out: int, output_bytes: int) -> None:
        self.out = out
        self.left = output_bytes
        self.each = False
        """Whether the limit holds for each answer: they are read one by one, so that they do not
        add up."""
        self.handles = objects.Handles()
        self.module = ModuleType(MODULE_NAME)
        self.incoming = -1
        self.head = b""
        self.parts = ["", "", ""]

    def resolve(self, content: Any) -> Any:
        """What a handle from the harness stands for: an object kept here, a global of the program,
        a function of the tests, or an exception."""
        if isinstance(content, int):
            return self.handles.objects[content]
        if isinstance(content, str):
            return self._find(content)
        if "c" in content:
            return self._callback(int(content["c"]))
        kind = getattr(builtins, content["e"])
        return kind if content["a"] is None else kind(*codec.unpack(content["a"], self.resolve))

    def _callback(self, number: int) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.send({"c": number, "a": codec.pack([list(args), kwargs], self.handles)})
            reply = codec.from_text(read_frame(self.incoming))
            if "e" in reply:
                raise getattr(builtins, reply["e"], RuntimeError)(reply.get("m", ""))
            return codec.unpack(reply["v"], self.resolve)

        return call

    def send(self, answer: dict[str, Any]) -> None:
        """Write one answer; ends the process where it would be longer than what is left of the
        output limit."""
        text = codec.to_text(answer)
        if len(text) + FRAME.size > self.left:
            text = codec.to_text({"x": "output_limit"})
            write_all(self.out, FRAME.pack(len(text)) + text)
            os._exit(0)
        if not self.each:
            self.left -= len(text) + FRAME.size
        write_all(self.out, FRAME.pack(len(text)) + text)

    def compile(self, code: bytes) -> CodeType:
        """The program's code object; ends the process after telling why there is none."""
        try:
            return compile(
                str(code, "utf-8", "surrogatepass"), FILE_NAME, "exec", dont_inherit=True
            )
        except (SyntaxError, ValueError, OverflowError) as error:
            line = getattr(error, "lineno", None)
            text = str(getattr(error, "msg", None) or error)[:_MESSAGE_CHARS]
            self.end({"x": "syntax_error", "m": f"{text} (line {line})" if line else text})
        except (RecursionError, MemoryError) as error:
            self.end({"x": "syntax_error", "m": f"{type(error).__name__} while compiling"})

    def load(self, code: bytes) -> None:
        """Compile and execute the program; ends the process after telling why it cannot."""
        compiled = self.compile(code)
        sys.modules[MODULE_NAME] = self.module
        try:
            exec(compiled, self.module.__dict__)
        except BaseException as error:
            self.end(self.failure(error) | {"l": 1})
        classes = {
            name: self.handles.describe(value)
            for name, value in self.module.__dict__.items()
            if objects.is_class_of(value, MODULE_NAME)
        }
        self.send({"v": None, "k": classes} if classes else {"v": None})

    def show(self, place: int, value: Any, expected: Any) -> Any:
        """Tell the harness what the tests, beside this program, compare with ``expected``, so that
        it compares for itself; gives ``value`` back."""
        answer: dict[str, Any] = {"q": place, "r": False, "l": False}
        try:
            answer["r"] = bool(value == expected)
            answer["l"] = bool(value == object()) or bool(value == _neighbour(expected))
            answer["a"] = codec.pack(_content(value), _Plainly())
        except Exception:
            answer.pop("a", None)
        text = codec.to_text(answer)
        if 2 * len(text) < self.left:
            self.left -= len(text) + FRAME.size
            write_all(self.out, FRAME.pack(len(text)) + text)
        return value

    def end(self, answer: dict[str, Any]) -> NoReturn:
        self.send(answer)
        os._exit(0)

    def answer(self, request: bytes) -> None:
        """Do what one request asks and send its answer."""
        head, _, text = request.partition(b"\n")
        if head != self.head:
            self.head, self.parts = head, codec.from_text(head)
        operation, target, name = self.parts
        arguments: list[Any] = [[], {}]
        try:
            arguments = codec.unpack(codec.from_text(text), self.resolve)
            args, kwargs = arguments
            value = self._do(operation, target, name, args, kwargs)
            try:
                answer = {"v": codec.pack(value, self.handles)}
            except codec.Malformed:
                answer = {"v": self.handles(value)}
        except KeyError as error:
            missing = len(error.args) == 2 and error.args[0] is _MISSING
            answer = self._missing(error.args[1]) if missing else self.failure(error)
        except (StopIteration, StopAsyncIteration) as error:
            if operation in objects.STOPPING:
                answer = {"n": codec.pack(getattr(error, "value", None), self.handles)}
            else:
                answer = self.failure(error)
        except BaseException as error:
            answer = self.failure(error)
        if text.count(b"[") > _SCALARS_ONLY:
            self._tell_changes(answer, arguments, text)
        self.send(answer)
        if answer.get("x") == "exit":
            os._exit(0)

    def _tell_changes(self, answer: dict[str, Any], arguments: list[Any], before: bytes) -> None:
        """Add the arguments as they are now, where the call changed one in place."""
        try:
            after = codec.pack(arguments, self.handles)
            if codec.to_text(after) != before:
                answer["w"] = after
        except Exception:
            answer["w"] = None

    def _do(
        self, operation: str, target: Any, name: str, args: list[Any], kwargs: dict[str, Any]
    ) -> Any:
        subject = self._find(target)
        if operation == "call":
            return subject(*args, **kwargs)
        if operation == "get":
            return getattr(subject, name)
        if operation == "set":
            return setattr(subject, name, args[0])
        if operation == "reflected":
            return objects.OPERATIONS[name](args[0], subject)
        return objects.OPERATIONS[operation](subject, *args)

    def _find(self, target: Any) -> Any:
        if isinstance(target, int):
            return self.handles.objects[target]
        names = self.module.__dict__
        if target not in names:
            raise KeyError(_MISSING, target)
        return names[target]

    def _missing(self, target: Any) -> dict[str, Any]:
        names = self.module.__dict__.items()
        defined = [
            name
            for name, value in names
            if callable(value) and getattr(value, "__module__", "") == MODULE_NAME
        ]
        return {"x": "missing", "m": str(target), "d": defined[:10]}

    def failure(self, error: BaseException) -> dict[str, Any]:
        """An exception as plain data; ``SystemExit`` and its like are an exit, not an exception of
        the program."""
        kinds = [kind.__name__ for kind in type(error).__mro__[:-1]][:10]
        if not isinstance(error, Exception):
            return {"x": "exit", "m": _message(error, kinds[0])}
        answer: dict[str, Any] = {"e": kinds, "m": _message(error), "l": _line(error)}
        try:
            answer["a"] = codec.pack(list(error.args), self.handles)
            answer["h"] = self.handles.error(error)
        except Exception:
            answer.pop("a", None)  # hostile arguments: its name and message are left
        return answer


def _content(value: Any) -> Any:
    """The content of an instance of a subclass of a mutable built-in type, else the value."""
    plain = objects.OPERATIONS["plain"](value)
    return value if plain is None else plain


_MISSING = object()


def _message(error: BaseException, prefix: str = "") -> str:
    try:
        text = str(error)[:_MESSAGE_CHARS]
    except BaseException:
        text = "(its message cannot be shown)"
    return f"{prefix}({text})" if prefix else text


def _line(error: BaseException) -> int | None:
    line = None
    step = error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == FILE_NAME:
            line = step.tb_lineno
        step = step.tb_next
    return line


def write_all(descriptor: int, data: bytes) -> None:
    """Write everything."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def read_exactly(descriptor: int, size: int) -> bytes:
    """Read ``size`` bytes; ends the process at the end of the stream (the harness is done)."""
    parts = []
    while size:
        part = os.read(descriptor, min(size, 1 << 20))
        if not part:
            os._exit(0)
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def read_frame(descriptor: int) -> bytes:
    """One length-prefixed frame."""
    return read_exactly(descriptor, FRAME.unpack(read_exactly(descriptor, FRAME.size))[0])


def run_batch(code: bytes, requests: list[bytes], out: int, output_bytes: int) -> NoReturn:
    """Execute the program, answer every request in order, write the end mark, die."""
    sample = Sample(out, output_bytes)
    sample.load(code)
    for request in requests:
        sample.answer(request)
    os._exit(0)


def run_live(code: bytes, channel: int, output_bytes: int) -> NoReturn:
    """Execute the program, then answer requests as they come until the harness hangs up."""
    sample = Sample(channel, output_bytes)
    sample.incoming = channel
    sample.each = True
    codec.keep_computing()
    sample.load(code)
    while True:
        sample.answer(read_frame(channel))


class _Plainly:
    """How a shown value is packed: a subclass of a built-in type as its content, and of any other
    object only that it is one."""

    def __call__(self, _value: Any) -> Any:
        return {"h": 0}

    def subclass(self, _value: Any, plain: Any) -> Any:
        return plain


def _neighbour(value: Any) -> Any:
    """Another value of the same type."""
    if isinstance(value, (int, float, complex)):
        return value + 7919
    if isinstance(value, str):
        return value + "\0"
    if isinstance(value, bytes):
        return value + b"\0"
    if isinstance(value, list):
        return [*value, value]
    if isinstance(value, tuple):
        return (*value, value)
    return object()


def run_shared(code: bytes, tests: bytes, out: int, output_bytes: int) -> NoReturn:
    """Execute the program and then tests beside it, in its own module: their verdict is only as
    honest as the program."""
    sample = Sample(out, output_bytes)
    sample.load(code)
    sample.module.__dict__[SHOWN] = sample.show
    try:
        compiled = compile(str(tests, "utf-8", "surrogatepass"), "<tests>", "exec")
        exec(compiled, sample.module.__dict__)
    except BaseException as error:
        sample.end(sample.failure(error))
    sample.end({"v": True})
