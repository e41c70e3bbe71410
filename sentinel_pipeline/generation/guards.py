"""The guards of self-generated rows: a tokenizer that adds nothing to plain text, and no
instruction twice.

What this module does not do: generate, or score what was generated.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import BadInput
from ..mix.near import bands, shingles, signatures
from ..mix.normal import words
from ..mix.suite_index import prompt_features
from ..records import Message
from .prompts import special_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Guards(NamedTuple):
    """What was verified of the tokenizer that the model reads through."""

    chat_template: None
    add_special_tokens: bool
    special_tokens: int
    """How many there are, each looked for in every prompt."""


def plain_tokenizer(tokenizer: PreTrainedTokenizerBase) -> Guards:
    """Take the chat template away and make sure that plain text is encoded without a special token.

    Raises:
        BadInput: the tokenizer puts special tokens into plain text, or keeps its template.
    """
    tokenizer.chat_template = None
    specials = special_tokens(tokenizer)
    probe = tokenizer("Instruction: say so.\nResponse:", add_special_tokens=False)["input_ids"]
    if tokenizer.chat_template is not None or specials & set(probe):
        raise BadInput(
            "the tokenizer adds markers to plain text.", file=tokenizer.name_or_path or None
        )
    return Guards(None, False, len(specials))


class Known:
    """Instructions that are there, and how near another one is to the nearest of them."""

    def __init__(self, threshold: float, texts: Iterable[str] = ()) -> None:
        self._threshold = threshold
        self._bands: dict[int, list[int]] = {}
        self._features: list[frozenset[Any]] = []
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        for hashed in self._hashes(text):
            self._bands.setdefault(hashed, []).append(len(self._features))
        self._features.append(prompt_features(words(text)))

    def nearest(self, text: str) -> float:
        """Jaccard similarity to the nearest that shares a band of minima with ``text``, 0 to 1."""
        features = prompt_features(words(text))
        met = {at for hashed in self._hashes(text) for at in self._bands.get(hashed, ())}
        return max(
            (
                len(features & self._features[at]) / max(len(features | self._features[at]), 1)
                for at in met
            ),
            default=0.0,
        )

    def _hashes(self, text: str) -> list[int]:
        band_hashes = bands(signatures([shingles((Message("user", text),), "")]), self._threshold)[
            0
        ]
        return [hash((at, int(band))) for at, band in enumerate(band_hashes)]
