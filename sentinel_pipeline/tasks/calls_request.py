"""How a model is asked for function calls as JSON: the same words for every suite and family that
asks so."""

from __future__ import annotations

ASK = (
    "You can call these functions:\n{functions}\n\nAnswer the request with the calls it needs and nothing else, as JSON: "
    '{{"name": NAME, "arguments": {{…}}}} for one call, a list of such objects for several.'
)
