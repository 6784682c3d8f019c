"""The settings of the relay: its listeners, its downstream and its bounds; the meaning of each key
is in docs/settings.md.
"""

import socket
import urllib.parse
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from app.settings.secret import Secret
from app.settings.types import MIB, ExistingFile, Listed, Listen, Network, Section

_DOWNSTREAM_SCHEMES = ("smtp://", "smtps://", "lmtp://")


class RelaySettings(Section):
    """The relay: its listeners, its downstream and its bounds."""

    listen: Listen = "127.0.0.1:2525"
    tls_listen: Listen | None = None
    lmtp_listen: Listen = "127.0.0.1:2424"
    health_listen: Listen = "127.0.0.1:8082"
    hostname: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]*$")] = Field(
        default_factory=socket.gethostname
    )
    downstream: str = "smtp://127.0.0.1:2527"
    downstream_user: str = ""
    downstream_password: Secret = Secret()
    downstream_ca_file: ExistingFile | None = None
    downstream_connections: Annotated[int, Field(ge=1, le=10_000)] = 50
    downstream_seconds: Annotated[int, Field(ge=1, le=590)] = 540
    trusted_networks: Annotated[tuple[Network, ...], Listed] = ("127.0.0.0/8", "::1/128")
    proxy_networks: Annotated[tuple[Network, ...], Listed] = ()
    xclient_networks: Annotated[tuple[Network, ...], Listed] = ()
    recipients: Literal["split", "one"] = "split"
    unknown_outcome: Literal["resend", "drop"] = "resend"
    max_recipients: Annotated[int, Field(ge=1, le=100_000)] = 1000
    max_message_bytes: Annotated[int, Field(ge=1024, le=1024 * MIB)] = 25 * MIB
    max_in_flight_bytes: Annotated[int, Field(ge=1024, le=1024 * 1024 * MIB)] = 512 * MIB
    max_connections: Annotated[int, Field(ge=1, le=1_000_000)] = 2000
    max_connections_per_address: Annotated[int, Field(ge=1, le=1_000_000)] = 500
    max_received: Annotated[int, Field(ge=1, le=1000)] = 50
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    line_endings: Literal["reject", "normalise"] = "reject"
    long_lines: Literal["accept", "reject"] = "accept"
    foreign_from: Literal["reject", "pass"] = "reject"
    unsigned: Literal["defer", "bare"] = "defer"
    repeated_fields: Literal["reject", "warn"] = "reject"
    profile: Literal["default", "ses"] = "default"
    tls_cert_file: ExistingFile | None = None
    tls_key_file: ExistingFile | None = None

    @field_validator("downstream")
    @classmethod
    def _scheme_is_known(cls, value: str) -> str:
        if not value.startswith(_DOWNSTREAM_SCHEMES):
            raise ValueError(f"the URL must begin with one of {', '.join(_DOWNSTREAM_SCHEMES)}")
        url = urllib.parse.urlsplit(value)
        if not url.hostname or url.port == 0:
            raise ValueError("write it as smtp://host:port, such as smtp://127.0.0.1:25")
        return value

    @model_validator(mode="after")
    def _bounds_agree(self) -> Self:
        if self.max_in_flight_bytes // self.workers < self.max_message_bytes:
            share = " in the share of one worker" if self.workers > 1 else ""
            raise ValueError(
                f"max_in_flight_bytes is less than max_message_bytes{share}, so a message of that"
                " size could never pass"
            )
        if min(self.max_connections, self.downstream_connections) < self.workers:
            raise ValueError(
                "max_connections and downstream_connections must leave at least one to each of the"
                " workers"
            )
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_cert_file and tls_key_file belong together")
        if self.tls_listen is not None and self.tls_cert_file is None:
            raise ValueError("tls_listen needs tls_cert_file and tls_key_file")
        return self
