"""The coarse gate: can a file with these bytes matter at all?

It is imported on the path of a hook with nothing to say. ``select`` cuts finer, with the ast in hand. Both must let
through whatever a rule could report: a test compares the findings with and without them.
"""

from __future__ import annotations

import re

_MATTERS = re.compile(
    rb"torch|\bnn\b|state_dict|save_file|DataParallel|LightningModule|PreTrainedModel|pickle|joblib|\.save\b"
)
#: A file whose bytes lack this has no class whose base is written as a module.
MAY_DEFINE = re.compile(rb"^class\s+\w+\s*\([^)]*\b(?:\w*Module|PreTrainedModel)\b", re.MULTILINE)


def may_matter(data: bytes) -> bool:
    """Could any rule report anything in a file with these bytes?"""
    return _MATTERS.search(data) is not None
