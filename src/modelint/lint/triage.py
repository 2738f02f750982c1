"""Which files, and which statements of a file, are worth giving to libcst.

``may_matter`` is the coarse gate over bytes; it is imported on the path of a hook with nothing to say.
``worth_parsing`` cuts finer, with the ast in hand. Both must let through whatever a rule could report:
a test compares the findings with and without them over whole repositories.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelint.lint.index import File

_MATTERS = re.compile(
    rb"state_dict|torch\s*\.\s*(?:save|load)|DataParallel|import\s+torch|from\s+torch|nn\s*\.\s*Module|\.save\b|save_file"
    rb"|LightningModule|PreTrainedModel|BaseModule|ModelMixin|pickle|joblib|\bnn\b|torch"
)

#: Any of these in a statement that is no class of modules makes it worth parsing.
_FLOW = re.compile(
    r"state_dict|\.save\b|\bsave_file\b|\.load\b|DataParallel|\bDDP\b|AveragedModel|torch\.compile|\.dump\b|load_url|load_file"
    r"|\]\s*\*|\*\s*\["
)
#: What a module class must contain to break a rule of the define stage.
_DEFINE = re.compile(
    r"=\s*self\.(?:register_\w+|add_module)|[\]\)]\s*\*\s*\w|\*\s*\[|Parameter\s*\(|requires_grad\s*=\s*True|torch\.\w|np\.random"
    r"|self\.\w+(?:\s*:[^=\n]+)?\s*=\s*(?:\[|\{|\(|list\(|dict\(|OrderedDict\()|self\.\w+\s*=\s*\w+\s*$|\.append\(|compile\("
    r"|self\.\w+\s*=\s*\w+\s*#",
    re.MULTILINE,
)


def may_matter(data: bytes) -> bool:
    """Could any rule report anything in a file with these bytes?"""
    return _MATTERS.search(data) is not None


def worth_parsing(file: File) -> list[int]:
    """The statements to interpret, in order: those with a trigger, and those that lead to or from them."""
    from modelint.lint.select import select

    return select(file)
