"""The check finds a way out in any language and character set that mail is written in, and takes
nothing else for one.
"""

import html
import urllib.parse

import pytest

from app.core.mail import lint
from app.core.mail.lint.phrases import PHRASES
from tests.core.mail.test_lint import HEAD, LU, LUP

LABELS = {
    "bn": "আনসাবস্ক্রাইব করুন", "eu": "Utzi harpidetza", "ga": "Díliostáil",
    "is": "Afskrá mig", "mt": "Neħħi s-sottoskrizzjoni", "sq": "Çabonohu", "ta": "குழுவிலகு",
    "ur": "ان سبسکرائب کریں",
    "ar": "إلغاء الاشتراك", "ca": "Donar-se de baixa", "cs": "Odhlásit odběr",
    "cy": "Dad-danysgrifio", "da": "Afmeld nyhedsbrev", "de": "Vom Newsletter abmelden",
    "en": "Unsubscribe", "es": "Cancelar suscripción", "et": "Loobu tellimusest",
    "fi": "Peruuta tilaus", "fr": "Se désabonner", "he": "להסרה מרשימת התפוצה", "hu": "Leiratkozás",
    "id": "Berhenti berlangganan", "it": "Annulla l'iscrizione", "ja": "配信停止はこちら", "ko": "수신거부",
    "lt": "Atsisakyti prenumeratos", "lv": "Atrakstīties", "nl": "Afmelden", "pl": "Wypisz się",
    "pt": "Cancelar inscrição", "ro": "Dezabonare", "ru": "Отписаться", "sr": "Odjavite se",
    "sv": "Avregistrera", "th": "ยกเลิกการรับข่าวสาร", "tr": "Abonelikten çık", "uk": "Відписатися",
    "vi": "Hủy đăng ký", "zh-Hans": "退订", "zh-Hant": "取消訂閱",
}  # fmt: skip
CHARSETS = [
    ("iso-8859-1", "Se désabonner"), ("iso-8859-15", "Cancelar suscripción"),
    ("windows-1252", "Darme de baja"), ("iso-8859-2", "Odhlásit odběr"),
    ("iso-2022-jp", "配信停止はこちら"), ("shift_jis", "配信停止はこちら"), ("euc-jp", "配信停止はこちら"),
    ("koi8-r", "Отписаться"), ("windows-1251", "Отписаться"), ("gb2312", "退订"), ("gb18030", "取消订阅"),
    ("big5", "取消訂閱"), ("euc-kr", "수신거부"), ("windows-1254", "Abonelikten çık"),
    ("windows-1255", "להסרה מרשימת התפוצה"), ("windows-1256", "إلغاء الاشتراك"),
    ("utf-16", "Désinscription"), ("utf-7", "Se désabonner"),
]  # fmt: skip


def found(body: bytes, kind: str = "text/html", charset: str = "utf-8") -> set[str]:
    head = (
        f"{HEAD}{LU}{LUP}MIME-Version: 1.0\r\nContent-Type: {kind};"
        f" charset={charset}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    )
    return {finding.code for finding in lint.judge(head.encode() + body, None)} & {
        "body-no-link",
        "body-host-not-public",
        "placeholder-left",
    }


def page(label: str, url: str = "https://acme.example/x/8f3a") -> str:
    return (
        f'<p>Hello.</p>\r\n<p><a style="{"color: #333; " * 50}"'
        f' href="{url}"><span>{label}</span></a></p>\r\n'
    )


@pytest.mark.parametrize(("language", "label"), LABELS.items(), ids=LABELS)
def test_a_way_out_is_found_in_every_language(language: str, label: str) -> None:
    """Catalogue N15: by the words that readers click, by the sentence in plain text, and with every
    letter as a reference.
    """
    references = "".join(f"&#{ord(letter)};" for letter in label)

    assert found(page(label).encode()) == set()
    assert found(page(label.upper()).encode()) == set()
    assert found(page(references).encode()) == set()
    assert (
        found(f"Hello.\r\n\r\n{label}: https://acme.example/x/8f3a\r\n".encode(), "text/plain")
        == set()
    )
    assert language in PHRASES


@pytest.mark.parametrize(("charset", "label"), CHARSETS, ids=[charset for charset, _ in CHARSETS])
def test_a_way_out_is_found_in_every_charset(charset: str, label: str) -> None:
    """Catalogue N15."""
    assert found(page(label).encode(charset), charset=charset) == set()


@pytest.mark.parametrize("label", ["הסרה", "Iratkozzon le itt", "メルマガ解除はこちら"])
def test_short_ways_to_say_it_are_found(label: str) -> None:
    """Catalogue N15."""
    assert "body-no-link" not in found(page(label).encode())


def test_named_references_and_urls_name_a_way_out() -> None:
    """Catalogue N15."""
    assert found(page("Se d&eacute;sabonner").encode()) == set()
    assert found(page("hier", "https://acme.example/unsub-email/8f3a").encode()) == set()
    assert (
        found(page(html.escape("here"), "mailto:leave@acme.example?subject=unsubscribe").encode())
        == set()
    )


@pytest.mark.parametrize(
    "url",
    [
        "http://https://acme.example/unsubscribe", "#", "/unsubscribe", "unsubscribe",
        "http://localhost/unsubscribe", "https://10.0.0.1/unsubscribe", "[unsubscribe]",
        "<% unsubscribe %>", "{$unsubscribe}", "{{{X}}}", "###x###", "http://::x::",
        "javascript:unsubscribe()", "mailto:", "mailto:leave@localhost", "", "https://unsubscribe",
    ],
)  # fmt: skip
def test_a_link_that_leads_nowhere_is_no_way_out(url: str) -> None:
    """Catalogue N15: a way out is an absolute URL of the web with a public host, or a mailto."""
    no_way_out = {"body-no-link", "body-host-not-public"}
    assert no_way_out & found(page("Unsubscribe", url).encode())
    assert no_way_out & found(page("Unsubscribe", urllib.parse.quote(url, safe="") or "#").encode())


@pytest.mark.parametrize(
    "label",
    [
        "Shop now",
        "Don't unsubscribe",
        "Privacy preferences",
        "Read more",
        "订阅",
        "Abonnieren",
        "S'abonner",
    ],
)
def test_other_words_name_no_way_out(label: str) -> None:
    """Catalogue N15."""
    assert found(page(label).encode()) == {"body-no-link"}


@pytest.mark.parametrize(
    "unit",
    [
        b'<a href="',
        b"<a ",
        b"<!--",
        b"<style>",
        b"&#",
        b"(((",
        b"http://[",
        b"*|",
        b"{{",
        b"<" * 9 + b">",
    ],
)
def test_three_megabytes_of_anything_are_judged(unit: bytes) -> None:
    """Catalogue N15: linear; the whole suite stands still when it is not."""
    assert "body-no-link" in found(unit * (3_000_000 // len(unit)))
