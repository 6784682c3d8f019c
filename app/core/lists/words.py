"""The words by which lists say that somebody has left or is subscribed, and the usual names of
columns, without case and punctuation.
"""

import re

LEFT_WORDS = frozenset(
    [
        "unsubscribed",
        "unsubscribe",
        "unsub",
        "optedout",
        "optout",
        "out",
        "left",
        "blocklisted",
        "blacklisted",
        "blocked",
        "suppressed",
        "cleaned",
        "bounced",
        "bounce",
        "hardbounce",
        "hardbounced",
        "complained",
        "complaint",
        "spam",
        "spamcomplaint",
        "spamreport",
        "abuse",
        "manualsuppression",
        "removed",
        "revoked",
        "withdrawn",
        "denied",
        "unsubscribedall",
        "globallyunsubscribed",
        "neversubscribe",
    ]
)
SUBSCRIBED_WORDS = frozenset(
    [
        "subscribed",
        "subscribe",
        "active",
        "enabled",
        "confirmed",
        "optedin",
        "optin",
        "in",
        "granted",
        "allowed",
    ]
)
YES, NO = (
    frozenset(["true", "1", "yes", "y", "t", "on"]),
    frozenset(("false", "0", "no", "n", "f", "off", "")),
)
ANSWERS = frozenset(  # a number may be a count
    "true false yes no y n t f on off ja nein oui non si sí não sim nej nei kyllä tak nie ano evet hayır да нет так ні "  # noqa: SIM905 - read as a row
    "wahr falsch vrai faux verdadero falso verdadeiro vero".split()
)
ASKS_FOR_MAIL = re.compile(
    r"receiv|mail|news|market|accept|agree|permission|allow|want|erw|empf|recoit|reçoit|recib|acept|abon"
)
NO_VALUE = frozenset(
    (
        "",
        "null",
        "none",
        "nil",
        "na",
        "nan",
        "never",
        "n",
        "no",
        "false",
        "0",
        "00000000000000",
        "00000000",
        "undefined",
    )
)
DATE = re.compile(r"\d{1,4}[-/.]\s?\d{1,2}[-/.]\s?\d{1,4}|\d{1,2}:\d{2}|\b(?:19|20)\d{2}\b")
OPEN_STATES = frozenset(("unconfirmed", "inactive", "pending", "notconfirmed", "unverified"))
STATUS = frozenset(
    [
        "status",
        "subscriptionstatus",
        "subscriberstatus",
        "emailstatus",
        "contactstatus",
        "memberstatus",
        "emailsubscriptionstatus",
        "emailmarketingstatus",
        "marketingstatus",
        "consentstatus",
        "consent",
        "emailconsent",
        "emailmarketingconsent",
        "optinstatus",
        "unsubscribestatus",
        "subscription",
        "statut",
        "estado",
        "estatus",
        "stato",
    ]
)
# columns as the exports of other languages call them; accents stand as they are written
LEAVING_ELSEWHERE = (
    "abgemeldetam",
    "abmeldedatum",
    "abbestelltam",
    "ausgetragenam",
    "datedésinscription",
    "datededésinscription",
    "datededesinscription",
    "désinscritle",
    "désabonnéle",
    "fechadebaja",
    "fechabaja",
    "fechadecancelación",
    "datadidisiscrizione",
    "datadisiscrizione",
    "disiscrittoil",
    "uitgeschrevenop",
    "afgemeldop",
    "uitschrijfdatum",
    "datadecancelamento",
    "datadedescadastro",
    "avregistreringsdatum",
    "avmeldtdato",
    "afmeldtdato",
    "datawypisania",
    "datarezygnacji",
    "datumodhlášení",
    "dátumodhlásenia",
    "leiratkozásdátuma",
    "leiratkozásideje",
    "ayrılmatarihi",
    "aboneliktençıkmatarihi",
    "датаотписки",
    "датавідписки",
    "退订时间",
    "退订日期",
    "退訂時間",
    "取消訂閱時間",
    "配信停止日",
    "配信停止日時",
    "수신거부일",
    "수신거부일시",
)
COMING_ELSEWHERE = (
    "angemeldetam",
    "anmeldedatum",
    "bestätigtam",
    "dateinscription",
    "datedinscription",
    "inscritle",
    "fechadealta",
    "fechadesuscripción",
    "datadiiscrizione",
    "dataiscrizione",
    "ingeschrevenop",
    "aangemeldop",
    "inschrijfdatum",
    "datadeinscrição",
    "datazapisu",
    "датаподписки",
    "订阅时间",
    "登録日",
)
LEFT_ELSEWHERE = frozenset(
    [
        "abgemeldet",
        "abbestellt",
        "ausgetragen",
        "désinscrit",
        "désabonné",
        "desuscrito",
        "dadodebaja",
        "disiscritto",
        "uitgeschreven",
        "afgemeld",
        "descadastrado",
        "avregistrerad",
        "avmeldt",
        "afmeldt",
        "wypisany",
        "odhlášen",
        "leiratkozott",
        "отписался",
        "отписан",
        "відписався",
        "已退订",
        "已退訂",
    ]
)
COMES_ELSEWHERE = frozenset(
    [
        "angemeldet",
        "abonniert",
        "inscrit",
        "abonné",
        "suscrito",
        "iscritto",
        "ingeschreven",
        "aangemeld",
        "inscrito",
        "zapisany",
        "подписан",
        "已订阅",
    ]
)
LEFT_IF_YES = frozenset(
    [
        "unsubscribed",
        "isunsubscribed",
        "unsubscribe",
        "unsub",
        "optedout",
        "isoptedout",
        "optout",
        "hasoptedout",
        "hasoptedoutofemail",
        "emailoptout",
        "optoutemail",
        "emailoptedout",
        "optedoutofemail",
        "optedoutofallemail",
        "unsubscribedfromallemail",
        "unsubscribeall",
        "unsubscribedall",
        "globalunsubscribe",
        "emailblacklisted",
        "blacklisted",
        "isblacklisted",
        "blocklisted",
        "isblocklisted",
        "blacklist",
        "blocklist",
        "suppressed",
        "issuppressed",
        "donotemail",
        "donotcontact",
        "donotmail",
        "noemail",
        "emailsuppressed",
        "blocked",
        "isblocked",
        "bounced",
        "isbounced",
        "complained",
        "removed",
        *LEFT_ELSEWHERE,
    ]
)
LEFT_IF_NO = frozenset(
    [
        "subscribed",
        "issubscribed",
        "optin",
        "optedin",
        "isoptedin",
        "emailoptin",
        "acceptsmarketing",
        "acceptsemailmarketing",
        "emailsubscribed",
        "subscribedtoemail",
        "marketingoptin",
        "emailmarketing",
        "emailallowed",
        *COMES_ELSEWHERE,
    ]
)
SUBSCRIBED_IF_YES = frozenset(
    ["active", "isactive", "enabled", "isenabled", "confirmed", "isconfirmed"]
)
SAYS_NOTHING = re.compile(
    r"(?:id|ids|uid|uuid|key|at|on|date|time|timestamp|ip|url|link|source|reason|other|by|campaign|title|count|rate|type|name|code|number|"
    r"groups?|lists?|topics?|from|token|hash|method|country|page|form|history|method|text|comment|note|notes)\Z"
)
