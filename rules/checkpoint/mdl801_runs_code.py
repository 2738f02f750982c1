"""# runs-code (MDL801)

## What it does
Reports a checkpoint that makes `pickle.load`, or `torch.load(weights_only=False)`, call something that can run any
code, any command, or read and write any file: `os.system`, `eval`, `subprocess.Popen`, `builtins.getattr`,
`torch.hub.load`. So does a name that is only looked up: an object of the file can be made to call it.

modelint is no malware scanner. It reads a file without running it, and lists all that a load would call (`calls` in
the JSON); this rule knows the commonest of the names that no checkpoint needs. A file without this finding may still
be bad.

## Why it bites
A pickle is a program. Whoever made the file decides what runs on the machine that loads it, with the rights of
whoever loads it, before a single weight is looked at.

## Example
```
$ modelint show downloaded.pt
downloaded.pt: MDL801 [runs-code] a load calls os.system, which can run anything
```

## Use instead
Do not load it. Get the weights from somebody you trust, as safetensors, which holds nothing but tensors; and load
what is left of pickles with
```python
state = torch.load("downloaded.pt", weights_only=True)
```

## When to ignore
Where you wrote the file, and know why it calls that: pickled functions (cloudpickle, `torch.fx` graph modules) do.

## Evidence
- CVE-2025-32434: before torch 2.6, `weights_only=True` could be made to run code as well.
- arXiv 2508.19774 counts 133 functions that run code when a pickle calls them: no list of names is complete.
"""

from collections.abc import Iterator

from modelint.checkpoint.facts import Called, Named
from modelint.checkpoint.globals import danger
from modelint.rule import FileReport, FileRule


def check(fact: Called | Named) -> Iterator[FileReport]:
    if isinstance(fact, Named):
        yield FileReport(
            f"it names {fact.name}, which can run anything, and an object in it may call that; do not load a file that "
            "you did not make"
        )
    elif danger(fact.name) == "runs":
        yield FileReport(f"a load calls {fact.name}, which can run anything; do not load a file that you did not make")


RULE = FileRule(
    code="MDL801",
    name="runs-code",
    summary="a load of the file calls what can run any code",
    facts=(Called, Named),
    check=check,
)
