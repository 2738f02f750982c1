"""What is written for people is no code; every other string is."""

import pytest

from modelint.lint.prose import without_prose


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("x = 1  # torch.compile\n", "x = 1  \n"),
        ('def f():\n    """Uses DDP."""\n    return 1\n', "def f():\n\n    return 1\n"),
        ("'''\nlong\n'''\nwrap(DDP)\n", "\nwrap(DDP)\n"),
        ('x = """\n# kept\n"""\nwrap(DDP)\ny = """\n"""\n', 'x = """\n# kept\n"""\nwrap(DDP)\ny = """\n"""\n'),
        ('ckpt["a # b"]  # c\n', 'ckpt["a # b"]  \n'),
        ("s = 'it\\'s # text'\n", "s = 'it\\'s # text'\n"),
        ('f("""a""", DDP)\n', 'f("""a""", DDP)\n'),
    ],
)
def test_prose_goes_and_code_stays(text: str, left: str) -> None:
    assert without_prose(text) == left
