"""A row as the mix reads it, once: what category, quality, exact form and near-duplicates ask of
it is worked out when first asked for, and kept.

What this module does not do: decide anything, or run a language's parser: the critic has accepted
the row already."""

from __future__ import annotations

from functools import cached_property

from ..critic.extract import Kind
from ..critic.fences import Fence, fences
from ..critic.reading import SEARCHED, guess_language
from ..critic.scorers import scorer_of
from ..critic.thoughts import Parted, part
from ..records import Candidate, JudgedAnswer
from .normal import code_in, code_tokens, prompt_of, without_layout, words

_SEARCHED_OF_PROMPT = 20_000
"""Characters of a prompt in which marks and words of a category are looked for."""


class RowReading:
    """One candidate; hold it only while its row is dealt with."""

    def __init__(self, candidate: Candidate) -> None:
        self.candidate = candidate

    @cached_property
    def prompt(self) -> str:
        """What was asked."""
        return prompt_of(self.candidate.messages)

    @property
    def head(self) -> str:
        """The part of the prompt that decides a category."""
        return self.prompt[:_SEARCHED_OF_PROMPT]

    @cached_property
    def prompt_words(self) -> list[str]:
        return words(self.prompt)

    @cached_property
    def parted(self) -> Parted:
        """Thought and answer: the answer decides category and quality."""
        return part(self.candidate.completion)

    @cached_property
    def blocks(self) -> list[Fence]:
        """The fenced blocks of the answer."""
        return fences(self.parted.answer)

    @cached_property
    def language(self) -> Kind:
        """As the verifier says, unless a judge is all that it names, else as the answer looks."""
        verifier = self.candidate.verifier
        if verifier is not None and not isinstance(verifier, JudgedAnswer):
            return scorer_of(verifier).language
        answer = self.parted.answer
        blocks = self.blocks if len(answer) <= SEARCHED else None
        return guess_language(answer, self.head, blocks)

    @cached_property
    def _structure(self) -> list[str]:
        completion = self.candidate.completion
        is_answer = completion == self.parted.answer
        blocks = self.blocks if is_answer else fences(completion)
        return code_tokens(code_in(completion, blocks), structure=True)

    @property
    def form(self) -> str:
        """The completion, its thought too, up to comments, docstrings, quotes and layout that
        means nothing."""
        return " ".join(self._structure)

    @cached_property
    def tokens(self) -> list[str]:
        """Tokens of the completion's code."""
        return without_layout(self._structure, self.candidate.completion)
