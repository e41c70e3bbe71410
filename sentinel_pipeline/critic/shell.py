"""A strict reader of shell syntax (POSIX with bash's ``[[ ]]``, ``(( ))``, arrays, here-documents,
process substitution).

It answers whether a shell would accept the text, as ``bash -n`` does, without starting a process;
linear time, bounded depth. Stricter than bash in one point: a here-document that never ends is an
error, for it is a truncated answer. What this module does not do: expand, run or know commands;
read aliases, extended globs or other shells' syntax.
"""

from __future__ import annotations

import re

from .shell_words import PLAIN, Problem, Words

_REDIRECT = re.compile(r"&>>|&>|<<<|<<-|<<|<&|<>|>>|>&|>\||<(?!\()|>(?!\()")
_NAME = re.compile(r"[A-Za-z_]\w*")
_CLOSERS = frozenset({"then", "do", "done", "fi", "elif", "else", "esac", "}"})


def parse_shell(text: str) -> str | None:
    """None when a shell would read ``text``, else what is wrong with it in a few words."""
    reader = _Reader(text)
    try:
        reader.commands(())
        if reader.at < len(text):
            return f"unexpected {reader.rest()}"
        # One that began in a subshell or a substitution may come after its end, so only here.
        if reader.heredocs:
            raise Problem("a here-document does not begin")
    except Problem as problem:
        return f"line {text.count(chr(10), 0, min(reader.at, len(text))) + 1}: {problem}"
    return None


