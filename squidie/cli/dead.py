"""`squidie dead …`: what was given up, what of it failed the same way, and the hands that requeue and discard it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from squidie.cli.completing import complete_runs
from squidie.cli.listing import Listing
from squidie.cli.reading import SCOPE, Reading, moment, read_command
from squidie.cli.who import AS
from squidie.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from squidie.runtime import TakenUp
    from squidie.runtime.letters import DeadLetters
    from squidie.views.letters import Letter, LetterPage

TERMS = ("workflow", "step", "queue", "partition", "reason", "code", "group", "since", "until")
_CHUNK = 1000

_NARROWING = (
    click.argument("query", nargs=-1),
    click.option("--workflow", metavar="NAME", help="Of this workflow."),
    click.option("--step", metavar="NAME", help="Of steps of this name."),
    click.option("--queue", metavar="NAME", help="Of this queue."),
    click.option("--reason", metavar="KIND", help="Of this kind of failure: timed_out, say."),
    click.option("--code", help="With this code: what the host's Fail(code=) said, or the kind."),
    click.option("--since", metavar="AGE|TIME", help='Given up since: "2h", or 2026-05-01T12:00Z.'),
    click.option("--until", metavar="AGE|TIME", help="Given up before."),
    click.option(
        "--open/--closed", "is_open", default=True, help="Those that nobody has taken in hand, or the others."
    ),
    click.option("--all", "is_all", is_flag=True, help="Both."),
)
_HANDS = (
    click.argument("targets", nargs=-1, required=True, metavar="RUN[:STEP]...|QUERY...", shell_complete=complete_runs),
    click.option("--reason", required=True, help="Why; it is kept."),
    AS,
    click.option("--canary", "most", type=click.IntRange(min=1), metavar="N", help="Only so many, the newest first."),
    click.option("--limit", default=1000, show_default=True, help="More than so many are refused as a whole."),
    click.option("--dry-run", is_flag=True, help="Only say how many there are."),
    click.option("--yes", is_flag=True, help="Do not ask."),
)


def _given(*options: Callable[..., Any]) -> Callable[[Any], Any]:
    def decorated(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorated


@click.group(cls=Listing)
def dead() -> None:
    """Look at dead letters, requeue them or put them away. Without a command, `ls`.

    A letter is named by its run, RUN, or RUN:STEP where the run has several. QUERY is any of workflow:NAME, step:NAME,
    queue:NAME, partition:NAME, reason:timed_out, code:CODE, group:FINGERPRINT, since:2h, until:1h.
    """


@dead.command()
@_given(*_NARROWING)
@click.option("--limit", default=50, show_default=True, help="At most so many; 0 is all.")
@click.option("--after", metavar="CURSOR", help="The page after this one.")
@SCOPE
@read_command
def ls(reading: Reading, query: tuple[str, ...], *, limit: int, after: str | None, **given: Any) -> None:
    """List letters, newest first."""
    where = _where(reading, query, given)
    letters = reading.setup.on_journal().dead_letters
    page = letters.list(**where, limit=limit, after=after) if limit else _all(letters, where, after)
    if reading.as_json:
        reading.document("squidie.dead/1", reading.told(page))
        return
    from squidie.cli.letters import print_page

    print_page(reading.screen, reading.see(page), letters.count(**where))


@dead.command()
@_given(*_NARROWING)
@click.option("--limit", default=50, show_default=True, help="At most so many.")
@SCOPE
@read_command
def groups(reading: Reading, query: tuple[str, ...], *, limit: int, **given: Any) -> None:
    """Say what failed the same way, the most frequent first: ids, times and numbers are taken out of messages."""
    found = reading.setup.on_journal().dead_letters.groups(**_where(reading, query, given), limit=limit)
    if reading.as_json:
        reading.document("squidie.dead.groups/1", reading.told(found))
        return
    from squidie.cli.letters import print_groups

    print_groups(reading.screen, reading.see(found))


@dead.command()
@click.argument("target", metavar="RUN[:STEP]", shell_complete=complete_runs)
@SCOPE
@read_command
def show(reading: Reading, target: str) -> None:
    """Show one letter in full: the error, its tries and claims, and what was done about it."""
    letter = _letter(reading, target, is_open=None)
    if reading.as_json:
        reading.document("squidie.dead.letter/1", reading.told(letter))
        return
    from squidie.cli.letters import print_letter

    print_letter(reading.screen, reading.see(letter), reading.setup.on_journal().now())


@dead.command()
@_given(*_HANDS)
@click.option("--allow-irreversible", multiple=True, metavar="STEP", help="May be run again all the same.")
@read_command
def requeue(reading: Reading, targets: tuple[str, ...], *, allow_irreversible: tuple[str, ...], **given: Any) -> None:
    """Try again: a parked step in its run; of a run that has ended, a new one goes on at the step."""
    _take(reading, "requeue", targets, given, allow_irreversible=allow_irreversible)


@dead.command()
@_given(*_HANDS)
@read_command
def discard(reading: Reading, targets: tuple[str, ...], **given: Any) -> None:
    """Give up for good: a parked step's failure takes its course; of a run that has ended the letter is closed."""
    _take(reading, "discard", targets, given)


