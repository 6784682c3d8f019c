"""The witness of those who need none, such as a single command or a test."""


class Silence:
    """Hears everything and says nothing."""

    def acknowledged(self, copies: int) -> None:
        """Say nothing."""

    def not_durable(self, reason: str) -> None:
        """Say nothing."""

    def replayed(self, rows: int) -> None:
        """Say nothing."""

    def store_failed(self, reason: str) -> None:
        """Say nothing."""

    def store_recovered(self) -> None:
        """Say nothing."""
