"""Console output as plain lines, for files and pipes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import IO, Any, TextIO

from clsim.experiment.events import (
    DrawEnded,
    Event,
    Note,
    Record,
    Results,
    RunEnded,
    RunInfo,
    RunStarted,
    SessionEnded,
    SessionStarted,
    StepsDone,
)
from clsim.report.compatibility import (
    compatibility_figures,
    diagnostic_sentences,
    metric_sentences,
    replaced_versions,
    replacement_sentences,
)
from clsim.report.console.underway import Underway
from clsim.report.draws import draw_line, draws_table
from clsim.report.figures import brought, class_ids, several, stand_in_sentences, validation_sentence
from clsim.report.matrix import lay_out
from clsim.report.service import backfill_table, saved, service_sentence, service_table
from clsim.report.sessions import sessions_table, summary_table
from clsim.utils.numbers import DASH, count, duration, percent
from clsim.utils.text import clean


def write_line(stream: IO[str], text: str) -> None:
    """Write one clean line and flush; characters that the stream cannot encode become question marks."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(clean(text.rstrip()).encode(encoding, "replace").decode(encoding) + "\n")
    stream.flush()


def stand_in_line(scenario: str, missing: Mapping[str, Any] | None) -> str:
    """Return the notice of a stand-in in one line; empty if none runs."""
    sentences = stand_in_sentences(scenario, missing)
    return f"STAND-IN: {' '.join(sentences)}" if sentences else ""


def validation_line(validation: Mapping[str, Any] | None) -> str:
    """Return the notice of a run evaluated on held-out training images in one line; empty for any other."""
    return f"VALIDATION: {validation_sentence(validation)}" if validation else ""


class PlainReporter:
    """A listener that writes plain lines, without escape codes and carriage returns.

    Args:
        stream: Text stream for the lines.
        clock: Function that returns seconds. A line of progress follows each epoch, at most one within
            `EPOCH_SECONDS`; a long epoch has one after `SILENT_SECONDS`.

    """

    EPOCH_SECONDS = 10.0
    SILENT_SECONDS = 60.0

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._info: RunInfo | None = None
        self._underway: Underway | None = None
        self._reported = (0.0, 1)

    def on_event(self, event: Event) -> None:
        """Write the lines of an event."""
        match event:
            case RunStarted(info):
                self._run_started(info)
            case SessionStarted():
                self._session_started(event)
            case StepsDone():
                self._steps_done(event)
            case SessionEnded(results):
                self._session_ended(results)
            case DrawEnded():
                self._line(draw_line(event))
            case RunEnded(results, seconds):
                self._run_ended(results, seconds)
            case Note(text):
                for line in text.splitlines():
                    self._line(line)

    def _run_started(self, info: RunInfo) -> None:
        """Write the facts of the run, after the notice of a stand-in."""
        self._info = info
        self._line(stand_in_line(info.scenario, info.stands_in_for))
        self._line(validation_line(info.validation))
        self._line(
            f"clsim: {info.scenario}, {info.strategy}, seed {info.seed}, "
            f"{info.dataset} on {info.device}, {several(info.sessions, 'session')}"
        )
        self._line(f"files: {info.out}")

    def _session_started(self, begun: SessionStarted) -> None:
        self._underway = Underway(begun, clock=self._clock)
        self._reported = (self._clock(), 1)
        last = f" of {self._info.sessions - 1}" if self._info else ""
        training = several(begun.epochs, "epoch") if begun.steps else "no training"
        self._line(f"session {begun.session}{last}: {brought(begun.new_classes, begun.images)}, {training}")

    def _steps_done(self, done: StepsDone) -> None:
        """Write a line if enough time has passed."""
        now = self._underway
        if now is None:
            return
        now.update(done)
        when, last_epoch = self._reported
        wait = self.EPOCH_SECONDS if now.epoch != last_epoch else self.SILENT_SECONDS
        if self._clock() - when >= wait:
            self._reported = (self._clock(), now.epoch)
            shown = DASH if now.loss is None else f"{now.loss:.4f}"
            self._line(
                f"  epoch {now.epoch}/{now.begun.epochs}, step {now.step}/{now.begun.steps}, loss {shown}, "
                f"{count(now.images_per_second)} images/s, {duration(now.seconds_left)} left"
            )

    def _session_ended(self, results: Results) -> None:
        """Write the session's row under its headings, accuracy by session of origin, compatibility and service."""
        published = self._info.published if self._info else None
        table = sessions_table(results["sessions"], published)
        for line in (table.lines[0], table.lines[-1]):
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

    def _run_ended(self, results: Results, seconds: float) -> None:
        """Write the whole tables and the summary, before the notice of a stand-in."""
        info = self._info
        if info is None:
            return
        records = results.get("sessions") or []
        for line in sessions_table(records, info.published).lines:
            self._line(line)
        grid = lay_out(results.get("compatibility_matrix") or [], replaced=replaced_versions(records))
        service = service_table(records)
        for line in (
            *([grid.title, *grid.lines(), *grid.legend()] if grid.rows else []),
            *(service.lines if service.rows else []),
        ):
            self._line(line)
        for name, ours, theirs, points in summary_table(results, info).texts:
            beside = f"  (published {theirs}, {points} points)" if theirs != DASH else ""
            self._line(f"{name}: {ours}{beside}")
        draws = draws_table(results)
        for line in (draws.title, *draws.lines) if draws.rows else ():
            self._line(line)
        if info.published_source:
            self._line(f"published: {info.published_source}")
        if saved_in_all := (results.get("summary") or {}).get("service"):
            self._line(f"service: {saved(saved_in_all)}")
        self._line(f"{results.get('status', 'complete')} in {duration(seconds)}, files: {info.out}")
        self._line(stand_in_line(info.scenario, info.stands_in_for))
        self._line(validation_line(info.validation))

    def _line(self, text: str) -> None:
        if text:
            write_line(self._stream, text)


def compatibility_lines(record: Record) -> list[str]:
    """Return lines for replacements, cross-tests, figures of compatibility and the service, those that are known."""
    compatibility, service = record.get("compatibility") or {}, record.get("service") or {}
    lines = replacement_sentences(record)
    if tests := compatibility.get("cross_tests"):
        lines.append(f"cross-tests by version of the gallery: {' '.join(map(percent, tests))}")
    if figures := compatibility_figures(compatibility):
        lines.append(", ".join(f"{name} {figure}" for name, figure in figures))
    if service:
        lines.append(f"service: {service_sentence(service)}")
    if backfill := backfill_table(service.get("backfill")):
        lines += [f"  {line}" for line in backfill.fitted(0).lines]
    return lines
