"""One client's session: a line protocol that carries it, a state, and the commands that change the
state.

Serves RFC 5321 4.3.1 (one reply to each command), RFC 2920 (pipelining) and RFC 2033 (LMTP, by a
flag of the listener's configuration). An error of ours is 451 with a general text, and is logged
with all it has to say.
"""

from smtp_proxy import replies
from smtp_proxy.replies import Reply
from smtp_proxy.session.commands import commands_of
from smtp_proxy.session.config import ListenerState, plain_ip
from smtp_proxy.session.hello import greet
from smtp_proxy.session.line_protocol import Farewell, LineProtocol, Waiting
from smtp_proxy.session.proxy_protocol import ProxySource
from smtp_proxy.session.state import SessionState

_BAD = frozenset({500, 502})
_DIRECT = ProxySource(is_local=True)  # nobody stands between us and the client


class Session:
    """The interpreter of one connection's lines. `line` is what the transport talks to.

    `source` is what a load balancer has told of the client; None: there is none.
    """

    def __init__(self, listener: ListenerState, source: ProxySource | None = None) -> None:
        limits = listener.config.limits
        shortest = min(limits.idle_seconds, limits.data_seconds, limits.session_seconds)
        self.line = LineProtocol(self, idle_seconds=limits.idle_seconds, tick_seconds=shortest)
        self.state = SessionState(listener, self.line)
        self._source = source or _DIRECT
        self._commands = commands_of(lmtp=listener.config.lmtp)
        self._obeyed = self._bad = 0

    def admit(self, peer: str) -> Reply | None:
        """Count the connection in, or return why it may not stay."""
        state, source = self.state, self._source
        listener, config = state.listener, state.config
        peer = source.address or plain_ip(peer)
        refusal = (
            replies.SHUTTING_DOWN if listener.stopping else listener.connections.refusal_for(peer)
        )
        state.peer = peer
        if refusal is not None:
            state.log_refusal(refusal)
            return refusal
        listener.connections.enter(peer)
        listener.sessions.add(self.line)
        # A client that the load balancer cannot name shares its address, and must not share its
        # rights.
        is_known = bool(source.address or source.is_local)
        state.trusted = is_known and config.trusts(peer)
        state.speaks_for_others = is_known and config.lets_speak_for_others(peer)
        return None

    def leave(self) -> None:
        """Count the connection out."""
        listener = self.state.listener
        listener.connections.leave(self.state.peer)
        listener.sessions.discard(self.line)
        if listener.stopping and not listener.sessions:
            listener.all_gone.set()

    def is_stopping(self) -> bool:
        """Say whether the listener is stopping."""
        return self.state.listener.stopping

    def failed(self, error: Exception) -> None:
        """Log an error that has no client to answer."""
        self.state.log_error(error)

    def dialogue(self) -> Waiting[None]:
        """Greet, then obey one command after the other."""
        state, line, limits = self.state, self.line, self.state.config.limits
        greet(state)
        end = line.now() + limits.session_seconds
        while True:
            command = yield from line.read_line()
            self._obeyed += 1
            if line.now() > end:
                state.send_away(replies.SESSION_TOO_LONG)
            if self._obeyed > limits.max_commands:
                state.send_away(replies.TOO_MANY_COMMANDS)
            reply = command if isinstance(command, Reply) else (yield from self._obey(command))
            if reply is None:
                continue
            line.say(reply)
            self._bad += reply.code in _BAD
            if self._bad > limits.max_bad_commands:
                state.send_away(replies.TOO_MANY_BAD_COMMANDS)

    def _obey(self, line: bytes) -> Waiting[Reply | None]:
        name, _, argument = line.partition(b" ")
        command = self._commands.get(name.upper())
        if command is None:
            return replies.COMMAND_UNKNOWN
        try:
            answer = command(self.state, argument.rstrip())
            return answer if answer is None or isinstance(answer, Reply) else (yield from answer)
        except Farewell:
            raise
        except Exception as error:
            self.failed(error)
            self.state.end_transaction()
            return replies.LOCAL_ERROR
