"""What numbers said in earlier runs: it holds while all that either side hangs on is the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from modelint.layout import building
from modelint.layout.affected import Uses, Verdicts
from modelint.layout.facts import Numbers

if TYPE_CHECKING:
    from modelint.layout.settling.sides import Case
    from modelint.layout.traced import Numbers as Told
    from modelint.layout.traced import Result


class Remembered:
    """``verdicts``: those of each project, by its folder."""

    def __init__(self, verdicts: Mapping[str, Verdicts]) -> None:
        self._verdicts = verdicts

    def recall(self, case: Case, on: str) -> Numbers | None:
        """``on``: what it hangs on beside the files of the work tree."""
        try:
            outcome, words, module, trained, renamed, found = self._verdicts[case.declaration.folder].numbers(
                case.declaration, case.python, on
            )
        except (TypeError, ValueError):
            return None  # nothing, or nothing that this modelint wrote
        return Numbers(outcome, words, module, trained, renamed, tuple(found))

    def uses(self, case: Case) -> Uses | None:
        """What the answer hangs on, after `keep`; None: none was kept."""
        return self._verdicts[case.declaration.folder].uses_of_numbers(case.declaration.name)

    def keep(
        self, case: Case, on: str, news: Sequence[Result | Told], olds: Sequence[Result | Told], said: Numbers
    ) -> None:
        """``news`` used files of the work tree; ``olds`` those of a commit, which do not change."""
        parts = [building.uses_of(each) for each in (case.built, *news)]
        packages = [path for each in (*parts, *map(building.uses_of, olds)) for path in each.packages]
        python, data, missing, _ = (tuple(path for each in parts for path in each[field]) for field in range(4))
        uses = Uses(python, data, missing, tuple(packages))
        self._verdicts[case.declaration.folder].keep_numbers(case.declaration, case.python, uses, on, [*said])
