"""Text generation behind one function: ``answer`` writes a model's completions, item by item,
resumably."""

from ..records.decoding import Decoding
from .answers import Answer, answer, read_answers
from .prompts import PROMPT_FORMATS, Prompt

__all__ = ["PROMPT_FORMATS", "Answer", "Decoding", "Prompt", "answer", "read_answers"]
