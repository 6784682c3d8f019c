"""The client behind a proxy: XCLIENT, by which a listed proxy passes its place on, and XFORWARD, which only tells the next server.

Serves catalogue S20. What must hold:

1. Both are offered to, and heard from, listed networks alone.
2. After XCLIENT the session is that of the stated client, as if it had just connected: its address counts for trusted networks and bounds,
   and nothing that was said before counts. The proxy may go on stating until the next hello; then the right is the client's own, which has
   none. A proxy that hands the connection through, as nginx does, would otherwise let its client state any address.
3. LOGIN grants nothing: an account belongs to who proves its password to us, so that a listed host cannot send in the name of a brand.
4. XFORWARD holds for one transaction and goes on to a downstream that offers it. XCLIENT is never said to a downstream.
"""

from collections.abc import Mapping

from smtp_proxy import replies
from smtp_proxy.replies import Reply
from smtp_proxy.session.config import plain_ip
from smtp_proxy.session.introduction import Introduction
from smtp_proxy.session.xclient import XCLIENT, XFORWARD, ReadValue, read_attributes, written


class Proxied(Introduction):
    """The part of a session that is about a client behind a proxy."""

    def xclient(self, argument: bytes) -> Reply | None:
        """Obey XCLIENT: go on as the session of the stated client, from a new greeting on."""
        attributes = self._stated(argument, XCLIENT)
        if isinstance(attributes, Reply):
            return attributes
        self.forget()
        if b"ADDR" in attributes:
            address = attributes[b"ADDR"]
            self._become(plain_ip(address) if address else "")
        if b"NAME" in attributes:
            self._peer_name = attributes[b"NAME"] or ""
        self._helo = attributes.get(b"HELO") or ""
        self._extended = attributes.get(b"PROTO") == "ESMTP"
        self._offers = self._config.offers()
        self.greet()
        return None

    def xforward(self, argument: bytes) -> Reply:
        """Obey XFORWARD: remember what the next server shall hear with this transaction."""
        attributes = self._stated(argument, XFORWARD)
        if isinstance(attributes, Reply):
            return attributes
        self._forwarded |= dict(written(attributes))
        return replies.OK

    def _stated(self, argument: bytes, known: Mapping[bytes, ReadValue]) -> dict[bytes, str | None] | Reply:
        if not self._speaks_for_others:
            return replies.MAY_NOT_SPEAK_FOR_OTHERS
        if self._submission is not None:
            return replies.MAIL_AGAIN
        return read_attributes(argument, known)

    def _become(self, address: str) -> None:
        """Count the session as one of the stated address, which may have too many. Empty: nobody knows it, so it is trusted nowhere."""
        connections = self._listener.connections
        connections.leave(self._peer)
        refusal = connections.refusal_for(address)
        connections.enter(address)
        self._peer, self._peer_name, self._trusted = address, "", self._config.trusts(address)
        if refusal is not None:
            self.send_away(refusal)
