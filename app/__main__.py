"""The command line `signoff`, also `python -m app`."""

from app.cli import output
from app.cli.lazy import LazyCommand, lazy

commands = lazy(
    {
        "check": LazyCommand(
            at="app.cli.check:check",
            help="Judge raw messages by RFC 8058, RFC 2369 "
            "and what Gmail and Yahoo ask of bulk senders.",
        ),
        "config": LazyCommand(
            at="app.cli.config:show_config",
            help="Check the settings and show them as they are in force; "
            "every problem is reported at once, by its key.",
        ),
        "backup": LazyCommand(
            at="app.cli.backup:backup",
            help="Write the whole store to one file: states, groups, history, imports, "
            "API keys (as digests), events that wait.",
        ),
        "restore": LazyCommand(
            at="app.cli.backup:restore", help="Bring a backup back into an empty store."
        ),
        "doctor": LazyCommand(
            at="app.cli.doctor:doctor",
            help="Try what an installation needs: configuration, keys, certificates, spool, store, "
            "listeners, downstream, DNS, public URL, webhooks.",
        ),
        "health": LazyCommand(
            at="app.cli.health:health",
            help="Ask every process of this configuration whether it is ready.",
        ),
        "dev": LazyCommand(
            at="app.cli.dev:run",
            help="Start everything and stay until Ctrl-C; when one process ends, all end.",
        ),
        "demo": LazyCommand(
            at="app.cli.demo:run",
            help="Send one mail, click it, and show what each step does on the running services.",
        ),
        "web": LazyCommand(
            at="app.cli.services:web", help="Run the web service: one-click, callback API, pages."
        ),
        "admin": LazyCommand(
            at="app.cli.services:admin",
            help="Run the admin service: admin API, its documentation, the operator's page.",
        ),
        "worker": LazyCommand(
            at="app.cli.services:worker",
            help="Run the worker: changes become events, and events reach the brands' webhooks.",
        ),
        "keys": LazyCommand(at="app.cli.keys:commands", help="Make, list and rotate keys."),
        "token": LazyCommand(at="app.cli.token:commands", help="Open and mint tokens."),
        "recipient": LazyCommand(
            at="app.cli.recipient:commands", help="Look at one recipient, or speak for one."
        ),
        "suppressions": LazyCommand(
            at="app.cli.suppressions:commands",
            help="List, export and import unsubscribed recipients.",
        ),
        "groups": LazyCommand(
            at="app.cli.groups:commands",
            help="List, create, edit, archive and restore subscription groups.",
        ),
        "events": LazyCommand(at="app.cli.events:commands", help="Follow what happens."),
        "dlq": LazyCommand(
            at="app.cli.dlq:commands",
            help="Dead letters: deliveries to webhooks that were given up.",
        ),
    },
    about="Signoff: leaving a mailing list works, at once, for everyone.",
)
commands.callback()(output.options)


def main() -> None:
    """Run one command."""
    output.run(commands)


if __name__ == "__main__":
    main()
