"""`signoff-smtp relay`, `inbox`, `mailbox`: the services that take mail.

Each imports its own server when it is called, for none needs the others'.
"""

from app.wiring.validation import validated


def relay() -> None:
    """Run the relay: it stamps and signs promotional mail, and drops who unsubscribed."""
    from smtp_proxy.wiring.relay import serve_relay

    serve_relay(validated(keys_here=True))


def relay_worker(
    listen: str, lmtp_listen: str, health_listen: str, tls_listen: str | None = None
) -> None:
    """Run one of several workers, on the addresses that its supervisor holds."""
    from smtp_proxy.wiring.relay import serve_worker
    from smtp_proxy.wiring.worker_config import WorkerConfig

    config = WorkerConfig(
        listen=listen, tls_listen=tls_listen, lmtp_listen=lmtp_listen, health_listen=health_listen
    )
    serve_worker(validated(keys_here=True), config)


def inbox() -> None:
    """Run the inbox: it obeys mail-to unsubscribes, and never sends mail."""
    from smtp_proxy.wiring.inbox import serve_inbox

    serve_inbox(validated(inbox=True))


def mailbox() -> None:
    """Run the development downstream, which files what it gets in a Maildir."""
    from smtp_proxy.wiring.mailbox import serve_mailbox

    serve_mailbox(validated())
