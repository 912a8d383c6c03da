"""The screens of the command line: each command once or more, on the runs of `tests/support/shop.py`, at 80 columns.

Ids, owners, versions and measured times are replaced by ones that stay.
"""

from __future__ import annotations

import re
import shlex
import threading
from typing import NamedTuple

from tests.support import shop

COLUMNS = 80


class Screen(NamedTuple):
    """A line that somebody types, what it is for, and what is shown; `works` lets somebody work meanwhile.

    `deployed`: on the code of tomorrow, which has forgotten something.
    """

    line: str
    about: str = ""
    works: bool = False
    deployed: bool = False
    most: int = 60


SCREENS = (
    Screen("status"),
    Screen("ls"),
    Screen("ls state:ended", "A query narrows: workflow, status, state, since."),
    Screen("show 9c7f3b"),
    Screen("show 9c7f3b --timeline", "Against time; where nothing happens for long it is folded:"),
    Screen("show b81f56 --steps", "Each step in full:"),
    Screen("show b81f56 --events", "What happened, in order; a claim is told before the fact that ended it:"),
    Screen("show 5e19d4 --journal --data", "Its facts, and what went in and came out:"),
    Screen("show 9c7f3b --scope external", "As somebody from outside sees it:"),
    Screen("explain 9c7f3b"),
    Screen("explain 77e0d2", "What is stuck says who acts, and with which command:"),
    Screen("explain --stuck", "All that does not go on by itself, rolled up:"),
    Screen("watch b81f56", "A line for each change, on a terminal redrawn in place:"),
    Screen("tail workflow:SendInvoice --since 1h --no-follow"),
    Screen("graph OrderFlow"),
    Screen("graph 42ad0e", "Of a run, with what became of it:"),
    Screen("graph 9c7f3b", "What is too wide for the terminal is a list:"),
    Screen("graph OrderFlow --format mermaid", "For a pull request:"),
    Screen("workflows"),
    Screen("workflows show RefundOrder"),
    Screen("workflows validate RefundOrder SendInvoice"),
    Screen("workflows diff OrderFlow f6d6", "What the next deploy changes in the graph that runs keep:", deployed=True),
    Screen("export 5e19d4", "As an operator sees it payloads are types and sizes:", most=34),
    Screen("check"),
    Screen("check", "With code that has forgotten something:", deployed=True),
    Screen("verify"),
    Screen("verify b81f56", "Of one run:"),
    Screen("queues"),
    Screen("workers"),
    Screen("limits"),
    Screen("dead ls"),
    Screen("dead groups"),
    Screen("dead show 5e19d4"),
    Screen("schedules"),
    Screen("schedules show NightlySync"),
    Screen("schedules next NightlySync --number 3"),
    Screen("doctor", "Here the database is one for tests, and nobody serves `etl`:", most=90),
    Screen("doctor --only workers.alive", "One check:"),
    Screen("migrate"),
    Screen("version"),
    Screen("gc --completed 1h", "First look, then apply what was looked at:"),
    # what follows changes something
    Screen("archive e07c19 --reason 'a test order' --as maya@ops"),
    Screen("archive 9c7f3b --reason 'a test order' --as maya@ops", "What is open stays in sight:"),
    Screen("unarchive e07c19 --as maya@ops"),
    Screen("delegate 9c7f3b finance --as maya@ops"),
    Screen("approve 9c7f3b --note 'checked with finance' --as maya@ops"),
    Screen("approve 9c7f3b --as ben@ops", "Whoever comes second is told who was first:"),
    Screen("resume c6a835 --step looked_at --as maya@ops"),
    Screen("reject c6a835 --step agreed --note 'not ours' --as maya@ops"),
    Screen("retry 9c7f3b --as maya@ops"),
    Screen("signal 42ad0e parcel_sent -p parcel=p-18 --as parcels@dock"),
    Screen("start RefundOrder -p order_id=8850 --key refund-8850"),
    Screen("start RefundOrder -p order_id=8850 --key refund-8850", "The same key is the same run:"),
    Screen("start RefundOrder -p order=8850", "What is wrong is said with what would be right:"),
    Screen("run SendInvoice -p order_id=8851", "Progress goes to stderr, the output to stdout:", works=True),
    Screen("cancel 1b9e60 --reason 'ordered twice' --as maya@ops"),
    Screen("replay b81f56 --as maya@ops", "What cannot be undone is not repeated by accident:"),
    Screen("replay b81f56 --preview"),
    Screen("replay b81f56 --allow-irreversible charge_card --as maya@ops"),
    Screen("fork b81f56 notify_customer --as maya@ops"),
    Screen("dead requeue 5e19d4 --reason 'font installed' --as maya@ops"),
    Screen("dead discard d4417f --reason 'sent by hand' --as maya@ops"),
    Screen("limits set printer 3 --reason 'a second one is here' --as maya@ops"),
    Screen("limits unset printer --as maya@ops"),
    Screen("queues pause etl --reason 'the warehouse is closed' --as maya@ops"),
    Screen("queues resume etl --as maya@ops"),
    Screen("schedules pause NightlySync --reason 'stocktaking' --as maya@ops"),
    Screen("schedules resume NightlySync --as maya@ops"),
    Screen("schedules run-now NightlySync --as maya@ops"),
    Screen("schedules backfill NightlySync --from 2026-03-08T00:00Z --to 2026-03-10T00:00Z"),
    Screen("schedules create NightlySync weekly '0 4 * * 1' --input '{\"order_id\": 1}' --as maya@ops"),
    Screen("schedules change NightlySync.weekly --expression '0 5 * * 1' --as maya@ops"),
    Screen("schedules remove NightlySync.weekly --as maya@ops"),
    Screen("schedules sync"),
)

