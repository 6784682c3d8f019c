"""Every reply that there is, and the keywords that EHLO may hold."""

import ast
import re
from pathlib import Path

import pytest

from smtp_proxy import replies
from smtp_proxy.replies import SMTP_REPLY, Reply, wire

ROOT = Path(__file__).resolve().parents[2]
EVERY = {name: value for name, value in vars(replies).items() if isinstance(value, Reply)}
EVERY |= {error.__name__: reply for error, reply in SMTP_REPLY.items()}


@pytest.mark.parametrize("name", EVERY)
def test_a_reply_has_an_enhanced_code_of_its_own_class(name: str) -> None:
    """Catalogue S13: RFC 2034 4 and RFC 3463 2."""
    line = wire(EVERY[name])

    assert re.fullmatch(rb"[245][0-9]{2} [245]\.[0-9]{1,3}\.[0-9]{1,3} [ -~]+\r\n", line)
    assert line[:1] == line[4:5]
    assert len(line) <= 512  # RFC 5321 4.5.3.1.5


def test_nothing_else_is_said_without_an_enhanced_code_but_what_rfc_2034_exempts() -> None:
    """Catalogue S13: each `say_raw` is a greeting, the answer to a hello, or an intermediate
    3yz.
    """
    said: list[str] = []
    for path in sorted((ROOT / "smtp_proxy/session").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "say_raw"
            ):
                said.append(ast.unparse(node.args[0]))

    assert len(said) == 4
    for start in ("f'220 ", "b'334 '", "b'354 ", "'250-"):
        assert any(start in text.replace('f"', "f'").replace('"', "'") for text in said), (
            start,
            said,
        )
