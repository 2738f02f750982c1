"""# unused-ignore (MDL901)

## What it does

Reports a code in a `# modelint: ignore[...]` comment that hides nothing. It is information: it never fails a run.

## Why it bites

A comment that outlived its cause still looks like a decision. It will hide the next defect on that line, one that
nobody has looked at.

## Example

```python
def resume(model, state):
    model.load_state_dict(state)  # modelint: ignore[MDL401] the head is new
```

## Use instead

Drop the comment, or the one code in it that is not needed any more.

```python
def resume(model, state):
    model.load_state_dict(state)
```

A comment on a line of its own counts only inside a statement of several lines: put it at the end of the line that is
reported, of the first line of that statement, or of its last line.

## When to ignore

Where the comment is for a version of the project that this run does not see: write the code MDL901 beside the other,
`# modelint: ignore[MDL201, MDL901] wrapped by the launcher`.

Some defects are seen only when several files are checked together. So a comment is called unused only by a run over
the folder of the whole project (`modelint check .`), never when single files are given, as a hook does, and not while
a file of the project could not be analysed.

## Evidence

`ruff` (RUF100) and `mypy` (`unused-ignore`) report the same of their comments.
"""

from modelint.rule import Rule

RULE = Rule(
    code="MDL901",
    name="unused-ignore",
    summary="an ignore comment that hides nothing",
    facts=(),
    check=lambda fact: iter(()),
    severity="information",
)
