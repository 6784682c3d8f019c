"""The mailboxes of the inbox: which address means what. Whatever is not named here does not exist
(catalogue M10, M12).

`u-TOKEN@`        a short token: who writes there leaves
`unsubscribe@`    the root, for mail whose token stands further inside
`unsubscribe-DC0X@`  the box to which self-managed brands forward, named as MoEngage's; X is the data centre
`complaints@`     where a provider's feedback loop reports to
`postmaster@`, `abuse@`  for people (RFC 2142, RFC 5321 4.5.1); a complaint in the form of RFC 5965
                         is read at `abuse@` too
"""

import unicodedata
from dataclasses import dataclass
from enum import StrEnum

import idna

from app.core.address import ascii_domain
from app.core.errors import AddressInvalid, NotFound

TOKEN_PREFIX = "u-"  # noqa: S105 - the beginning of an address


class Role(StrEnum):
    """What a mailbox is for; a metric label."""

    TOKEN = "token"  # noqa: S105 - the name of a role
    ROOT = "root"
    FORWARD = "forward"
    COMPLAINTS = "complaints"
    PEOPLE = "people"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """One mailbox; `token` is the text of the short token, only with Role.TOKEN."""

    role: Role
    token: str = ""


class Mailboxes:
    """The mailboxes of one installation."""

    def __init__(self, *, domain: str, data_centre: int) -> None:
        self.domain = domain
        self._skeleton = _skeleton(_in_unicode(domain))
        self._named = {
            "unsubscribe": Mailbox(role=Role.ROOT),
            f"unsubscribe-dc{data_centre:02}": Mailbox(role=Role.FORWARD),
            "complaints": Mailbox(role=Role.COMPLAINTS),
            "abuse": Mailbox(role=Role.COMPLAINTS),
            "postmaster": Mailbox(role=Role.PEOPLE),
        }

    def of(self, address: str) -> Mailbox:
        """Return the mailbox of an address, in any case. Raises NotFound. Whether a short token is
        genuine is not looked at.
        """
        local, _, domain = address.rpartition("@")
        is_ours = self._is_ours(domain)
        local = local.lower()
        if is_ours and local.startswith(TOKEN_PREFIX):
            return Mailbox(role=Role.TOKEN, token=local.removeprefix(TOKEN_PREFIX))
        if not is_ours or local not in self._named:
            raise NotFound("no such mailbox")
        return self._named[local]

    def _is_ours(self, domain: str) -> bool:
        if domain.isascii():
            return domain.lower() == self.domain
        if _skeleton(domain) != self._skeleton:
            # IDNA costs a tenth of a millisecond, and a stranger can name any number of foreign
            # domains
            return False
        try:
            return ascii_domain(domain) == self.domain
        except AddressInvalid:
            return False


def _in_unicode(domain: str) -> str:
    try:
        return idna.decode(domain)
    except idna.IDNAError:
        return domain


def _skeleton(domain: str) -> str:
    """Return what is equal for all spellings of a domain, and for few others."""
    return unicodedata.normalize("NFKC", domain).casefold().replace("\u3002", ".")
