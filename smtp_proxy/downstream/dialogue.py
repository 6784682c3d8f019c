"""The SMTP dialogue for one copy: RSET? XFORWARD? MAIL RCPT DATA, content, final dot; every end of
it is one Outcome (catalogue X6).

With PIPELINING (RFC 2920) the commands leave in one write and the content in another, both written
from inside the receive callback: a copy costs one future and no task. A copy that the peer cannot
get, by what it offers, is not begun (`refusal`). What decides the outcome:

1. The first refusal among MAIL, RCPT and DATA, with the peer's own code and text.
2. Before any octet of content was written nobody has the copy: 451 4.4.1. `stale` says that another
   connection may be tried (C5).
3. Once the final dot was written only the peer's reply tells who has the copy; without one the
   outcome is unknown (X14).
4. Bytes that cannot be right end the connection: 451 4.5.0.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from enum import IntEnum

from smtp_proxy.downstream import xforward
from smtp_proxy.downstream.capabilities import Capabilities
from smtp_proxy.downstream.connection import Ending, PeerConnection, Timeouts
from smtp_proxy.downstream.peer_reply import PeerReply, ProtocolViolation, accepted, declined
from smtp_proxy.downstream.transaction import SLICE, Buffer, Transaction
from smtp_proxy.replies import Deferred, Delivered, RefusedCopy, Reply

# then the event loop gets its turn, also when the peer reads as fast as we write
SLICES_A_TURN = 16
START_CONTENT = 354
CLOSING = 421

NO_ANSWER = Reply(451, "4.4.1", "Downstream cannot be reached or does not answer")
LOST = Reply(451, "4.4.2", "Connection to downstream was lost")
VIOLATION = Reply(451, "4.5.0", "Downstream broke the protocol")

SendOutcome = Delivered | Deferred | RefusedCopy


class _Stage(IntEnum):
    RESET = 0
    FORWARD = 1  # as many commands as it takes, often none
    MAIL = 2
    RECIPIENT = 3
    DATA = 4
    CONTENT = 5  # being written
    FINAL = 6  # the dot is written
    EMPTIED = 7  # a lone dot after a refusal: its reply changes nothing


class Dialogue:
    """Carries one copy over one ready connection. `outcome` is set exactly once; `stale` then tells
    that no content left.
    """

    def __init__(
        self,
        connection: PeerConnection,
        transaction: Transaction,
        *,
        capabilities: Capabilities,
        timeouts: Timeouts,
        reset: bool,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.outcome: asyncio.Future[SendOutcome] = loop.create_future()
        self.stale = False
        self._loop = loop
        self._connection = connection
        self._transaction = transaction
        self._timeouts = timeouts
        self._pipelining = capabilities.pipelining
        self._forwards: deque[bytes] = deque()  # those that are not answered yet
        if transaction.forwarded:
            self._forwards.extend(xforward.commands(transaction.forwarded, capabilities.xforward))
        self._commands = _commands(transaction, capabilities)
        self._first = _Stage.FORWARD if self._forwards else _Stage.MAIL
        self._stage = _Stage.RESET if reset else self._first
        self._refusal: Deferred | RefusedCopy | None = None
        self._content: Iterator[Buffer] = iter(())

    def start(self) -> None:
        """Write the first commands."""
        self._connection.listen(self)
        if self.outcome.done():
            return
        self._connection.expect_within(self._timeouts.command)
        if self._pipelining:
            reset = self._commands[_Stage.RESET] if self._stage is _Stage.RESET else b""
            self._connection.write(
                b"".join((reset, *self._forwards, *self._commands[_Stage.MAIL :]))
            )
        else:
            self._write_command()

    def replied(self, reply: PeerReply) -> None:
        """Take the reply of the present stage."""
        if reply.code == CLOSING:
            self._close(reply)
        else:
            _STEPS[self._stage](self, reply)

    def ended(self, ending: Ending) -> None:
        """Decide what the end of the connection means at this stage."""
        if self._refusal is not None:
            self._finish(self._refusal)
        elif ending is Ending.VIOLATION:
            self._finish(Deferred(reply=VIOLATION, unknown=self._stage is _Stage.FINAL))
        elif self._stage < _Stage.CONTENT:
            self.stale = True
            self._finish(Deferred(reply=NO_ANSWER))
        else:
            self._finish(Deferred(reply=LOST, unknown=self._stage is _Stage.FINAL))

    def writable(self) -> None:
        """Go on with the content."""
        if self._stage is _Stage.CONTENT:
            self._pump()

    def _close(self, reply: PeerReply) -> None:
        self.stale = self._stage < _Stage.CONTENT and self._refusal is None
        self._finish(self._refusal or declined(reply))
        self._connection.abort()

    def _on_reset(self, reply: PeerReply) -> None:
        if not reply.positive:  # the session is not what we think it is: as good as dead
            self.stale = True
            self._finish(Deferred(reply=VIOLATION))
            self._connection.abort()
            return
        self._go_on(self._first)

    def _on_forward(self, _: PeerReply) -> None:
        """Go on whatever the peer says: the mail does not depend on it."""
        self._forwards.popleft()
        if not self._forwards:
            self._go_on(_Stage.MAIL)
        elif not self._pipelining:
            self._connection.expect_within(self._timeouts.command)
            self._write_command()

    def _on_envelope(self, reply: PeerReply) -> None:
        if reply.negative:
            self._refusal = self._refusal or declined(reply)
            if not self._pipelining:
                self._finish(self._refusal)
                return
        elif not reply.positive or self._refusal is not None:
            # a recipient taken without its sender: with a lone dot we would send that person an
            # empty mail
            raise ProtocolViolation("not an answer to the command")
        self._go_on(_Stage(self._stage + 1))

    def _on_data(self, reply: PeerReply) -> None:
        if reply.negative:
            self._finish(self._refusal or declined(reply))
        elif reply.code != START_CONTENT:
            raise ProtocolViolation("not an answer to DATA")
        # RFC 2920 3.1: a 354 though there is no recipient is answered by a lone dot
        elif self._refusal is not None:
            self._stage = _Stage.EMPTIED
            self._connection.expect_within(self._timeouts.command)
            self._connection.write(b".\r\n")
        else:
            self._send_content()

    def _on_content(self, reply: PeerReply) -> None:
        if not reply.negative:
            raise ProtocolViolation("an answer before the final dot")
        self._finish(declined(reply))
        self._connection.abort()  # the copy is half written: there is no way back to a command

    def _on_final(self, reply: PeerReply) -> None:
        if reply.positive:
            self._finish(Delivered(reply=accepted(reply)))
        elif reply.negative:
            self._finish(declined(reply))
        else:
            raise ProtocolViolation("not an answer to the final dot")

    def _on_emptied(self, _: PeerReply) -> None:
        if self._refusal is not None:
            self._finish(self._refusal)

    def _go_on(self, stage: _Stage) -> None:
        self._stage = stage
        if not self._pipelining:
            self._connection.expect_within(self._timeouts.command)
            self._write_command()

    def _write_command(self) -> None:
        self._connection.write(
            self._forwards[0] if self._stage is _Stage.FORWARD else self._commands[self._stage]
        )

    def _send_content(self) -> None:
        if self._transaction.size <= SLICE:
            self._stage = _Stage.FINAL
            self._connection.expect_within(self._timeouts.final)
            self._connection.writelines([*self._transaction.content()])
            return
        self._stage = _Stage.CONTENT
        self._content = iter(self._transaction.content())
        self._pump()

    def _pump(self) -> None:
        if self._stage is not _Stage.CONTENT or self.outcome.done():
            return
        self._connection.expect_within(self._timeouts.progress)
        for _ in range(SLICES_A_TURN):
            if self._connection.full:
                return
            piece = next(self._content, None)
            if piece is None:
                self._stage = _Stage.FINAL
                self._connection.expect_within(self._timeouts.final)
                return
            self._connection.write(piece)
        self._loop.call_soon(self._pump)

    def _finish(self, outcome: SendOutcome) -> None:
        self._connection.listen(None)
        if not self.outcome.done():
            self.outcome.set_result(outcome)


_STEPS: dict[_Stage, Callable[[Dialogue, PeerReply], None]] = {
    _Stage.RESET: Dialogue._on_reset,
    _Stage.FORWARD: Dialogue._on_forward,
    _Stage.MAIL: Dialogue._on_envelope,
    _Stage.RECIPIENT: Dialogue._on_envelope,
    _Stage.DATA: Dialogue._on_data,
    _Stage.CONTENT: Dialogue._on_content,
    _Stage.FINAL: Dialogue._on_final,
    _Stage.EMPTIED: Dialogue._on_emptied,
}


def refusal(transaction: Transaction, capabilities: Capabilities) -> Deferred | RefusedCopy | None:
    """Return why a peer with these capabilities cannot get the copy, or None.

    A copy is never converted: its signature covers the bytes as they are. An upstream that used an
    extension was offered it, by what was known then: it hears 451, and next time the extension is
    not offered. Octets above 127 that it did not declare are refused for good.
    """
    if transaction.needs_smtputf8 and not capabilities.smtputf8:
        # RFC 6531 3.5
        return Deferred(
            reply=Reply(451, "4.6.7", "Downstream does not take internationalized mail (SMTPUTF8)")
        )
    if transaction.holds_8bit and not capabilities.eightbit:  # RFC 6152 3
        if transaction.body_8bit:
            return Deferred(
                reply=Reply(451, "4.6.3", "Downstream does not take 8-bit content (8BITMIME)")
            )
        return RefusedCopy(
            reply=Reply(
                554,
                "5.6.3",
                "Downstream does not take 8-bit content (8BITMIME): encode it before it is signed",
            )
        )
    if capabilities.size and transaction.size > capabilities.size:
        return RefusedCopy(reply=Reply(552, "5.3.4", "Message is larger than downstream takes"))
    return None


def _commands(transaction: Transaction, capabilities: Capabilities) -> tuple[bytes, ...]:
    """Return the command of each stage by its number; those that forward are another matter."""
    parameters = ""
    if capabilities.size is not None:
        parameters += f" SIZE={transaction.size}"
    # also what the upstream did not declare
    if capabilities.eightbit and (transaction.body_8bit or transaction.holds_8bit):
        parameters += " BODY=8BITMIME"
    if transaction.needs_smtputf8:
        parameters += " SMTPUTF8"
    recipient_parameters = ""
    if capabilities.dsn:
        parameters += transaction.mail_options
        recipient_parameters = transaction.recipient_options
    return (
        b"RSET\r\n",
        b"",
        f"MAIL FROM:<{transaction.sender}>{parameters}\r\n".encode(),
        f"RCPT TO:<{transaction.recipient}>{recipient_parameters}\r\n".encode(),
        b"DATA\r\n",
    )
