"""What the tree must not say: where somebody's checkout lies, which registry somebody uses."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GENERATED = {".bench", ".coverage", ".git", ".venv", "__pycache__", "build", "dist", "htmlcov", ".hypothesis"}
TEXT = {
    ".cfg",
    ".css",
    ".html",
    ".in",
    ".ini",
    ".js",
    ".json",
    ".mako",
    ".md",
    ".py",
    ".sh",
    ".sql",
    ".toml",
    ".txt",
    ".yaml",
    ".yml",
    "",
}

# Written in halves, so that this page does not say them either.
HOMES = re.compile("(?<![A-Za-z0-9_.~}*/-])/" + "(?:root|home|Users|work|mnt|private)" + "/")
REGISTRIES = re.compile(
    "|".join(
        map(
            re.escape,
            (
                "pypi." + "org",
                "python" + "hosted",
                "ghcr." + "io",
                "docker." + "io",
                "quay." + "io",
                "gcr." + "io",
                "npmjs." + "com",
            ),
        )
    )
)
INDEXES = re.compile("--(?:extra-)?index" + "-url|--find" + "-links")
RULES = (HOMES, REGISTRIES, INDEXES)


def pages():
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        if (
            path.suffix in TEXT
            and path.is_file()
            and not any(part in GENERATED or part.endswith("_cache") for part in parts)
        ):
            yield path


def said(text):
    """The lines that break a rule, with their numbers."""
    return [
        f"{number}: {line.strip()[:100]}"
        for number, line in enumerate(text.splitlines(), 1)
        if any(rule.search(line) for rule in RULES)
    ]


def test_no_page_names_a_private_path_or_a_registry():
    found = {path.relative_to(ROOT).as_posix(): said(path.read_text("utf-8", errors="replace")) for path in pages()}

    assert len(found) > 20
    assert not {name: lines for name, lines in found.items() if lines}


@pytest.mark.parametrize(
    "text", ["see /ro" + "ot/x", "'/ho" + "me/me/x'", "https://py" + "pi.org/p", "pip --index" + "-url x"]
)
def test_what_must_not_be_said_is_noticed(text):
    assert said(f"first\n{text}") == [f"2: {text}"]


@pytest.mark.parametrize("text", ["framework/home/", "/usr/lib/postgresql", "a/root/b", "https://example.org/home/x"])
def test_what_may_be_said_is_not(text):
    assert said(text) == []
