"""The command line `signoff`, also `python -m app`."""

import typer

from app.cli import (
    backup,
    check,
    config,
    demo,
    dev,
    dlq,
    doctor,
    events,
    groups,
    health,
    keys,
    output,
    recipient,
    suppressions,
    token,
)
from app.wiring.validation import validated

commands = typer.Typer(
    help="Signoff: leaving a mailing list works, at once, for everyone.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
commands.add_typer(keys.commands, name="keys")
commands.add_typer(token.commands, name="token")
commands.add_typer(recipient.commands, name="recipient")
commands.add_typer(suppressions.commands, name="suppressions")
commands.add_typer(groups.commands, name="groups")
commands.add_typer(events.commands, name="events")
commands.add_typer(dlq.commands, name="dlq")
commands.command("check")(check.check)
commands.command("config")(config.show_config)
commands.command("backup")(backup.backup)
commands.command("restore")(backup.restore)
commands.command("doctor")(doctor.doctor)
commands.command("health")(health.health)
commands.command("dev")(dev.run)
commands.command("demo")(demo.run)


@commands.callback()
def options(version: output.Version = False) -> None:
    """Take the options of the program itself."""


@commands.command()
def web() -> None:
    """Run the web service: one-click, callback API, pages."""
    # servers and their libraries would cost every other command half of its start
    from app.wiring.web import serve_web

    serve_web(validated())


@commands.command()
def admin() -> None:
    """Run the admin service: admin API, its documentation, the operator's page."""
    from app.wiring.admin import serve_admin

    serve_admin(validated())


@commands.command()
def worker() -> None:
    """Run the worker: changes become events, and events reach the brands' webhooks."""
    from app.wiring.worker import serve_worker

    serve_worker(validated())


def main() -> None:
    """Run one command."""
    output.run(commands)


if __name__ == "__main__":
    main()
