"""`squidie doctor`: what can be wrong around Squidie, each with what mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from squidie.cli.reading import Reading, read_command
from squidie.errors import InvalidArgument

if TYPE_CHECKING:
    from squidie.cli.checks.patient import Finding

_ERRORS, _WARNINGS = 1, 8
_NAME = 21
_PAGE = "docs/reference/doctor.md"
_SIGNS = {"ok": "[green]✓[/]", "warning": "[yellow]⚠[/]", "error": "[red]✕[/]"}


@click.command()
@click.option("--strict", is_flag=True, help="Exit with 8 for warnings, too.")
@click.option("--only", metavar="ID", help="One check.")
@read_command
def doctor(reading: Reading, *, strict: bool, only: str | None) -> None:
    """Check everything that can be wrong around Squidie. Exit 1 for errors; nothing is changed."""
    from squidie.cli.checks import CHECKS, examine

    known = [check.id for check in CHECKS]
    if only is not None and only not in known:
        raise InvalidArgument("--only", "there is no such check", hint=f"known: {', '.join(known)}")
    found = []
    if not reading.as_json and only is None:
        reading.screen.print(f"[dim]{_about()}[/]")
    for name, finding in examine(reading.setup, only):
        found.append((name, finding))
        if not reading.as_json:
            _print(reading, name, finding)
    code = _exit_code([finding for _, finding in found], strict=strict)
    if reading.as_json:
        checks = [{"id": name, **finding._asdict()} for name, finding in found]
        reading.document("squidie.doctor/1", {"ok": code == 0, "checks": checks})
    elif only is not None and not found:
        reading.screen.note(f"{only} does not apply here.")
    else:
        _print_sum(reading, found)
    click.get_current_context().exit(code)


def _print(reading: Reading, name: str, finding: Finding) -> None:
    from rich.markup import escape

    fix = [f"[dim]fix: {escape(finding.fix)}[/]"] if finding.fix and finding.severity != "ok" else []
    reading.screen.item(_SIGNS[finding.severity], name, escape(finding.evidence), *fix, width=_NAME)


def _about() -> str:
    from squidie.cli.admin import versions

    named = versions()
    told = [f"{part} {named[part]}" for part in ("squidie", "python", "celery") if part in named]
    return " · ".join(told)


def _print_sum(reading: Reading, found: list[tuple[str, Finding]]) -> None:
    findings = [finding for _, finding in found]
    errors, warnings = (sum(finding.severity == kind for finding in findings) for kind in ("error", "warning"))
    if not errors and not warnings:
        reading.screen.note("[green]All is well.[/]")
        return
    parts = [f"{n} {word}{'' if n == 1 else 's'}" for n, word in ((errors, "error"), (warnings, "warning")) if n]
    worst = next(name for kind in ("error", "warning") for name, finding in found if finding.severity == kind)
    reading.screen.note(f"{', '.join(parts)}.  [dim]{_PAGE}#{worst.replace('.', '')}[/]")


def _exit_code(findings: list[Finding], *, strict: bool) -> int:
    if any(finding.severity == "error" for finding in findings):
        return _ERRORS
    return _WARNINGS if strict and any(finding.severity == "warning" for finding in findings) else 0
