"""Odd mails of our own making, one oddity each, as the content of one DATA command.

The families: From fields that few parsers agree on; field syntax at and beyond the edge of RFC
5322; MIME structures that do not close, nest or name themselves; bodies that meet the edges of
lines, buffers and transfer encodings; fields of mailing software and of signers.
"""

from collections.abc import Iterator

from tests.support.corpus import MAILS

_FROM = b"From: Acme <news@acme.example>\r\n"
_REST = (
    b"To: Ann <ann@example.net>\r\nSubject: Spring\r\nMessage-ID: <1@acme.example>\r\nDate: Tue, 03"
    b" Mar 2026 09:00:00 +0000\r\n"
)
_HEAD = _FROM + _REST
_TEXT = b"Hello Ann,\r\n\r\nSpring is here.\r\n"

_SENDERS = {
    "bare": b"news@acme.example",
    "no_blank": b"<news@acme.example>",
    "tab": b"\tnews@acme.example",
    "blanks_behind": b" news@acme.example \t ",
    "quoted_name": b' "Acme, Inc. <x@evil.example>" <news@acme.example>',
    "escaped_name": b' "A \\"B\\" \\\\" <news@acme.example>',
    "comment_before": b" (x@evil.example) news@acme.example",
    "comment_behind": b" news@acme.example (Acme (nested \\) deep))",
    "comments_around": b" (a) Acme (b) <news@acme.example> (c)",
    "encoded_word": b" =?utf-8?B?QWNtw6k=?= <news@acme.example>",
    "encoded_words_folded": b" =?utf-8?Q?Ac?=\r\n =?utf-8?Q?m=C3=A9?= <news@acme.example>",
    "folded_before": b"\r\n Acme <news@acme.example>",
    "folded_thrice": b" Acme\r\n\t<news@acme.example>\r\n ",
    "utf8_name": b" Acm\xc3\xa9 <news@acme.example>",
    "latin1_name": b" Acm\xe9 <news@acme.example>",
    "quoted_local": b' "news letter"@acme.example',
    "quoted_at": b' "a@evil.example"@acme.example',
    "upper": b" NEWS@ACME.EXAMPLE",
    "subdomain": b" Acme <news@news.acme.example>",
    "two_mailboxes": b" a@acme.example, b@acme.example",
    "two_brands_domains": b" a@acme.example, b@news.acme.example",
    "empty_elements": b" , a@acme.example,, ",
    "group": b" Acme: a@acme.example, b@acme.example;",
    "plus": b" news+spring=24@acme.example",
    "dots_in_name": b" Acme Inc. v2.0 <news@acme.example>",
    "name_with_at_in_quotes": b' "ann@example.net via" <news@acme.example>',
    "long_name": b" " + b"x" * 900 + b" <news@acme.example>",
    # nobody knows for certain whose mail these are
    "empty": b"",
    "null": b" <>",
    "name_only": b" Acme",
    "no_domain": b" <news>",
    "two_angles": b" <news@acme.example> <x@evil.example>",
    "angle_in_angle": b" <news@acme.example<x@evil.example>>",
    "route": b" <@evil.example:news@acme.example>",
    "literal": b" <news@[127.0.0.1]>",
    "open_quote": b' "Acme <news@acme.example>',
    "open_comment": b" (Acme <news@acme.example>",
    "open_group": b" Acme: a@acme.example",
    "stray_semicolon": b" a@acme.example;",
    "blank_in_address": b" news @ acme.example",
    "dot_at_end": b" news@acme.example.",
    "unquoted_at_in_name": b" ann@example.net <news@acme.example>",
    "endless": b" " + b"x" * 2100 + b" <news@acme.example>",
    "foreign": b" x@evil.example",
    "foreign_and_ours": b" news@acme.example, x@evil.example",
    "lookalike": b" news@acme.example.evil.example",
    "utf8_domain_unknown": "News <news@\u0430cme.example>".encode(),
}

