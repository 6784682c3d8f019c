"""What one session knows: of its client, of the open transaction, and of the listener that it
belongs to.

The commands read and change it; it has no other home. So a command is a function that a test calls
without a socket.
"""

from typing import NoReturn

from app.core.model import BrandId
from app.observe.log import LogEvent
from smtp_proxy.replies import Reply
from smtp_proxy.session.config import ListenerState
from smtp_proxy.session.limits import shared_network
from smtp_proxy.session.line_protocol import Farewell, LineProtocol
from smtp_proxy.session.submission import Client, Offers, Submission


class SessionState:
    """The facts of one session. `line` is its connection; `listener` is shared with the other
    sessions.
    """

    __slots__ = (
        "account",
        "bad_logins",
        "config",
        "extended",
        "forwarded",
        "helo",
        "line",
        "listener",
        "offers",
        "peer",
        "peer_name",
        "rules",
        "speaks_for_others",
        "submission",
        "trusted",
    )

    def __init__(self, listener: ListenerState, line: LineProtocol) -> None:
        self.line = line
        self.listener = listener
        # kept to the end of the session, whatever holds for the next one
        self.config = listener.config
        self.rules = listener.rules  # of content
        # The client.
        self.peer = ""  # its IP address
        self.peer_name = ""  # its host name, as a proxy has told it
        self.trusted = False  # its address may relay without authentication
        self.speaks_for_others = False  # it may use XCLIENT and XFORWARD
        self.helo = ""
        self.extended = False  # it said EHLO or LHLO
        # what it was told: it is held to that, whatever is learnt of the downstream meanwhile
        self.offers = Offers()
        self.account: BrandId | None = None
        self.bad_logins = 0
        # The open transaction.
        self.submission: Submission | None = None
        self.forwarded: dict[bytes, bytes] = {}  # XFORWARD: name and xtext

    def may_relay(self) -> bool:
        """Say whether this client may send mail through us: it has logged in, or stands in a
        trusted network.
        """
        return self.trusted or self.account is not None

    def client(self, *, smtputf8: bool) -> Client:
        """Describe the client; the protocol's name is that of RFC 3848, or of RFC 6531 4.3 with
        SMTPUTF8.
        """
        lmtp = self.config.lmtp
        plain = ("UTF8LMTP" if lmtp else "UTF8SMTP") if smtputf8 else ("LMTP" if lmtp else "ESMTP")
        extended = (
            f"{plain}{'S' if self.line.over_tls else ''}{'A' if self.account is not None else ''}"
        )
        protocol = extended if self.extended else "SMTP"
        return Client(
            address=self.peer,
            name=self.peer_name,
            helo=self.helo,
            protocol=protocol,
            account=self.account,
        )

    def holder(self) -> str:
        """Return who shares the memory for content with this client's other messages; empty:
        nobody.

        An account shares with itself. Without one the client's network does, where strangers may
        send.
        """
        if self.account is not None:
            return f"account {self.account}"
        return shared_network(self.peer) if self.config.strangers else ""

    def forget(self) -> None:
        """Forget all that the client said and who it proved to be."""
        self.helo, self.extended, self.account = "", False, None
        self.end_transaction()

    def end_transaction(self) -> None:
        """Forget the open transaction and what was said for it alone."""
        self.submission = None
        self.forwarded = {}

    def log_refusal(self, reply: Reply) -> None:
        """Log that the session is refused something, or altogether."""
        self.config.log.warning(LogEvent.SESSION_REFUSED, peer=self.peer, reply=str(reply))

    def log_error(self, error: Exception) -> None:
        """Log an error that has no other place to be told."""
        self.config.log.error(LogEvent.UNEXPECTED_ERROR, peer=self.peer, exc_info=error)

    def send_away(self, reply: Reply) -> NoReturn:
        """End the session for the client's fault, and log it. Raises Farewell."""
        self.log_refusal(reply)
        raise Farewell(reply)
