"""The web process that most tests here ask."""

from tests.web.conftest import site

__all__ = ["site"]
