"""The command line `signoff`, also `python -m app`."""

from app.cli import output
from app.cli.lazy import Place, lazy

commands = lazy(
    {
        "check": Place(
            at="app.cli.check:check",
            help="Judge raw messages by RFC 8058, RFC 2369 "
            "and what Gmail and Yahoo ask of bulk senders.",
        ),
        "config": Place(
            at="app.cli.config:show_config",
            help="Check the settings and show them as they are in force; "
            "every problem is reported at once, by its key.",
        ),
        "backup": Place(
            at="app.cli.backup:backup",
            help="Write the whole store to one file: states, groups, history, imports, "
            "API keys (as digests), events that wait.",
        ),
        "restore": Place(
            at="app.cli.backup:restore", help="Bring a backup back into an empty store."
        ),
        "doctor": Place(
            at="app.cli.doctor:doctor",
            help="Try what an installation needs: configuration, keys, certificates, spool, store, "
            "listeners, downstream, DNS, public URL, webhooks.",
        ),
        "health": Place(
            at="app.cli.health:health",
            help="Ask every process of this configuration whether it is ready.",
        ),
        "dev": Place(
            at="app.cli.dev:run",
            help="Start everything and stay until Ctrl-C; when one process ends, all end.",
        ),
        "demo": Place(
            at="app.cli.demo:run",
            help="Send one mail, click it, and show what each step does on the running services.",
        ),
        "web": Place(
            at="app.cli.services:web", help="Run the web service: one-click, callback API, pages."
        ),
        "admin": Place(
            at="app.cli.services:admin",
            help="Run the admin service: admin API, its documentation, the operator's page.",
        ),
        "worker": Place(
            at="app.cli.services:worker",
            help="Run the worker: changes become events, and events reach the brands' webhooks.",
        ),
        "keys": Place(at="app.cli.keys:commands", help="Make, list and rotate keys."),
        "token": Place(at="app.cli.token:commands", help="Open and mint tokens."),
        "recipient": Place(
            at="app.cli.recipient:commands", help="Look at one recipient, or speak for one."
        ),
        "suppressions": Place(
            at="app.cli.suppressions:commands", help="List, export and import those who have left."
        ),
        "groups": Place(
            at="app.cli.groups:commands",
            help="List, create, edit, archive and restore subscription groups.",
        ),
        "events": Place(at="app.cli.events:commands", help="Follow what happens."),
        "dlq": Place(
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