ELSEWHERE = {
    "demo": "a show of a minute that starts services of its own: see the README",
    "worker": "a process that goes on, and writes a log",
    "completion": "the script of a shell, to be read by it and not by people",
}
"""Commands without a screen, and why."""

CHANGING = (
    (re.compile(r"(squidie|python|celery|sqlalchemy|psycopg|alembic|msgspec|click|rich)( +)\d[\w.]*"), r"\1\2N.N.N"),
    (re.compile(r'"(squidie|python|celery|sqlalchemy|psycopg|alembic|msgspec|click|rich)": "[^"]*"'), r'"\1": "N.N.N"'),
    (re.compile(r"--apply [\w-]{20,}"), "--apply TOKEN"),
    (re.compile(r"\d+ (B|KiB)\b"), "24 KiB"),
    (re.compile(r"\d+ ms\b"), "2 ms"),
    (re.compile(r"\([\d,]+ facts/s\)"), "(5,000 facts/s)"),
    (re.compile(r"PostgreSQL [\d.]+"), "PostgreSQL N"),
    (re.compile(r"kombu [\d.]+"), "kombu N"),
    (re.compile(r"\d+ of the server's \d+"), "9 of the server's 97"),
    (re.compile(r"WHO +WHY"), "WHO                   WHY"),
    (re.compile(r'"hash": "[0-9a-f]{64}"'), '"hash": "5f0c…"'),
    (re.compile(r"\b\d+ms(?= *$)", re.MULTILINE), "0ms"),
)


class Stage:
    """The shop, and whoever types."""

    def __init__(self, squidie, call, worker, tomorrow):
        self.squidie, self._call, self._worker, self._tomorrow = squidie, call, worker, tomorrow
        played = shop.play(squidie)
        self._names = {run.id: name for run, name in zip(played.runs, shop.SHORT_IDS, strict=False)}

    def screen(self, screen):
        """What stands on the screen after this line was typed, with the exit code if it is not zero."""
        words = [self._id(word) for word in shlex.split(screen.line)]
        squidie = self._tomorrow if screen.deployed else self.squidie
        result = self._working(words) if screen.works else self._call(squidie, *words, columns=COLUMNS)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        self._learn()
        lines = self._steady(result.output).splitlines()
        if len(lines) > screen.most:
            lines = [*lines[: screen.most], "…"]
        return "\n".join([*lines, *([f"exit {result.exit_code}"] if result.exit_code else [])])

    def _working(self, words):
        """With somebody who works off what is due until the command has ended."""
        done = threading.Event()
        thread = threading.Thread(target=self._work, args=(done,))
        thread.start()
        try:
            return self._call(self.squidie, *words, columns=COLUMNS)
        finally:
            done.set()
            thread.join(10)

    def _work(self, done):
        while not done.wait(0.05):
            self._worker.turn(["default"])

    def _learn(self):
        """Every run gets a name, in the order in which they were started."""
        rows = reversed(self.squidie.list_runs(limit=1000).runs)
        for row in sorted(rows, key=lambda row: row.started_at):
            if row.id not in self._names:
                self._names[row.id] = shop.SHORT_IDS[len(self._names)]

    def _id(self, word):
        known = {name: str(run_id) for run_id, name in self._names.items()}
        return known.get(word, word)

    def _steady(self, text):
        text = text.replace(self.squidie.owner, "shop:4120:b1").replace(self._worker.owner, "shop:4120:b1")
        for run_id, name in self._names.items():
            whole = f"01a2181e-6781-7784-b064-{shop.SHORT_IDS.index(name):06d}{name}"
            text = text.replace(str(run_id), whole).replace(run_id.hex[-6:], name)
        for pattern, steady in CHANGING:
            text = pattern.sub(steady, text)
        return text
