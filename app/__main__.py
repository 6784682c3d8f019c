"""The command line `signoff`, also `python -m app`."""

import typer

from app.cli import config, demo, dev, doctor, health, keys, output, recipient, token
from app.settings.load import load
from app.wiring.web import serve_web

commands = typer.Typer(
    help="Signoff: leaving a mailing list works, at once, for everyone.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
commands.add_typer(keys.commands, name="keys")
commands.add_typer(token.commands, name="token")
commands.add_typer(recipient.commands, name="recipient")
commands.command("config")(config.show_config)
commands.command("doctor")(doctor.doctor)
commands.command("health")(health.health)
commands.command("dev")(dev.run)
commands.command("demo")(demo.run)


@commands.command()
def web() -> None:
    """Run the web service: one-click, callback API, pages, admin listener."""
    serve_web(load())


def main() -> None:
    """Run one command."""
    output.run(commands)


if __name__ == "__main__":
    main()
