"""The words of shell text: blanks, quotes, substitutions, here-documents. The grammar above them is
in ``shell``.

What this module does not do: know commands or reserved words; a substitution's commands are read by
the subclass.
"""

from __future__ import annotations

import re

MAX_DEPTH = 60
_MAX_ARITHMETIC = 2000
"""Characters within which ``((`` must end; longer is read as two subshells."""

_BLANK = re.compile(r"(?:[ \t]+|\\\n)+")
PLAIN = re.compile(r"[^ \t\n;&|<>()'\"$`\\]+")
_IN_DOUBLE = re.compile(r'[^"$`\\]+')
_IN_BRACE = re.compile(r"[^}\"'$`\\]+")
_IN_ARITHMETIC = re.compile(r"[^()\"'\\]+")
_ARRAY = re.compile(r"[A-Za-z_]\w*(?:\[[^\]\n]*\])?\+?=")


class Problem(Exception):
    """What a shell would not accept; never leaves this package."""


class Words:
    """A place in ``text`` that only moves forward, but for one look into ``$((``."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0
        self.heredocs: list[tuple[str, bool]] = []

    # -- what stands at the current place ----------------------------------------------------------

    def rest(self) -> str:
        return (
            repr(self.text[self.at : self.at + 12].partition("\n")[0])
            if self.at < len(self.text)
            else "end"
        )

    def starts(self, *signs: str) -> bool:
        return self.text.startswith(signs, self.at)

    def take(self, sign: str) -> bool:
        if self.text.startswith(sign, self.at):
            self.at += len(sign)
            return True
        return False

    def expect(self, sign: str) -> None:
        self.blank()
        if not self.take(sign):
            raise Problem(f"expected '{sign}', got {self.rest()}")

    def peek_word(self) -> str:
        """The bare word here, as far as it is unquoted: enough to know a reserved word."""
        match = PLAIN.match(self.text, self.at)
        end = match.end() if match else self.at
        return (
            self.text[self.at : end]
            if end >= len(self.text) or self.text[end] not in "'\"$`\\"
            else ""
        )

    def reserved(self, word: str) -> None:
        self.blank_lines()
        if self.peek_word() != word:
            raise Problem(f"expected '{word}', got {self.rest()}")
        self.at += len(word)

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Problem("nested too deeply")

    # -- blanks, lines, here-documents -------------------------------------------------------------

    def blank(self) -> None:
        if match := _BLANK.match(self.text, self.at):
            self.at = match.end()
        if self.starts("#") and (self.at == 0 or self.text[self.at - 1] in " \t\n;&|()"):
            stop = self.text.find("\n", self.at)
            self.at = len(self.text) if stop < 0 else stop

    def newline(self) -> bool:
        if not self.take("\n"):
            return False
        waiting = self.heredocs
        self.heredocs = []
        for word, tabs in waiting:
            self._heredoc(word, tabs)
        return True

    def _heredoc(self, word: str, tabs: bool) -> None:
        while self.at < len(self.text):
            stop = self.text.find("\n", self.at)
            end = len(self.text) if stop < 0 else stop
            line = self.text[self.at : end]
            self.at = end if stop < 0 else end + 1
            if (line.lstrip("\t") if tabs else line) == word:
                return
        raise Problem(f"here-document '{word[:20]}' does not end")

    def blank_lines(self) -> None:
        self.blank()
        while self.newline():
            self.blank()

    def commands(self, closers: tuple[str, ...], *, empty: bool = True) -> None:
        raise NotImplementedError

    # -- words -------------------------------------------------------------------------------------

    def word(self) -> bool:
        """One word with everything quoted or substituted in it; False when none begins here."""
        start = self.at
        while self.at < len(self.text):
            char = self.text[self.at]
            if match := PLAIN.match(self.text, self.at):
                self.at = match.end()
            elif char in "'\"$`\\":
                self._quoted(char)
            elif self.starts("<(", ">("):
                self.at += 1
                self._substitution()
            elif char == "(" and self.at > start and _ARRAY.fullmatch(self.text, start, self.at):
                self._array()
            else:
                break
        return self.at > start

    def _quoted(self, char: str) -> None:
        if char == "'":
            self._to("'", self.at + 1)
        elif char == '"':
            self._double()
        elif char == "`":
            self._backtick()
        elif char == "\\":
            if self.at + 1 >= len(self.text):
                raise Problem("nothing follows the last backslash")
            self.at += 2
        else:
            self._dollar()

    def _to(self, sign: str, start: int) -> None:
        stop = self.text.find(sign, start)
        if stop < 0:
            raise Problem(f"quote {sign} does not end")
        self.at = stop + 1

    def _double(self) -> None:
        self.at += 1
        while not self.take('"'):
            if self.at >= len(self.text):
                raise Problem('quote " does not end')
            if match := _IN_DOUBLE.match(self.text, self.at):
                self.at = match.end()
            else:
                self._quoted(self.text[self.at])

    def _escaped_to(self, sign: str) -> None:
        """Past the next ``sign`` that no backslash precedes."""
        match = re.compile(rf"(?:[^\\{sign}]|\\.)*{sign}", re.DOTALL).match(self.text, self.at)
        if not match:
            raise Problem(f"quote {sign} does not end")
        self.at = match.end()

    def _backtick(self) -> None:
        self.at += 1
        self._escaped_to("`")

    def _dollar(self) -> None:
        if self.starts("$'"):
            self.at += 2
            self._escaped_to("'")
        elif self.starts("$(("):
            if not self.arithmetic(self.at + 3):
                self.at += 1
                self._substitution()
        elif self.starts("$("):
            self.at += 1
            self._substitution()
        elif self.take("${"):
            self._brace()
        else:
            self.at += 1

    def _substitution(self) -> None:
        self.expect("(")
        self.commands(())
        self.blank_lines()
        self.expect(")")

    def _brace(self) -> None:
        self.deeper()
        if self.starts("}"):
            raise Problem("'${}' is empty")
        while not self.take("}"):
            if self.at >= len(self.text):
                raise Problem("'${' does not end")
            if match := _IN_BRACE.match(self.text, self.at):
                self.at = match.end()
            elif self.starts("'"):
                stop = self.text.find("'", self.at + 1)
                self.at = self.at + 1 if stop < 0 or "}" in self.text[self.at : stop] else stop + 1
            else:
                self._quoted(self.text[self.at])
        self.depth -= 1

    def arithmetic(self, start: int) -> bool:
        """Past the ``))`` that ends what began before ``start``; False, unmoved, when single
        parentheses end it."""
        open_ = 0
        position = start
        while position < min(len(self.text), start + _MAX_ARITHMETIC):
            if match := _IN_ARITHMETIC.match(self.text, position):
                position = match.end()
                continue
            char = self.text[position]
            if char == ")" and not open_:
                if not self.text.startswith("))", position):
                    return False
                self.at = position + 2
                return True
            open_ += (char == "(") - (char == ")")
            position += 2 if char == "\\" else 1
        return False

    def _array(self) -> None:
        self.deeper()
        self.at += 1
        self.blank_lines()
        while self.word():
            self.blank_lines()
        self.expect(")")
        self.depth -= 1
