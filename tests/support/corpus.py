"""The sample mails: every file of `tests/samples`, and every odd header block joined with every odd
body.
"""

from pathlib import Path

SAMPLES_DIR = Path(__file__).resolve().parents[1] / "samples"

_HEADS = {
    "plain": b"From: news@acme.example\r\nTo: ann@example.net\r\nSubject: Spring\r\n",
    "no_recipient": b"From: news@acme.example\r\nMessage-ID: <1@acme.example>\r\n",
    "blank_runs": (
        b"From: \t Acme  <news@acme.example> \t\r\nSubject: a  b\tc \t d\r\n\te\r\nX-Other:\r\n"
    ),
    "long_values": (
        b"From: news@acme.example\r\nSubject: "
        + b"word " * 190
        + b"\r\nReferences:"
        + b"\r\n <id@acme.example>" * 100
        + b"\r\n"
    ),
    "many_fields": (
        b"From: news@acme.example\r\n" + b"".join(b"X-Note-%d: %d\r\n" % (n, n) for n in range(200))
    ),
    "eight_bit": (
        b"Subject: \xc3\xa9\xff\r\nFrom: \xff <news@acme.example>\r\nCc: \xe2\x82\xac"
        b" <a@example.net>\r\n"
    ),
}
_BODIES = {
    "empty": b"",
    "one_blank_line": b"\r\n",
    "text": b"one line\r\n",
    "blank_line_inside": b"one\r\n\r\n\r\ntwo\r\n",
    "blanks_before_line_ends": b"one \t\r\n \t \r\ntwo  three\t\tfour\r\n \r\n\r\n",
    "no_final_line_end": b"one\r\ntwo ",
}

NAMED: dict[str, bytes] = {
    path.stem: path.read_bytes() for path in sorted(SAMPLES_DIR.glob("*.eml"))
}
MAILS: dict[str, bytes] = NAMED | {
    f"{head}+{body}": head_bytes + b"\r\n" + body_bytes
    for head, head_bytes in _HEADS.items()
    for body, body_bytes in _BODIES.items()
}
