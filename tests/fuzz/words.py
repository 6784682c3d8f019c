"""Words of each language that is fuzzed: what its parsers look for."""

MAIL = (
    b'\r\n', b'\r\n\r\n', b'\r\n ', b'\n', b'\r', b'\x00', b'From: a@acme.example\r\n',
    b'From : x@shop.example\r\n', b'Sender: b@x.example\r\n', b'X-Signoff-Campaign: s\r\n',
    b'X-Signoff-Test: yes\r\n', b'X-Signoff-Groups: =?utf-8?B?4pyT?=\r\n',
    b'Content-Type: multipart/mixed; boundary=b\r\n', b'Content-Transfer-Encoding: base64\r\n',
    b'Content-Type: text/html; charset=iso-2022-jp\r\n', b'--b\r\n', b'--b--\r\n', b'<a href="',
    b'&#55296;', b'List-Unsubscribe: <mailto:', b'=?utf-8?Q?=FF?=', b'(', b'<', b'>', b'"', b'\\',
    b'@', b'\xc3\xa9', b'\xff', b'=\r\n', b'u-AAAA@in.acme.example',
)  # fmt: skip

SMTP = (
    b'EHLO x\r\n', b'LHLO x\r\n', b'MAIL FROM:<a@acme.example>', b'MAIL FROM:<>\r\n',
    b' BODY=8BITMIME', b' SMTPUTF8', b' SIZE=9', b' RET=FULL\r\n', b'RCPT TO:<b@x.example>',
    b' ORCPT=rfc822;a+40b\r\n', b'DATA\r\n', b'\r\n.\r\n', b'\n.\n', b'\r.\r', b'RSET\r\n',
    b'NOOP\r\n', b'STARTTLS\r\n', b'AUTH PLAIN AA==\r\n', b'XCLIENT ADDR=1.2.3.4\r\n',
    b'BDAT 5 LAST\r\n', b'\x00', b'\xff', b'<<', b'"', b" " * 600,
)  # fmt: skip

HTTP = (
    b'GET ', b'POST ', b'HEAD ', b'OPTIONS * ', b'/u?qmoe=AQEB', b'/u/',
    b'/v1/emailunsubscribe?qmoe=', b'/e?e=', b'/a?d=', b'/preferences?e=', b' HTTP/1.1\r\n',
    b' HTTP/1.0\r\n', b'Host: a\r\n', b'Content-Length: 5\r\n', b'Content-Length: 26\r\n',
    b'Transfer-Encoding: chunked\r\n', b'Connection: close\r\n', b'Expect: 100-continue\r\n',
    b'Upgrade: h2c\r\n', b'0\r\n\r\n', b'\r\n\r\n', b'\n\n', b'List-Unsubscribe=One-Click',
    b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', b'\x00', b'\xff', b'%', b'%00', b'..',
)  # fmt: skip

LIST = (
    b',', b';', b'\t', b'"', b'\n', b'\r\n', b'email', b'status', b'subscribed', b'unsubscribed',
    b'true', b'tags', b'[', b']', b'{', b'}', b':', b'"email":"a@x.com"', b'created_at', b'a@x.com',
    b'\xef\xbb\xbf', b'\xff\xfe', b'\x00', b'\\u0000', b'sep=;\n',
)  # fmt: skip
