"""The comparison of the documentation with what its commands print: what it lets pass, and what it
must not.
"""

import pytest

from tests.support.transcript import Command, commands, fits

PAGE = """\
Text.

```console
$ cat > mail.eml <<'END'
> Hello
>
> END
$ signoff check mail.eml   # exit 1
not a mail
```

```sh
never run
```
"""


def test_the_commands_of_a_page_are_read_with_their_output_and_exit_code() -> None:
    assert list(commands(PAGE)) == [
        Command(line=4, text="cat > mail.eml <<'END'\nHello\n\nEND", output="", exit=0),
        Command(line=8, text="signoff check mail.eml", output="not a mail", exit=1),
    ]


def test_a_block_that_begins_with_output_is_an_error() -> None:
    with pytest.raises(AssertionError, match="line 2: a console block begins with a command"):
        list(commands("```console\noutput\n```\n"))


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("", ""),
        ("ready", "ready  \n"),
        ("since 2026-11-22 02:45:42Z", "since 2031-01-01 00:00:00Z"),
        ("id 0eb4cefd5c362530a4361b23d838dd24", "id 11111111111111111111111111111111"),
        (
            "https://127.0.0.1:8443/u?qmoe=AQEBtdly07AJPlW8i6RAvYt0bwj7GgFStukoD5",
            "https://127.0.0.1:8443/u?qmoe=AQEBtdm-aj33VUtD4PAdUUkA5hG5wsGUBu8dFd",
        ),
        ("a   b", "a b"),
        ("first\n…\nlast", "first\nanything\nat all\nlast"),
    ],
)
def test_what_differs_from_run_to_run_fits(shown: str, printed: str) -> None:
    assert fits(shown, printed)


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("ready", "not ready"),
        ("ready", "ready\nand more"),
        ("ready", ""),
        ("", "something"),
        ("sequence 1", "sequence 2"),
        ("unsubscribed", "subscribed"),
        ("since 2026-11-22 02:45:42Z", "since -"),
        ("first\n…\nlast", "first\nlost"),
    ],
)
def test_anything_else_does_not(shown: str, printed: str) -> None:
    assert not fits(shown, printed)
