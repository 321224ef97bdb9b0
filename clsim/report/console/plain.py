"""Reporters that write plain lines: for files and pipes, and the quiet one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any, TextIO

from clsim.experiment.reporter import Record, Results, RunInfo, Underway
from clsim.report.compatibility import (
    compatibility_figures,
    diagnostic_sentences,
    metric_sentences,
    replaced_versions,
    replacement_sentences,
)
from clsim.report.figures import (
    DASH,
    brought,
    class_ids,
    count,
    duration,
    percent,
    several,
    stand_in_sentences,
    validation_sentence,
)
from clsim.report.matrix import lay_out
from clsim.report.service import backfill_rows, service_sentence, service_table, spared
from clsim.report.table import COMPATIBILITY, GAP, Sessions, sessions_table, summary_rows
from clsim.utils.text import clean


def write_line(stream: IO[str], text: str) -> None:
    """Write and flush one line, clean; characters that the stream's encoding lacks become question marks."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(clean(text.rstrip()).encode(encoding, "replace").decode(encoding) + "\n")
    stream.flush()


def stand_in_line(scenario: str, missing: Mapping[str, Any] | None) -> str:
    """The stand-in's notice in one line; empty when none runs."""
    sentences = stand_in_sentences(scenario, missing)
    return f"STAND-IN: {' '.join(sentences)}" if sentences else ""


def validation_line(validation: Mapping[str, Any] | None) -> str:
    """The notice of a run measured on held-out training images in one line; empty for any other."""
    return f"VALIDATION: {validation_sentence(validation)}" if validation else ""


class PlainReporter:
    """One line for what happens, no escape code, no carriage return.

    Args:
        stream: where to.
        clock: seconds; a line of progress comes when an epoch is over, but not within `EPOCH_SECONDS` of the
            one before, and within a long epoch after `SILENT_SECONDS`.

    """

    EPOCH_SECONDS = 10.0
    SILENT_SECONDS = 60.0

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._info: RunInfo | None = None
        self._underway: Underway | None = None
        self._told = (0.0, 1)

    def run_started(self, info: RunInfo) -> None:
        """Say what runs; a stand-in first of all."""
        self._info = info
        self._line(stand_in_line(info.scenario, info.stands_in_for))
        self._line(validation_line(info.validation))
        self._line(
            f"clsim: {info.scenario}, {info.strategy}, seed {info.seed}, "
            f"{info.dataset} on {info.device}, {several(info.sessions, 'session')}"
        )
        self._line(f"files: {info.out}")

    def session_started(self, session: int, new_classes: int, images: int, epochs: int, steps: int) -> None:
        """One line."""
        self._underway = Underway(session, new_classes, images, epochs, steps, clock=self._clock)
        self._told = (self._clock(), 1)
        last = f" of {self._info.sessions - 1}" if self._info else ""
        training = several(epochs, "epoch") if steps else "no training"
        self._line(f"session {session}{last}: {brought(new_classes, images)}, {training}")

    def progress(self, epoch: int, step: int, loss: float | None, images_per_second: float) -> None:
        """A line now and then."""
        now = self._underway
        if now is None:
            return
        now.update(epoch, step, loss, images_per_second)
        when, last_epoch = self._told
        wait = self.EPOCH_SECONDS if now.epoch != last_epoch else self.SILENT_SECONDS
        if self._clock() - when >= wait:
            self._told = (self._clock(), now.epoch)
            shown = DASH if now.loss is None else f"{now.loss:.4f}"
            self._line(
                f"  epoch {now.epoch}/{now.epochs}, step {now.step}/{now.steps}, loss {shown}, "
                f"{count(now.images_per_second)} images/s, {duration(now.seconds_left)} left"
            )

    def session_ended(self, results: Results) -> None:
        """The session's row under its headings, accuracy by session of origin, compatibility and the service."""
        published = self._info.published if self._info else None
        table = sessions_table(results["sessions"], published)
        for line in table_lines(Sessions(table.columns, table.rows[-1:])):
            self._line(f"  {line}")
        record = results["sessions"][-1]
        origins = record.get("accuracy_by_session") or []
        if origins:
            self._line(f"  by session of origin: {' '.join(map(percent, origins))}")
        for line in compatibility_lines(record):
            self._line(f"  {line}")
        classes = class_ids(record.get("new_classes") or [])
        parts = [f"new classes: {classes}"] if classes else []
        parts += [f"trainable parameters: {count(record.get('trainable_parameters'))}"]
        self._line(f"  {'; '.join([*parts, *diagnostic_sentences(record), *metric_sentences(record)])}")
        self._underway = None

    def run_ended(self, results: Results, seconds: float) -> None:
        """The whole tables and the summary; a stand-in last of all."""
        info = self._info
        if info is None:
            return
        records = results.get("sessions") or []
        for line in table_lines(sessions_table(records, info.published)):
            self._line(line)
        grid = lay_out(results.get("compatibility_matrix") or [], replaced=replaced_versions(records))
        service = service_table(records)
        for line in (
            *([grid.title, *grid.lines(), *grid.legend()] if grid.rows else []),
            *(table_lines(service) if service.rows else []),
        ):
            self._line(line)
        for name, ours, theirs, points in summary_rows(results, info):
            beside = f"  (published {theirs}, {points} points)" if theirs != DASH else ""
            self._line(f"{name}: {ours}{beside}")
        if info.published_source:
            self._line(f"published: {info.published_source}")
        if spared_in_all := (results.get("summary") or {}).get("service"):
            self._line(f"service: {spared(spared_in_all)}")
        self._line(f"{results.get('status', 'complete')} in {duration(seconds)}, files: {info.out}")
        self._line(stand_in_line(info.scenario, info.stands_in_for))
        self._line(validation_line(info.validation))

    def note(self, text: str) -> None:
        """One line for each of the text's."""
        for line in text.splitlines():
            self._line(line)

    def close(self) -> None:
        """Nothing is held."""

    def _line(self, text: str) -> None:
        if text:
            write_line(self._stream, text)


