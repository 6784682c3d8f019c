"""`signoff-smtp password`: the hash of a password, for the settings."""

import getpass
import sys

import typer

from smtp_proxy.session.accounts import hash_password


def password() -> None:
    """Read a password from the terminal or standard input and print its hash for `smtp_users`."""
    text = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    typer.echo(hash_password(text))
