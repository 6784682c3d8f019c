"""The command line `signoff-smtp`, also `python -m smtp_proxy`."""

import getpass
import sys

import typer

from app.cli import output
from app.wiring.validation import validated
from smtp_proxy.session.accounts import hash_password
from smtp_proxy.wiring.inbox import serve_inbox
from smtp_proxy.wiring.mailbox import serve_mailbox
from smtp_proxy.wiring.relay import serve_relay, serve_worker
from smtp_proxy.wiring.worker_config import WorkerConfig

commands = typer.Typer(
    help="The SMTP side of Signoff.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@commands.callback()
def options(version: output.Version = False) -> None:
    """Take the options of the program itself."""


@commands.command()
def relay() -> None:
    """Run the relay: it stamps and signs promotional mail, and drops who has left."""
    serve_relay(validated(keys_here=True))


@commands.command()
def inbox() -> None:
    """Run the inbox: it obeys mail-to unsubscribes, and never sends mail."""
    serve_inbox(validated(inbox=True))


@commands.command(hidden=True)
def relay_worker(
    listen: str, lmtp_listen: str, health_listen: str, tls_listen: str | None = None
) -> None:
    """Run one of several workers, on the addresses that its supervisor holds."""
    config = WorkerConfig(
        listen=listen, tls_listen=tls_listen, lmtp_listen=lmtp_listen, health_listen=health_listen
    )
    serve_worker(validated(keys_here=True), config)


@commands.command()
def mailbox() -> None:
    """Run the development downstream, which files what it gets in a Maildir."""
    serve_mailbox(validated())


@commands.command()
def password() -> None:
    """Read a password from the terminal or standard input and print its hash for `smtp_users`."""
    text = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    typer.echo(hash_password(text))


def main() -> None:
    """Run one command."""
    output.run(commands)


if __name__ == "__main__":
    main()