_FIELDS = {
    "no_blank_behind_colon": b"X-A:b\r\n",
    "empty_value": b"X-A:\r\n",
    "blank_value": b"X-A: \t \r\n",
    "blank_lines_in_fold": b"X-A: a\r\n \r\n\t\r\n b\r\n",
    "fold_of_blanks_at_end": b"X-A: a\r\n   \r\n",
    "fold_before_value": b"X-A:\r\n a\r\n",
    "tabs": b"X-A:\ta\tb\r\n\tc\r\n",
    "odd_name": b"!#$%&'*+-./^_`|~{}()<>@,;\"[]?=\\: a\r\n",
    "one_letter": b"X: a\r\n",
    "long_name": b"X-" + b"a" * 900 + b": a\r\n",
    "digits": b"123: 456\r\n",
    "name_of_colons": b"X-A::: a: b\r\n",
    "case": b"sUbJeCt-x: A\r\nX-a: 1\r\nx-A: 2\r\n",
    "same_twice": b"X-A: a\r\nX-A: a\r\n",
    "controls": b"X-A: \x01\x07\x08\x1b[31m\x7f\r\n",
    "vertical": b"X-A: a\x0b\x0cb\r\n",
    "latin1": b"X-A: \xe9\xff\xa0\r\n",
    "utf8": "X-A: \u00e9\u20ac\U0001f600\r\n".encode(),
    "broken_utf8": b"X-A: \xc3\x28\xf0\x28\x8c\xbc\r\n",
    "encoded_word_broken": b"X-A: =?utf-8?Q?=C3?= =?nope?X?abc?= =?utf-8?B?####?=\r\n",
    "line_998": b"X-A: " + b"a" * 993 + b"\r\n",
    "line_999": b"X-A: " + b"a" * 994 + b"\r\n",
    "line_5000": b"X-A: " + b"a" * 4995 + b"\r\n",
    "field_at_cap": b"X-A: " + b"a" * (32 * 1024 - 7) + b"\r\n",
    "field_over_cap": b"X-A: " + b"a" * (32 * 1024 - 6) + b"\r\n",
    "folds_500": b"References:" + b"\r\n <a@b.example>" * 500 + b"\r\n",
    "fields_at_cap": b"X-A: a\r\n" * 4995,
    "fields_over_cap": b"X-A: a\r\n" * 4996,
    "head_over_cap": (b"X-A: " + b"a" * 993 + b"\r\n") * 520,
    "colon_after_blank": b"X-A : a\r\n",
    "no_colon": b"X-A a\r\n",
    "only_colon": b": a\r\n",
    "latin1_in_name": b"X-\xe9: a\r\n",
    "control_in_name": b"X-\x01: a\r\n",
    "received_50": b"Received: from a by b; Tue, 03 Mar 2026 09:00:00 +0000\r\n" * 50,
    "received_51": b"Received: from a by b; Tue, 03 Mar 2026 09:00:00 +0000\r\n" * 51,
    "return_path": b"Return-Path: <x@acme.example>\r\n",
    "bcc": b"Bcc: c@example.net\r\n",
    "bcc_twice": b"Bcc: c@example.net\r\nX-A: a\r\nbcc:\r\n d@example.net\r\n",
    "resent": (
        b"Resent-From: a@example.net\r\nResent-Bcc: c@example.net\r\nResent-To: b@example.net\r\n"
    ),
    "date_odd": b"X-Date: Tue, 31 Feb 26 25:61 PDT\r\n",
    "control_unknown": (
        b"X-Signoff-: a\r\nX-Signoff-Nonsense: b\r\n c\r\nX-Signoffs: stays\r\nX-Sign-Off:"
        b" stays\r\n"
    ),
    "control_odd_case": b"x-SIGNOFF-nonsense:a\r\n",
    "ours_once": (
        b"List-Unsubscribe: <https://acme.example/u>\r\nList-Unsubscribe-Post:"
        b" List-Unsubscribe=One-Click\r\n"
    ),
    "ours_folded": (
        b"LIST-UNSUBSCRIBE:\r\n <mailto:u@acme.example>,\r\n\t<https://acme.example/u>\r\n"
    ),
    "ours_thrice": (
        b"List-Unsubscribe: a\r\nX-A: a\r\nlist-unsubscribe: b\r\nList-Unsubscribe-Post:"
        b" b\r\nList-unsubscribe: c\r\n"
    ),
    "ours_alike": (
        b"List-Unsubscribed: a\r\nX-List-Unsubscribe: b\r\nList-Unsubscribe-Posted: c\r\n"
    ),
    "list_fields": (
        b"List-Id: <l.acme.example>\r\nList-Post: NO\r\nList-Help:"
        b" <mailto:h@acme.example>\r\nPrecedence: list\r\n"
    ),
    "feedback": (
        b"Feedback-ID: a:b:c:acme\r\nX-CSA-Complaints: c@acme.example\r\nCFBL-Address:"
        b" f@acme.example\r\n"
    ),
    "dkim_foreign": (
        b"DKIM-Signature: v=1; a=rsa-sha256; d=other.example; s=x; h=from:list-unsubscribe; bh=;"
        b" b=abc\r\n"
    ),
    "dkim_broken": b"DKIM-Signature: nonsense;;; h=\r\n",
    "arc": (
        b"ARC-Seal: i=1; cv=none\r\nARC-Message-Signature: i=1\r\nARC-Authentication-Results: i=1;"
        b" x\r\n"
    ),
    "smtpapi_broken": b'X-SMTPAPI: {"asm_group_id": [1, {]\r\n',
    "smtpapi_deep": b"X-SMTPAPI: " + b"[" * 900 + b"\r\n",
    "ses": b"X-SES-LIST-MANAGEMENT-OPTIONS: ;;==;topicName=;contactListName\r\n",
    "mailgun": b"X-Mailgun-Tag: spring\r\nX-Mailgun-Tag: \xff\r\n",
    "postmark": b"X-PM-Message-Stream: broadcast\r\nX-PM-Tag: \r\n",
    "autosubmitted": b"Auto-Submitted: auto-generated\r\n",
    "tls_required": b"TLS-Required: No\r\n",
}
_FIRST = {
    "mbox_mark": b"From news@acme.example Tue Mar  3 09:00:00 2026\r\n",
    "quoted_mbox_mark": b">From news@acme.example Tue Mar  3 09:00:00 2026\r\n",
    "fold_first": b" folded: a\r\n",
    "blank_first": b"\r\n",
    "blanks_first": b" \t\r\n",
    "mark_utf8": b"\xef\xbb\xbf",
}
_REPEATED = (
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Sender",
    "Reply-To",
    "Cc",
    "References",
    "MIME-Version",
    "Content-Type",
)
_MISSING = ("To", "Subject", "Date", "Message-ID", "From")

