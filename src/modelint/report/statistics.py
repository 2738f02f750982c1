"""How often each code was found, the most frequent first."""

from __future__ import annotations

from collections import Counter

from modelint.report import Outcome


def text(outcome: Outcome, *, as_json: bool) -> str:
    """The table of counts; "" when nothing was found."""
    counts = Counter((diagnostic.code, diagnostic.name) for diagnostic in outcome.diagnostics)
    rows = sorted(((count, code, name) for (code, name), count in counts.items()), key=lambda row: (-row[0], row[1]))
    if as_json:
        import json

        listed = [{"code": code, "name": name, "count": count} for count, code, name in rows]
        return json.dumps({"schema": 1, "statistics": listed}, indent=2) + "\n"
    width = max((len(str(row[0])) for row in rows), default=0)
    return "".join(f"{count:>{width}}  {code}  {name}\n" for count, code, name in rows)
