"""Where other people's words begin: the lines and marks that mail software puts above a mail that it quotes or forwards.

A quoted mail asks for nothing, whatever tokens it holds (catalogue M5). The words are those of Outlook, Apple Mail, Gmail, Thunderbird and
their like in the languages they are used in most; what nobody recognises counts as written by the sender.
"""

import re

_FROM = (
    "From|Von|De|Da|Van|Från|Fra|Od|Lähettäjä|Kimden|От|Від|Feladó|De la|Remetente|Expéditeur|Absender|Mittente|"
    "Αποστολέας|Nadawca|Odesílatel|差出人|送信者|发件人|發件人|寄件者|보낸 사람|보낸사람|من|מאת|จาก|Từ|Dari|प्रेषक"
)
_NEXT = (
    "Sent|Date|To|Cc|Bcc|Subject|Reply-To|Gesendet|Datum|An|Betreff|Envoyé|À|A|Objet|Enviado(?: el)?|Fecha|Para|"
    "Asunto|Enviada(?: em)?|Data|Assunto|Inviato|Oggetto|Verzonden|Aan|Onderwerp|Skickat|Till|Ämne|Sendt|Til|Emne|"
    "Dato|Wysłano|Do|Temat|Odesláno|Komu|Předmět|Gönderme|Gönderildi|Tarih|Kime|Konu|Отправлено|Дата|Кому|Тема|"
    "Надіслано|Lähetetty|Vastaanottaja|Aihe|Elküldve|Címzett|Tárgy|Trimis|Către|Subiect|Στάλθηκε|Προς|Θέμα|送信日時|"
    "日付|宛先|件名|发送时间|日期|收件人|主题|傳送日期|收件者|主旨|보낸 날짜|날짜|받는 사람|받는사람|제목|تاريخ|إلى|"
    "الموضوع|נשלח|אל|נושא|ส่ง|ถึง|เรื่อง|Đã gửi|Đến|Chủ đề|Dikirim|Kepada|Subjek"
)
_LINE = r"^[ \t>*_]{0,8}"
_MARKED = r"\*{0,2}[ \t]?[:：]"  # the colon of a field that mail software may have made bold
_HEADS = (
    "Return-Path|Received|Delivered-To|X-Original-To|DKIM-Signature|Message-ID|MIME-Version|List-Unsubscribe|List-Unsubscribe-Post|List-Id"
)

# In a plain text: a ruled line with words in it, the fields of a quoted mail in any order, the head of a mail as it was sent.
IN_TEXT = re.compile(
    rf"{_LINE}(?:-{{2,}}[^\n-]{{3,80}}-{{2,}}|_{{10,}}|Begin forwarded message:"
    rf"|(?:{_FROM}){_MARKED}[^\n]*\n(?:[ \t][^\n]*\n){{0,3}}{_LINE}(?:{_NEXT}){_MARKED}"
    rf"|(?:{_HEADS}):[ \t])",
    re.IGNORECASE | re.MULTILINE,
)
QUOTED_LINE = re.compile(r"^[ \t]*(?:>|\|[ \t]).*$", re.MULTILINE)
QUOTE_MARKS = re.compile(r"^[ \t]*(?:>[ \t]?)+", re.MULTILINE)

_CLASSES = (
    "gmail_quote|divRplyFwdMsg|appendonsend|yahoo_quoted|moz-cite-prefix|moz-forward-container|protonmail_quote|"
    "tutanota_quote|OutlookMessageHeader|mail-editor-reference-message-container|ms-outlook-mobile-reference-message|"
    "messageReplySection|isReplyContent|zmail_extra"
)
# In HTML: an element of a quote, the rule that Outlook draws above one, or the words of a forwarded mail.
IN_HTML = re.compile(
    rf"<blockquote\b|<[a-z]{{1,20}}\b[^<>]*\b(?:{_CLASSES})\b|border-top:\s*solid\s*#(?:E1E1E1|B5C4DF)|-----\s*Original|-{{6,}} Forwarded",
    re.IGNORECASE,
)