def compatibility_lines(record: Record) -> list[str]:
    """Replacements, cross-tests, the figures that follow from them and the service view; only what is known."""
    compatibility, service = record.get("compatibility") or {}, record.get("service") or {}
    lines = replacement_sentences(record)
    if tests := compatibility.get("cross_tests"):
        lines.append(f"cross-tests by version of the gallery: {' '.join(map(percent, tests))}")
    if figures := compatibility_figures(compatibility):
        lines.append(", ".join(f"{name} {figure}" for name, figure in figures))
    if service:
        lines.append(f"service: {service_sentence(service)}")
    if backfill := backfill_rows(service.get("backfill"), bars=False):
        lines += [f"  {line}" for line in aligned(backfill[0], backfill[1:])]
    return lines


def table_lines(table: Sessions) -> list[str]:
    """The table of sessions, one line for its headings and one for each row."""
    return aligned([" ".join(filter(None, column.header)) for column in table.columns], table.rows)


def aligned(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns aligned to the right, as wide as they need."""
    lines = (headings, *rows)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [(" " * GAP).join(cell.rjust(w) for cell, w in zip(line, widths, strict=True)) for line in lines]


class QuietReporter:
    """Only a last line; a stand-in is said on the other stream.

    Args:
        stream: for the last line.
        errors: for the stand-in's notice.

    """

    def __init__(self, stream: TextIO, errors: TextIO) -> None:
        self._stream = stream
        self._errors = errors
        self._info: RunInfo | None = None

    def run_started(self, info: RunInfo) -> None:
        """Silent, unless a stand-in runs."""
        self._info = info
        if info.stands_in_for:
            write_line(self._errors, stand_in_line(info.scenario, info.stands_in_for))
        if info.validation:
            write_line(self._errors, validation_line(info.validation))

    def session_started(self, session: int, new_classes: int, images: int, epochs: int, steps: int) -> None:
        """Silent."""

    def progress(self, epoch: int, step: int, loss: float | None, images_per_second: float) -> None:
        """Silent."""

    def session_ended(self, results: Results) -> None:
        """Silent."""

    def run_ended(self, results: Results, seconds: float) -> None:
        """The one line."""
        info = self._info
        if info is None:
            return
        summary = results.get("summary") or {}
        status = results.get("status", "complete")
        measured = ((key.upper(), percent(summary.get(key))) for key in COMPATIBILITY)
        compatibility = "".join(f"{name} {figure}, " for name, figure in measured if figure != DASH)
        aloud = "VALIDATION (held-out training images, no test result): " if info.validation else ""
        write_line(
            self._stream,
            f"{aloud}{info.scenario}, {info.strategy}, seed {info.seed}: "
            f"{status} in {duration(seconds)}, "
            f"final accuracy {percent(summary.get('final_accuracy'))}, "
            f"average {percent(summary.get('average_accuracy'))}, {compatibility}files: {info.out}",
        )

    def note(self, text: str) -> None:
        """Silent."""

    def close(self) -> None:
        """Nothing is held."""
