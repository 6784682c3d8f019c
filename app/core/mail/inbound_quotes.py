"""Where other people's words begin: the lines and marks that mail software puts above a mail that
it quotes or forwards.

A quoted mail asks for nothing, whatever tokens it holds (catalogue M5). The words are those of
Outlook, Apple Mail, Gmail, Thunderbird and their like in the languages they are used in most; what
nobody recognises counts as written by the sender.

Cost: a pattern holds the interpreter until it has found something. So the patterns here look for
what is rare, in one short step a line, and the words are looked up in sets.
"""

import re

_FROM = frozenset({
    "from", "von", "de", "da", "van", "från", "fra", "od", "lähettäjä", "kimden", "от", "від",
    "feladó", "de la", "remetente", "expéditeur", "absender", "mittente", "αποστολέασ", "nadawca",
    "odesílatel", "差出人", "送信者", "发件人", "發件人", "寄件者", "보낸 사람", "보낸사람", "من", "מאת", "จาก", "từ",
    "dari", "प्रेषक",
})  # fmt: skip
_NEXT = frozenset({
    "sent", "date", "to", "cc", "bcc", "subject", "reply-to", "gesendet", "datum", "an", "betreff",
    "envoyé", "à", "a", "objet", "enviado", "enviado el", "fecha", "para", "asunto", "enviada",
    "enviada em", "data", "assunto", "inviato", "oggetto", "verzonden", "aan", "onderwerp",
    "skickat", "till", "ämne", "sendt", "til", "emne", "dato", "wysłano", "do", "temat", "odesláno",
    "komu", "předmět", "gönderme", "gönderildi", "tarih", "kime", "konu", "отправлено", "дата",
    "кому", "тема", "надіслано", "lähetetty", "vastaanottaja", "aihe", "elküldve", "címzett",
    "tárgy", "trimis", "către", "subiect", "στάλθηκε", "προσ", "θέμα", "送信日時", "日付", "宛先", "件名",
    "发送时间", "日期", "收件人", "主题", "傳送日期", "收件者", "主旨", "보낸 날짜", "날짜",
    "받는 사람", "받는사람", "제목", "تاريخ",
    "إلى", "الموضوع", "נשלח", "אל", "נושא", "ส่ง", "ถึง", "เรื่อง", "đã gửi", "đến", "chủ đề",
    "dikirim", "kepada", "subjek",
})  # fmt: skip
_HEADS = frozenset({
    "return-path", "received", "delivered-to", "x-original-to", "dkim-signature", "message-id",
    "mime-version", "list-unsubscribe", "list-unsubscribe-post", "list-id",
})  # fmt: skip
# lines behind the first field in which the second one stands, for a long field is folded
_LOOK_AHEAD = 4
_BEGINNING = r"^[ \t>*_]{0,8}"
_FIELD = re.compile(
    _BEGINNING
    + r"(?P<name>[^\W\d_][^\s:：*]{0,30}(?: [^\s:：*]{1,20}){0,2})(?:\*{1,2})?[ \t]?[:：]",
    re.MULTILINE,
)
_RULE = re.compile(
    _BEGINNING + r"(?:-{2,}[^\n-]{3,80}-{2,}|_{10,}|Begin forwarded message:)", re.MULTILINE
)
QUOTED_LINE = re.compile(r"^[ \t]*(?:>|\|[ \t]).*$", re.MULTILINE)
QUOTE_MARKS = re.compile(r"^[ \t]*(?:>[ \t]?)+", re.MULTILINE)

_MARKED_ELEMENTS = (  # what stands in the tag of an element that holds a quote
    "blockquote",
    "gmail_quote",
    "divrplyfwdmsg",
    "appendonsend",
    "yahoo_quoted",
    "moz-cite-prefix",
    "moz-forward-container",
    "protonmail_quote",
    "tutanota_quote",
    "outlookmessageheader",
    "mail-editor-reference-message-container",
    "ms-outlook-mobile-reference-message",
    "messagereplysection",
    "isreplycontent",
    "zmail_extra",
)
_DRAWN = (
    "border-top:solid #e1e1e1",
    "border-top:solid #b5c4df",
    "-----original",
    "----- original",
    "------ forwarded",
)
_LONGEST_TAG = 2000
_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def beginning_in_text(text: str) -> int:
    """Return where a plain text begins to quote: at a ruled line with words in it, at the fields of
    a mail, at a pasted head of one.

    The length of the text when it quotes nothing.
    """
    ruled = _RULE.search(text)
    end = ruled.start() if ruled else len(text)
    for field in _FIELD.finditer(text, 0, end):
        name = field["name"].casefold()
        if name in _HEADS or (name in _FROM and _another_follows(text, field.end())):
            return field.start()
    return end


def _another_follows(text: str, at: int) -> bool:
    """Tell whether one of the next lines is a field that mail software writes below the sender of a
    quoted mail.
    """
    for _ in range(_LOOK_AHEAD):
        at = text.find("\n", at) + 1
        found = _FIELD.match(text, at) if at else None
        if found:
            return found["name"].casefold() in _NEXT
        if not at or text[at : at + 1] not in (" ", "\t"):
            return False
    return False


def beginning_in_html(source: str) -> int:
    """Return where HTML begins to quote: at an element of a quote, at the rule that Outlook draws
    above one, at the words of a forward.

    The length of the source when it quotes nothing.
    """
    lowered, end = source.translate(_LOWER), len(source)
    for mark in _DRAWN:
        end = at if (at := lowered.find(mark, 0, end)) >= 0 else end
    for mark in _MARKED_ELEMENTS:
        at = lowered.find(mark, 0, end)
        while at >= 0 and not _is_in_tag(lowered, at):
            at = lowered.find(mark, at + 1, end)
        end = lowered.rfind("<", 0, at) if at >= 0 else end
    return end


def _is_in_tag(source: str, at: int) -> bool:
    opened = source.rfind("<", max(0, at - _LONGEST_TAG), at)
    return (
        opened > source.rfind(">", max(0, at - _LONGEST_TAG), at)
        and source[opened + 1 : opened + 2].isalpha()
    )
