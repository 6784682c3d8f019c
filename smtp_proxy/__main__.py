"""The command line `signoff-smtp`, also `python -m smtp_proxy`."""

from app.cli import output
from app.cli.lazy import LazyCommand, lazy

commands = lazy(
    {
        "relay": LazyCommand(
            at="smtp_proxy.cli.services:relay",
            help="Run the relay: it stamps and signs promotional mail, and drops who unsubscribed.",
        ),
        "inbox": LazyCommand(
            at="smtp_proxy.cli.services:inbox",
            help="Run the inbox: it obeys mail-to unsubscribes, and never sends mail.",
        ),
        "relay-worker": LazyCommand(
            at="smtp_proxy.cli.services:relay_worker",
            help="Run one of several workers, on the addresses that its supervisor holds.",
            hidden=True,
        ),
        "mailbox": LazyCommand(
            at="smtp_proxy.cli.services:mailbox",
            help="Run the development downstream, which files what it gets in a Maildir.",
        ),
        "password": LazyCommand(
            at="smtp_proxy.cli.password:password",
            help="Read a password from the terminal or standard input and print its hash for `smtp_users`.",
        ),
    },
    about="The SMTP side of Signoff.",
)
commands.callback()(output.options)


def main() -> None:
    """Run one command."""
    output.run(commands)


if __name__ == "__main__":
    main()
