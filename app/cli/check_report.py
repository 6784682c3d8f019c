"""How `signoff check` reports: a table for people, JSON, SARIF 2.1.0 for code hosts, JUnit for
build servers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from xml.etree import ElementTree

from rich.console import Console
from rich.markup import escape

from app.cli.output import json_text
from app.core.mail.lint.rules import RULES, Finding, Severity
from app.core.visible import visible

_NO_PROMISE = (
    "Whether a mailbox shows its unsubscribe button is the provider's choice: reputation and volume"
    " decide that, not this check."
)
_MOST_CHARS = 500
_COLOURS = {Severity.PROBLEM: "red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}
_LEVELS = {Severity.PROBLEM: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}


class ReportFormat(StrEnum):
    """The forms of a report."""

    TABLE = "table"
    JSON = "json"
    SARIF = "sarif"
    JUNIT = "junit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One mail and what was found about it."""

    name: str
    uris: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def fails(self) -> bool:
        """Tell whether there is a problem, not only warnings and notes."""
        return any(finding.severity is Severity.PROBLEM for finding in self.findings)

    def with_findings(self, more: Sequence[Finding]) -> "Judged":
        """Return the same with more findings."""
        return replace(self, findings=(*self.findings, *more))


def show(judged: Sequence[Judged], form: ReportFormat) -> None:
    """Print the report on stdout; what strangers wrote is made visible."""
    judged = [_shown(mail) for mail in judged]
    {
        ReportFormat.TABLE: _table,
        ReportFormat.JSON: _json,
        ReportFormat.SARIF: _sarif,
        ReportFormat.JUNIT: _junit,
    }[form](judged)


def _shown(mail: Judged) -> Judged:
    findings = tuple(
        replace(finding, what=visible(finding.what, most=_MOST_CHARS)) for finding in mail.findings
    )
    return replace(mail, name=visible(mail.name, most=_MOST_CHARS), findings=findings)


def _table(judged: Sequence[Judged]) -> None:
    console = Console(highlight=False)
    for mail in judged:
        verdict = (
            "[red]does not meet the rules[/red]" if mail.fails else "[green]meets the rules[/green]"
        )
        console.print(f"[bold]{escape(mail.name)}[/bold]  {verdict}", soft_wrap=True)
        for finding in mail.findings:
            colour = _COLOURS[finding.severity]
            console.print(
                f"  [{colour}]{finding.severity:<8}[/{colour}] {escape(finding.what)} "
                f" ({finding.code})",
                soft_wrap=True,
            )
            console.print(
                f"           {escape(finding.rule.why)} {escape(finding.rule.how)}",
                style="dim",
                soft_wrap=True,
            )
    failing = sum(mail.fails for mail in judged)
    console.print(
        f"\n{len(judged)} judged, {failing} with a problem. {_NO_PROMISE}", soft_wrap=True
    )


def _json(judged: Sequence[Judged]) -> None:
    rows = [
        {
            "name": mail.name,
            "meets_the_rules": not mail.fails,
            "findings": [_row(finding) for finding in mail.findings],
        }
        for mail in judged
    ]
    print(
        json_text(
            {"messages": rows, "failing": sum(mail.fails for mail in judged), "note": _NO_PROMISE},
            indent=2,
        )
    )


def _row(finding: Finding) -> dict[str, str]:
    rule = finding.rule
    return {
        "code": finding.code,
        "severity": finding.severity,
        "what": finding.what,
        "why": rule.why,
        "how": rule.how,
    }


def _sarif(judged: Sequence[Judged]) -> None:
    rules = [
        {"id": code, "shortDescription": {"text": rule.why}, "help": {"text": rule.how}}
        for code, rule in RULES.items()
    ]
    results = [
        {
            "ruleId": finding.code,
            "level": _LEVELS[finding.severity],
            "message": {"text": f"{finding.what}. {finding.rule.how}"},
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": mail.name}}}],
        }
        for mail in judged
        for finding in mail.findings
    ]
    driver = {"name": "signoff check", "rules": rules}
    log = {
        "version": "2.1.0",
        "$schema": _SARIF_SCHEMA,
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }
    print(json_text(log, indent=2))


_SARIF_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)


def _junit(judged: Sequence[Judged]) -> None:
    failures = str(sum(mail.fails for mail in judged))
    suite = ElementTree.Element(
        "testsuite",
        name="signoff check",
        tests=str(len(judged)),
        failures=failures,
        errors="0",
        skipped="0",
    )
    for mail in judged:
        case = ElementTree.SubElement(suite, "testcase", name=mail.name, classname="signoff.check")
        text = "\n".join(
            f"{finding.severity}: {finding.what} ({finding.code}). {finding.rule.why}"
            for finding in mail.findings
        )
        if mail.fails:
            ElementTree.SubElement(case, "failure", message="does not meet the rules").text = text
        elif text:
            ElementTree.SubElement(case, "system-out").text = text
    print(ElementTree.tostring(suite, encoding="unicode", xml_declaration=True))
