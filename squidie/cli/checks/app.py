"""Checks of the application itself: its code, and who may do and see what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from squidie.cli.checks.patient import Finding, Needs, Severity, ok, some, warning
from squidie.errors import ConfigError, InvalidSpec, MissingConfig
from squidie.settings import FULL
from squidie.views.words import many
from squidie.workflow.checks import validate_spec

if TYPE_CHECKING:
    from squidie.cli.checks.patient import Patient
_MOST = 3


def app_import(patient: Patient) -> Finding:
    """The application can be found, imported, and its workflows are sound."""
    try:
        squidie = patient.setup.with_code()
    except MissingConfig as error:
        return Finding(Severity.WARNING, "no application was named: only the journal is looked at", error.hint)
    except (ConfigError, InvalidSpec) as error:
        return Finding(Severity.ERROR, error.message, error.hint)
    patient.has.add(Needs.CODE)
    workflows = squidie.workflows.values()
    steps = sum(len(workflow.spec.nodes) for workflow in workflows)
    if not workflows:
        return Finding(
            Severity.WARNING, f"{patient.setup.found_at} declares no workflow", "pass workflows=[...] to Squidie(...)"
        )
    return Finding(Severity.OK, f"{patient.setup.found_at}: {many(len(workflows), 'workflow')}, {many(steps, 'step')}")


def app_specs(patient: Patient) -> Finding:
    """Nothing about the workflows is doubtful; what is wrong with one keeps the application from being imported."""
    specs = [workflow.spec for workflow in patient.squidie.workflows.values()]
    said = [f"{spec.name}.{issue.path}: {issue.message}" for spec in specs for issue in validate_spec(spec)]
    if not said:
        return ok("nothing doubtful")
    more = f"; and {len(said) - _MOST} more: squidie workflows validate" if len(said) > _MOST else ""
    return warning("; ".join(said[:_MOST]) + more, "change what is said there, or let it be where it is meant so")


def app_actions(patient: Patient) -> Finding:
    """What graphs that were written elsewhere may name is here on purpose."""
    registry = patient.squidie.registry
    used = {node.action for workflow in registry.workflows.values() for node in workflow.spec.work.values()}
    others = sorted(name for name in registry.served - used if registry.action(name) is not None)
    if not others:
        return ok("none but those of the workflows")
    unnamed = [name for name in others if "<locals>" in name or "<lambda>" in name]
    if unnamed:
        return warning(f"{some(unnamed)}: no other process knows it by that name", "give it a name: actions={...}")
    return ok(f"{some(others)} beside those of the workflows")


def access_authorize(patient: Patient) -> Finding:
    """Whether the host decides who may do what."""
    if patient.squidie.has_authorize:
        return Finding(Severity.OK, "the application's authorize hook is asked before every command on a run")
    evidence = "no authorize hook: whoever calls from Python is trusted, and roles bind nobody"
    return Finding(Severity.OK, evidence, "Squidie(..., authorize=hook), if others than trusted code may steer runs")


def access_visibility(patient: Patient) -> Finding:
    """Whether the host decides who sees what."""
    if patient.squidie.has_visibility:
        return ok("the application's visibility policy is asked about every view")
    return Finding(
        Severity.OK,
        "no visibility policy: views of an actor are those from outside",
        "Squidie(..., visibility=policy), if somebody is to see more",
    )


def access_masking(patient: Patient) -> Finding:
    """What is secret is masked where it is shown, and where errors and comments are written."""
    settings = patient.squidie.settings
    if not settings.secrets and not settings.secret_values:
        kept = " and errors are kept in full" if settings.errors == FULL else ""
        return warning(
            f"nothing is masked: settings.secrets is empty{kept}", "leave settings.secrets as it is by default"
        )
    values, paths = len(settings.secret_values), len(settings.masked_paths)
    words = f"what stands under {many(len(settings.secrets), 'word')} and their forms is masked"
    return ok(f"{words}, and {many(values, 'known value')} and {many(paths, 'path')}")