_TYPES = {
    "empty": b"",
    "blank": b" ",
    "no_slash": b" text",
    "slash": b" /",
    "unknown": b" x-odd/x-type; a=b; c",
    "semicolons": b" text/plain;;; ; charset = utf-8 ;",
    "comment": b" text/plain (really) ; charset=us-ascii (yes)",
    "charset_unknown": b" text/plain; charset=x-klingon",
    "charset_empty": b' text/plain; charset=""',
    "charset_twice": b" text/plain; charset=utf-8; charset=latin1",
    "charset_2231": b" text/plain; charset*=us-ascii'en'utf%2D8",
    "open_quote": b' text/plain; charset="utf-8',
    "upper": b" TEXT/HTML; CHARSET=UTF-8",
    "folded": b"\r\n text/html;\r\n\tcharset=utf-8",
    "latin1": b" text/plain; name=\xe9",
    "multipart_without_boundary": b" multipart/mixed",
    "boundary_empty": b' multipart/mixed; boundary=""',
    "boundary_long": b" multipart/mixed; boundary=" + b"b" * 300,
    "boundary_special": b' multipart/mixed; boundary="b\'()+_,-./:=? x"',
    "boundary_blank_end": b' multipart/mixed; boundary="b "',
    "boundary_utf8": b' multipart/mixed; boundary="\xc3\xa9"',
    "boundary_escaped": b' multipart/mixed; boundary="\\b"',
    "boundary_2231": b" multipart/mixed; boundary*0=b; boundary*1=c",
    "signed": (
        b" multipart/signed; boundary=b; protocol=application/pgp-signature; micalg=pgp-sha256"
    ),
    "encrypted": b" multipart/encrypted; boundary=b; protocol=application/pgp-encrypted",
    "smime": b" application/pkcs7-mime; smime-type=enveloped-data",
    "external": b" message/external-body; access-type=local-file; name=/etc/passwd",
    "partial": b" message/partial; number=1; total=3; id=x",
    "rfc822": b" message/rfc822",
    "report": b" multipart/report; report-type=delivery-status; boundary=b",
    "calendar": b" text/calendar; method=REQUEST; charset=utf-8",
    "amp": b" text/x-amp-html; charset=utf-8",
}
_ENCODINGS = (
    "7bit",
    "8BIT",
    "binary",
    "base64",
    "quoted-printable",
    "x-uuencode",
    "",
    " 7bit ; x",
    "quoted-printable (mostly)",
    "bas\xe964",
)
_QUOTED = {
    "soft_break_at_end": b"abc=",
    "soft_break_only": b"=\r\n=\r\n=\r\n",
    "lower_case_codes": b"caf=c3=a9\r\n",
    "no_code": b"100=% =G1 ==\r\n",
    "blanks_behind_soft_break": b"abc= \t\r\ndef\r\n",
    "line_of_200": b"a" * 200 + b"\r\n",
    "coded_line_ends": b"a=0D=0Ab=0A=0D\r\n",
    "eight_bit": b"caf\xc3\xa9=\r\n\r\n",
    "dot_behind_break": b"abc=\r\n.\r\n..\r\n",
}
_BASE64 = {
    "one_line": b"SGVsbG8gQW5uLCBzcHJpbmcgaXMgaGVyZS4K" * 40 + b"\r\n",
    "no_padding": b"SGVsbG8\r\n",
    "padding_inside": b"SGVsbG8=SGVsbG8=\r\nSGVsbG8=\r\n",
    "five_characters": b"SGVsb\r\n",
    "blanks": b" SGVs bG8=\t\r\n\r\n SGVsbG8=\r\n",
    "strange": b"S*G-V_s!bG8=\r\n-- \r\nlist footer\r\n",
    "empty": b"\r\n\r\n",
    "uneven_lines": b"SGVs\r\nbG8gQW5u\r\nLA==\r\n",
}


