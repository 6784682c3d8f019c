"""Every rule of the compliance check in one table: how grave a breach is, why it matters, how it is
mended.

Codes are stable: scripts and reports name them. Sources: RFC sections, the providers' sender
guidelines, and docs/requirements.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Severity(StrEnum):
    """How grave a finding is. Only a problem fails the check."""

    PROBLEM = "problem"
    WARNING = "warning"
    NOTE = "note"

    @property
    def rank(self) -> int:
        """Return the place when sorted, the gravest first."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True)
class Rule:
    """Why something is asked for, and what mends it."""

    severity: Severity
    why: str
    how: str


P, W, N = Severity.PROBLEM, Severity.WARNING, Severity.NOTE

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "not-a-mail": Rule(
            P,
            "Only a raw message can be judged (RFC 5322).",
            "Give the raw source, such as a saved .eml file.",
        ),
        "not-judged": Rule(
            P,
            "A mail that cannot be judged is not known to meet the rules.",
            "Report it to the makers of Signoff, with the mail.",
        ),
        "too-large": Rule(
            P,
            "More was given than any provider takes as one message.",
            "Give the messages one by one.",
        ),
        # --- List-Unsubscribe
        "lu-missing": Rule(
            P,
            "Gmail and Yahoo ask bulk senders for it (RFC 2369 3.2).",
            "Send through the relay, marked as promotional.",
        ),
        "lu-repeated": Rule(
            P, "One field is allowed (RFC 2369 3).", "Leave one; set existing_header."
        ),
        "lu-malformed": Rule(
            P,
            "It is URIs in angle brackets, nothing else (RFC 2369 2).",
            "Write <https://…>, <mailto:…>.",
        ),
        "lu-encoded": Rule(
            P,
            "An encoded word hides the URI from every reader (RFC 2047 5).",
            "Build the field as plain ASCII.",
        ),
        "lu-folded-inside": Rule(
            P,
            "White space inside the brackets breaks the URI (RFC 2369 2).",
            "Fold only after the comma.",
        ),
        "lu-first-line-empty": Rule(
            W, "Some readers lose such a field (RFC 5322 2.2.3).", "Put the URL on the first line."
        ),
        "lu-line-long": Rule(
            P,
            "A line may have 998 octets; longer ones are broken after signing (RFC 5322 2.1.1).",
            "Shorten the URL.",
        ),
        "lu-no-https": Rule(
            P,
            "One-click needs an https URI (RFC 8058 3.1; Gmail).",
            "Offer an https URL of your service.",
        ),
        "lu-https-not-first": Rule(
            W, "Several clients look at the first URI only.", "Put the https URI first."
        ),
        "lu-several-https": Rule(
            W, "Only one is used, and which one differs.", "Leave one https URI."
        ),
        "lu-several-mailto": Rule(
            W, "Only one is used, and which one differs.", "Leave at most one mailto URI."
        ),
        "lu-uri-characters": Rule(
            W, "Readers cut the field at commas, semicolons and quotes.", "Percent-encode them."
        ),
        "lu-uri-long": Rule(
            N, "Long URLs are wrapped by mail software.", "Keep the URL within 250 characters."
        ),
        "lu-host-not-public": Rule(
            P,
            "The provider's servers make the request, not the reader's.",
            "Use a public host name.",
        ),
        "lu-address-in-url": Rule(
            P,
            "The URL is logged on the way and must not name a person (RFC 8058 6).",
            "Use an opaque token.",
        ),
        "url-shared": Rule(
            P,
            "One click would unsubscribe another recipient (RFC 8058 3.1).",
            "Send one copy a recipient.",
        ),
        # --- List-Unsubscribe-Post
        "lup-missing": Rule(
            P,
            "Without it no provider POSTs (RFC 8058 3.1).",
            "Add List-Unsubscribe-Post: List-Unsubscribe=One-Click.",
        ),
        "lup-repeated": Rule(P, "One field is allowed (RFC 8058 3.1).", "Leave one."),
        "lup-value": Rule(
            P,
            "The value is exactly List-Unsubscribe=One-Click (RFC 8058 3.1, 5).",
            "Write it so, without anything else.",
        ),
        # --- DKIM
        "dkim-missing": Rule(
            P,
            "A valid signature must cover both fields (RFC 8058 4).",
            "Sign with a key of the From domain.",
        ),
        "dkim-invalid": Rule(
            P,
            "A signature that fails covers nothing (RFC 6376 6).",
            "Sign last; change nothing afterwards.",
        ),
        "dkim-unverified": Rule(
            W,
            "The key could not be looked up here.",
            "Check again with DNS, or give the key with --dkim-key.",
        ),
        "dkim-not-covering": Rule(P, "Both fields must be in h= (RFC 8058 4).", "Name both in h=."),
        "dkim-not-oversigned": Rule(
            W,
            "A second field could be put on top unnoticed (RFC 6376 8.15).",
            "Name the field once more in h=.",
        ),
        "dkim-not-aligned": Rule(
            P,
            "d= must be of the From domain (DMARC; Gmail, Yahoo).",
            "Sign with a key of the From domain.",
        ),
        "dkim-body-length": Rule(
            P, "l= lets anybody append to the body (RFC 6376 8.2).", "Sign without l=."
        ),
        "dkim-short-key": Rule(
            P, "RSA keys below 2048 bits are weak (RFC 8301 3.2).", "Publish a key of 2048 bits."
        ),
        "dkim-weak-hash": Rule(
            P, "SHA-1 signatures are ignored (RFC 8301 3.1).", "Sign with rsa-sha256."
        ),
        "dkim-expired": Rule(
            P, "x= has passed (RFC 6376 3.5).", "Leave x= out, or give it a week."
        ),
        "dkim-testing": Rule(
            W,
            "t=y asks receivers not to rely on it (RFC 6376 3.6.1).",
            "Remove t=y from the record.",
        ),
        # --- the rest of the message
        "body-no-link": Rule(
            P,
            "Gmail and Yahoo want a visible link in the body too.",
            "Put a link to leave into the text.",
        ),
        "body-host-not-public": Rule(
            P,
            "Readers are elsewhere: the link in the body leads nowhere for them.",
            "Use a public host name.",
        ),
        "placeholder-left": Rule(
            P,
            "Readers see the template's text in place of a link.",
            "Send through the software that replaces it.",
        ),
        "text-not-read": Rule(
            N, "A reader sees no text of this length; Gmail cuts it at 102 KB.", "Shorten the text."
        ),
        "line-too-long": Rule(
            P,
            "A relay may break it, and with it the signature (RFC 5322 2.1.1).",
            "Encode the part, or wrap the line.",
        ),
        "field-repeated": Rule(
            P, "It may stand once (RFC 5322 3.6); Gmail refuses such mail.", "Leave one."
        ),
        "field-missing": Rule(P, "It is required (RFC 5322 3.6).", "Add it before signing."),
        "message-id-missing": Rule(
            W, "Every message should have one (RFC 5322 3.6.4).", "Add it before signing."
        ),
        "head-too-large": Rule(
            P, "Gmail refuses more (552 5.3.4).", "Drop fields that nobody reads."
        ),
        "field-too-long": Rule(P, "Gmail refuses more (552 5.3.4).", "Shorten the field."),
        "list-id-malformed": Rule(
            W,
            "It is a name in angle brackets with a dot (RFC 2919 2).",
            "Write List-Id: Name <list.example.com>.",
        ),
        "feedback-id-malformed": Rule(
            W,
            "It is up to three parts and a SenderId of 5 to 15 characters (Gmail).",
            "Write a:b:c:SenderId.",
        ),
        # --- the probe
        "probe-not-asked": Rule(
            N,
            "A POST there cannot be taken back.",
            "Probe with --yes a mail to an address of your own.",
        ),
        "probe-failed": Rule(
            P,
            "A provider's POST would fail the same way.",
            "Make the URL answer from the public internet.",
        ),
        "probe-status": Rule(
            P,
            "Only a 2xx says that the request was taken.",
            "Answer 200 once the request is durable.",
        ),
        "probe-redirect": Rule(
            P,
            "A redirect is forbidden, and most clients do not follow (RFC 8058 3.1).",
            "Answer at this very URL.",
        ),
        "probe-cookie": Rule(
            W, "The request has no session (RFC 8058 3.2).", "Do not set cookies on this URL."
        ),
        "probe-slow": Rule(W, "Providers' patience is not documented.", "Answer within a second."),
        "probe-certificate": Rule(
            P,
            "Whoever cannot verify the chain does not POST.",
            "Serve the whole chain of a public certificate.",
        ),
        "probe-certificate-ends": Rule(
            W, "With an expired certificate no provider POSTs.", "Renew it."
        ),
        "probe-http2": Rule(
            N, "HTTP/2 is not offered; no client is known to need it.", "Offer h2 by ALPN."
        ),
        "probe-endless": Rule(
            W, "The body did not end within bounds.", "Answer with a short text."
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One breach: the rule's code, and what was seen."""

    code: str
    what: str

    @property
    def rule(self) -> Rule:
        """Return why it matters and how it is mended."""
        return RULES[self.code]

    @property
    def severity(self) -> Severity:
        """Return how grave it is."""
        return self.rule.severity