class _Reader(Words):
    """Recursive descent: lists, pipelines, compound commands."""

    # -- lists, pipelines, commands ----------------------------------------------------------------

    def commands(self, closers: tuple[str, ...], *, empty: bool = True) -> None:
        """Commands up to a closing sign or word (left unread), or the end of the text."""
        self.deeper()
        self.blank_lines()
        count = 0
        while self.at < len(self.text) and not self._closed(closers):
            self.and_or()
            count += 1
            self.blank()
            if not (self.newline() or self._separator()):
                break
            self.blank_lines()
        if not count and not empty:
            raise Problem(f"expected a command, got {self.rest()}")
        self.depth -= 1

    def _closed(self, closers: tuple[str, ...]) -> bool:
        return self.starts(")", ";;", ";&") or self.peek_word() in closers

    def _separator(self) -> bool:
        if self.starts(";;", ";&", "&&"):
            return False
        return self.take(";") or self.take("&")

    def and_or(self) -> None:
        self.pipeline()
        self.blank()
        while self.take("&&") or self.take("||"):
            self.blank_lines()
            self.pipeline()
            self.blank()

    def pipeline(self) -> None:
        timed = False
        while self.peek_word() in ("!", "time"):
            timed = self.peek_word() == "time"
            self.at += len(self.peek_word())
            self.blank()
        if timed and (self.at == len(self.text) or self.starts(";", "\n")):
            return  # "time" alone times nothing
        self.command()
        self.blank()
        while self.starts("|") and not self.starts("||"):
            self.at += 2 if self.starts("|&") else 1
            self.blank_lines()
            self.command()
            self.blank()

    def command(self) -> None:
        self.deeper()
        self._command(self.peek_word())
        self.depth -= 1

    def _command(self, word: str) -> None:
        if word in _CLOSERS:
            raise Problem(f"unexpected '{word}'")
        compound = (
            getattr(self, f"_{word}", None)
            if word in _COMPOUND
            else self._test
            if word == "[["
            else None
        )
        if word == "{":
            compound = self._group
        if compound:
            self.at += len(word)
            compound()
        elif self.starts("("):
            self._parens()
        else:
            self.simple()
            return
        self.redirects()

    def simple(self) -> None:
        words = 0
        while True:
            self.blank()
            if self.redirect():
                words += 1
            elif (start := self.at) < len(self.text) and self.word():
                words += 1
                if (
                    words == 1
                    and PLAIN.fullmatch(self.text, start, self.at)
                    and self._parentheses_follow()
                ):
                    self._function_body()
                    return
            else:
                break
        if not words:
            raise Problem(f"expected a command, got {self.rest()}")

    def _parentheses_follow(self) -> bool:
        self.blank()
        return self.starts("(")

    def redirects(self) -> None:
        self.blank()
        while self.redirect() or (self.peek_word().isdigit() and self._numbered()):
            self.blank()

    def _numbered(self) -> bool:
        self.at += len(self.peek_word())
        if not self.redirect():
            raise Problem("expected a redirection")
        return True

    def redirect(self) -> bool:
        match = _REDIRECT.match(self.text, self.at)
        if not match:
            return False
        self.at = match.end()
        self.blank()
        start = self.at
        if not self.word():
            raise Problem(f"expected a word after '{match[0]}', got {self.rest()}")
        if match[0] in ("<<", "<<-"):
            self.heredocs.append(
                (re.sub(r"[\"'\\]", "", self.text[start : self.at]), match[0] == "<<-")
            )
        return True

    # -- compound commands -------------------------------------------------------------------------

    def _parens(self) -> None:
        if not self.starts("((") or not self.arithmetic(self.at + 2):
            self.expect("(")
            self.commands((), empty=False)
            self.expect(")")

    def _group(self) -> None:
        self.commands(("}",), empty=False)
        self.reserved("}")

    def _if(self) -> None:
        self.commands(("then",), empty=False)
        self.reserved("then")
        self.commands(("elif", "else", "fi"), empty=False)
        while self.peek_word() == "elif":
            self.at += 4
            self.commands(("then",), empty=False)
            self.reserved("then")
            self.commands(("elif", "else", "fi"), empty=False)
        if self.peek_word() == "else":
            self.at += 4
            self.commands(("fi",), empty=False)
        self.reserved("fi")

    def _while(self) -> None:
        self.commands(("do",), empty=False)
        self._do()

    _until = _while

    def _do(self) -> None:
        self.reserved("do")
        self.commands(("done",), empty=False)
        self.reserved("done")

    def _for(self) -> None:
        self.blank()
        if self.starts("(("):
            if not self.arithmetic(self.at + 2):
                raise Problem("'((' does not end")
        else:
            self._name()
            self.blank_lines()
            if self.peek_word() == "in":
                self.at += 2
                self.blank()
                while self.word():
                    self.blank()
                if not (self.starts(";", "\n")):
                    raise Problem(f"expected ';' or a new line, got {self.rest()}")
        self.blank()
        self.take(";")
        self.blank_lines()
        if self.peek_word() == "{":
            # What every shell takes and no manual names: braces in the place of do and done.
            self.at += 1
            self._group()
        else:
            self._do()

    _select = _for

    def _name(self) -> None:
        match = _NAME.match(self.text, self.at)
        if not match:
            raise Problem(f"expected a name, got {self.rest()}")
        self.at = match.end()

    def _case(self) -> None:
        self.blank()
        if not self.word():
            raise Problem(f"expected a word after 'case', got {self.rest()}")
        self.reserved("in")
        self.blank_lines()
        while self.peek_word() != "esac":
            self._branch()
            self.blank_lines()
        self.reserved("esac")

    def _branch(self) -> None:
        self.take("(")
        self.blank()
        while self.word():
            self.blank()
            if not self.take("|"):
                break
            self.blank()
        else:
            raise Problem(f"expected a pattern, got {self.rest()}")
        self.expect(")")
        self.commands(("esac",))
        self.blank_lines()
        if not any(self.take(sign) for sign in (";;&", ";;", ";&")) and self.peek_word() != "esac":
            raise Problem(f"expected ';;', got {self.rest()}")

    def _function(self) -> None:
        self.blank()
        if not self.word():
            raise Problem(f"expected a name, got {self.rest()}")
        self.blank()
        if self.starts("("):
            self._function_body()
        else:
            self.blank_lines()
            self._compound_command()

    def _function_body(self) -> None:
        self.expect("(")
        self.expect(")")
        self.blank_lines()
        self._compound_command()

    def _begins_compound(self) -> bool:
        return self.peek_word() in _COMPOUND_WORDS or self.starts("(")

    def _compound_command(self) -> None:
        if not self._begins_compound():
            raise Problem(f"expected a compound command, got {self.rest()}")
        self.command()

    def _coproc(self) -> None:
        """``coproc [NAME] COMMAND``: a name only where a compound command follows it."""
        self.blank()
        name = _NAME.match(self.text, self.at)
        if name and name[0] not in _COMPOUND:
            start = self.at
            self.at = name.end()
            self.blank()
            if not self._begins_compound():
                self.at = start
        self.command()

    def _test(self) -> None:
        self.blank_lines()
        if self.peek_word() == "]]":
            raise Problem("'[[ ]]' is empty")
        while self.peek_word() != "]]":
            if self.at >= len(self.text):
                raise Problem("'[[' does not end")
            if not self.word():
                self.at += 1
            self.blank_lines()
        self.at += 2


_COMPOUND = frozenset({"if", "while", "until", "for", "select", "case", "function", "coproc"})
_COMPOUND_WORDS = _COMPOUND - {"function", "coproc"} | {"{", "[["}
"""The words with which a body of a function may begin."""