def _multipart(
    *parts: bytes, boundary: bytes = b"b", lead: bytes = b"", tail: bytes = b"--b--\r\n"
) -> bytes:
    return lead + b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + tail


def _nested(depth: int) -> bytes:
    body = b"Content-Type: text/plain\r\n\r\ndeep"
    for level in range(depth):
        mark = b"n%d" % level
        body = b"Content-Type: multipart/mixed; boundary=%s\r\n\r\n--%s\r\n%s\r\n--%s--" % (
            mark,
            mark,
            body,
            mark,
        )
    return body


_PART = b"Content-Type: text/plain\r\n\r\none"
_STRUCTURES = {
    "plain": _multipart(_PART, _PART),
    "not_closed": _multipart(_PART, tail=b""),
    "never_opened": b"no delimiter\r\n",
    "only_end": b"--b--\r\n",
    "preamble_and_epilogue": _multipart(_PART, lead=b"before\r\n", tail=b"--b--\r\nafter\r\n\r\n"),
    "delimiter_twice": b"--b\r\n--b\r\n\r\n--b--\r\n",
    "blanks_behind_delimiter": b"--b \t\r\n\r\none\r\n--b-- \r\n",
    "longer_delimiter": b"--b\r\n\r\none\r\n--bb\r\n\r\ntwo\r\n--b--\r\n",
    "part_without_head": b"--b\r\nno head here\r\n--b--\r\n",
    "part_without_empty_line": b"--b\r\nContent-Type: text/plain\r\n--b--\r\n",
    "empty_parts": _multipart(b"", b"\r\n", b""),
    "end_then_more": _multipart(_PART, tail=b"--b--\r\n--b\r\n\r\nlate\r\n--b--\r\n"),
    "ends_without_line_end": _multipart(_PART, tail=b"--b--"),
    "nested_5": _nested(5).partition(b"\r\n\r\n")[2].replace(b"n4", b"b"),
    "nested_40": b"--b\r\n" + _nested(40) + b"\r\n--b--\r\n",
    "parts_1200": _multipart(*[_PART] * 1200),
    "rfc822_inside": _multipart(b"Content-Type: message/rfc822\r\n\r\n" + _HEAD + b"\r\n" + _TEXT),
    "same_boundary_inside": _multipart(
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--"
    ),
    "digest": _multipart(b"\r\nFrom: x@y.example\r\n\r\nx"),
    "part_fields_twice": _multipart(
        b"Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\none"
    ),
    "eight_bit_part": _multipart(b"Content-Type: text/plain; charset=\xe9\r\n\r\n\xe9\xff"),
    "binary_part": _multipart(
        b"Content-Transfer-Encoding: binary\r\n\r\n"
        + bytes(octet for octet in range(1, 256) if octet not in b"\r\n")
    ),
}

