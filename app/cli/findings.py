"""What `signoff doctor` reports: one line a check."""

from enum import StrEnum
from typing import NamedTuple


class CheckVerdict(StrEnum):
    """How one check ended. Only a problem is a finding for the exit code."""

    GOOD = "good"
    WARNING = "warning"
    PROBLEM = "problem"
    SKIPPED = "not checked"


class DoctorFinding(NamedTuple):
    """One line of the report."""

    check: str
    verdict: CheckVerdict
    detail: str