# ---------------------------------------------------------------- in the small
def _where(reading: Reading, terms: Iterable[str], options: dict[str, Any]) -> dict[str, Any]:
    """What is asked, by terms and options alike."""
    asked = {name: options.get(name) for name in TERMS}
    for term in terms:
        name, colon, value = term.partition(":")
        if not colon:
            name, value = "workflow", term
        if name not in TERMS:
            raise InvalidArgument("query", f"there is no filter {name!r}", hint=f"known: {', '.join(TERMS)}")
        asked[name] = value
    where = {name: value for name, value in asked.items() if value is not None}
    if "group" in where:
        where["fingerprint"] = where.pop("group")
    for name in ("since", "until"):
        if name in where:
            where[name] = moment(reading.setup, where[name], past=True)
    if "is_open" in options:
        where["open"] = None if options["is_all"] else options["is_open"]
    return where


def _all(letters: DeadLetters, where: dict[str, Any], after: str | None) -> LetterPage:
    from squidie.views.letters import LetterPage
    from squidie.views.paging import pages

    found = list(pages(lambda cursor: letters.list(**where, limit=_CHUNK, after=cursor), after))
    return LetterPage(tuple(letter for page in found for letter in page.letters), None, found[-1].at)


def _letter(reading: Reading, target: str, *, is_open: bool | None) -> Letter:
    """The letter that is meant. Raises `DeadLetterNotFound`, and `InvalidArgument` where several are."""
    run, colon, step = target.partition(":")
    run_id, letters = reading.setup.find(run), reading.setup.on_journal().dead_letters
    if colon:
        return letters.show(run_id, step)
    found = {letter.step: letter for letter in reversed(letters.list(run_id=run_id, open=is_open).letters)}
    if not found:
        from squidie.errors import DeadLetterNotFound

        raise DeadLetterNotFound(run_id, None)
    if len(found) > 1:
        named = ", ".join(f"{run}:{step}" for step in sorted(found))
        raise InvalidArgument("RUN", "has more than one letter", hint=f"one of {named}")
    return next(iter(found.values()))


def _take(reading: Reading, verb: str, targets: tuple[str, ...], given: dict[str, Any], **more: Any) -> None:
    """Letters by name, or all that a query finds; counted first."""
    is_query = [target.partition(":")[0] in TERMS for target in targets]
    if any(is_query) and not all(is_query):
        raise InvalidArgument("RUN|QUERY", "give letters by their runs, or a query, not both")
    asked = {"reason": given["reason"], "actor": given["actor"], "source": "cli", **more}
    if is_query[0]:
        found = _of_query(reading, verb, targets, given, asked)
    else:
        found = _of_names(reading, verb, targets, given, asked)
    if found is not None:
        _told(reading, verb, found)


def _of_names(
    reading: Reading, verb: str, targets: tuple[str, ...], given: dict[str, Any], asked: dict[str, Any]
) -> TakenUp | None:
    from squidie.errors import SquidieError
    from squidie.runtime import TakenUp

    letters = reading.setup.on_journal().dead_letters
    meant = [_letter(reading, target, is_open=True) for target in targets]
    if given["dry_run"]:
        _counted(reading, verb, len(meant))
        return None
    done, refused = {}, {}
    for letter in meant[: given["most"]]:
        place = (letter.run_id, letter.step)
        try:
            done[place] = getattr(letters, verb)(*place, **asked).id
        except SquidieError as error:
            refused[place] = error
    return TakenUp(len(meant), done, refused)


def _of_query(
    reading: Reading, verb: str, terms: tuple[str, ...], given: dict[str, Any], asked: dict[str, Any]
) -> TakenUp | None:
    letters = reading.setup.on_journal().dead_letters
    where = _where(reading, terms, {})
    matched = letters.count(**where)
    if given["dry_run"] or not matched:
        _counted(reading, verb, matched)
        return None
    number = min(matched, given["most"] or matched)
    if not given["yes"]:
        if not sys.stdin.isatty():
            raise InvalidArgument("--yes", f"is needed to {verb} {matched} letters where nobody can be asked")
        click.confirm(f"{verb} {number} of {matched} letters?", abort=True, err=True)
    found: TakenUp = getattr(letters, f"{verb}_many")(where, limit=given["limit"], most=given["most"], **asked)
    return found


def _counted(reading: Reading, verb: str, matched: int) -> None:
    if reading.as_json:
        reading.document("squidie.dead.taken/1", {"verb": verb, "matched": matched, "done": [], "refused": []})
        return
    reading.screen.print(f"{matched:,} dead letters match." if matched else "No dead letter matches.")


def _told(reading: Reading, verb: str, found: TakenUp) -> None:
    """What became of each; the exit code is the first refusal's."""
    if reading.as_json:
        done = [{"run_id": run, "step": step, "goes_on_in": new} for (run, step), new in found.done.items()]
        refused = [
            {"run_id": run, "step": step, "error": error.to_dict()} for (run, step), error in found.refused.items()
        ]
        body = {"verb": verb, "matched": found.matched, "done": done, "refused": refused}
        reading.document("squidie.dead.taken/1", body)
    else:
        from squidie.cli.letters import print_taken

        print_taken(reading.screen, verb, found)
    for error in found.refused.values():
        click.get_current_context().exit(error.exit_code)
