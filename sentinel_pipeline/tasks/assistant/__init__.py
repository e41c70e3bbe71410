"""Two task families for pretrained models: function calls from a schema, and answers in exactly the
form that was asked.

They ask what small instruction-tuned models do badly (they wrap an answer in fences and add a
sentence), not for knowledge. Functions, sentences and wordings are made here: none is of a
published suite or of the format probe.
"""

from __future__ import annotations

from . import calls, forms

ASSISTANT = (calls.FAMILY, forms.FAMILY)

__all__ = ["ASSISTANT"]