_SLICE = 65_536
_BODIES = {
    "all_octets": bytes(octet for octet in range(1, 256) if octet not in b"\r\n") + b"\r\n",
    "dot": b".\r\n",
    "two_dots": b"..\r\n",
    "three_dots": b"...\r\n.. .\r\n",
    "dots_everywhere": b".a\r\n.\r\n..\r\n.\r\n\r\n.\r\nb.\r\n.",
    "dot_and_blank": b". \r\n.\t\r\n",
    "dots_1000": b".\r\n" * 1000,
    "blank_lines_1000": b"\r\n" * 1000,
    "blanks_behind_lines": b"a \t\r\n \r\n\t\r\n",
    "from_lines": b"From a\r\n>From b\r\nFrom: c\r\n",
    "utf16": "Hello".encode("utf-16-le").replace(b"\0", b"\x01") + b"\r\n",
    "iso2022": b"\x1b$B$3$s\x1b(B\r\n",
    "looks_like_commands": (
        b"QUIT\r\nMAIL FROM:<x@evil.example>\r\nRCPT TO:<y@evil.example>\r\nDATA\r\n"
    ),
    "mime_in_plain": b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--\r\n",
    "one_octet": b"x",
    "ends_in_blank": b"abc ",
    "line_64k": b"a" * 70_000 + b"\r\n",
    "head_again": _HEAD + b"\r\n" + _TEXT,
    "megabyte": b"The quick brown fox jumps over the lazy dog, twice.\r\n" * 20_000,
}


def _edges() -> Iterator[tuple[str, bytes]]:
    for length in (
        75,
        76,
        77,
        78,
        79,
        990,
        997,
        998,
        999,
        1000,
        1001,
        2046,
        2047,
        2048,
        2049,
        4096,
    ):
        yield f"line_{length}", b"a" * length + b"\r\nend\r\n"
    for length in range(_SLICE - 4, _SLICE + 4):
        yield f"dot_at_{length}", b"a" * (length - 2) + b"\r\n.b\r\nend\r\n"
        yield f"lines_to_{length}", (b"." * 62 + b"\r\n") * 1030 + b"c" * (length % 64) + b"\r\n"


def _heads() -> Iterator[tuple[str, bytes]]:
    fixed = len(_HEAD) + len(b"X-Pad: \r\n")
    for length in range(16_380, 16_389):  # where the end of the head is first looked for
        pad = b"a" * (length - fixed)
        yield f"head_of_{length}", _HEAD + b"X-Pad: " + pad + b"\r\n\r\n" + _TEXT


def _all() -> Iterator[tuple[str, bytes]]:
    yield from MAILS.items()
    for name, value in _SENDERS.items():
        yield f"from/{name}", b"From:" + value + b"\r\n" + _REST + b"\r\n" + _TEXT
    for name, fields in _FIELDS.items():
        yield f"field/{name}", _HEAD + fields + b"\r\n" + _TEXT
    for name, line in _FIRST.items():
        yield f"first/{name}", line + _HEAD + b"\r\n" + _TEXT
    for name in _REPEATED:
        once = next(
            (
                line
                for line in _HEAD.splitlines(keepends=True)
                if line.startswith(name.encode() + b":")
            ),
            name.encode() + b": a\r\n",
        )
        yield f"twice/{name}", _HEAD.replace(once, b"") + once + once + b"\r\n" + _TEXT
    for name in _MISSING:
        yield (
            f"missing/{name}",
            b"".join(
                line for line in _HEAD.splitlines(True) if not line.startswith(name.encode() + b":")
            )
            + b"\r\n"
            + _TEXT,
        )
    for name, value in _TYPES.items():
        yield (
            f"type/{name}",
            _HEAD
            + b"MIME-Version: 1.0\r\nContent-Type:"
            + value
            + b"\r\n\r\n"
            + _multipart(_PART, _PART),
        )
    for name in _ENCODINGS:
        yield (
            f"encoding/{name}",
            _HEAD + b"Content-Transfer-Encoding:" + name.encode("latin-1") + b"\r\n\r\n" + _TEXT,
        )
    for encoding, texts in ((b"quoted-printable", _QUOTED), (b"base64", _BASE64)):
        for name, text in texts.items():
            field = (
                b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: "
                + encoding
                + b"\r\n"
            )
            yield f"{encoding.decode()}/{name}", _HEAD + field + b"\r\n" + text
    for name, body in _STRUCTURES.items():
        yield (
            f"structure/{name}",
            _HEAD
            + b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
            + body,
        )
    for name, body in (*_BODIES.items(), *_edges()):
        yield f"body/{name}", _HEAD + b"\r\n" + body
    yield from ((f"edge/{name}", mail) for name, mail in _heads())
    yield "edge/nothing", b""
    yield "edge/one_line_end", b"\r\n"
    yield "edge/only_from", b"From: news@acme.example"
    yield "edge/only_from_line", b"From: news@acme.example\r\n"
    yield "edge/body_only", b"\r\nHello\r\n"


ODD_MAILS: dict[str, bytes] = dict(_all())
