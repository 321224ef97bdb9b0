"""The command line. Heavy modules are imported inside the command that needs them."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Annotated, Literal

import typer

from clsim.cli.audit import audit
from clsim.cli.benchmarks import Benchmark
from clsim.utils.errors import DataWarning, RenamedWarning, UserError
from clsim.utils.exit_codes import DONE, FAILED, INTERRUPTED, WRONG_INPUT, leave, lines_of
from clsim.utils.files import from_home
from clsim.utils.text import clean

app = typer.Typer(
    help="Simulate continual learning of vision models: what they forget, and what stays compatible.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help, without the time it takes to import rich
    context_settings={"help_option_names": ["-h", "--help"]},
)
Topic = Literal["scenarios", "strategies", "datasets", "models", "metrics"]


def _path(text: str) -> Path:
    """Return a path whose ``~`` is a home directory, also after ``=``, where shells do not expand it."""
    if not text.strip():
        raise UserError("a path is empty", fix="name a file or a directory; . is the current one")
    return from_home(text, text)


Runs = Annotated[list[Path], typer.Argument(parser=_path, metavar="RUN...", help="Run directories.")]
Changes = Annotated[list[str], typer.Option("--set", metavar="KEY.SUB=VALUE", help="Override a value; repeatable.")]


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 failed, 2 wrong input, 3 a requirement is missed, 130 interrupted."""
    _open_streams()
    # Waiting threads sleep, since spinning makes a run ten times slower on shared cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Avalanche warns at import that an optional solver is missing, which no strategy here uses.
    warnings.filterwarnings("ignore", message="no QP solver", category=UserWarning)
    # PIL warns of large images. The decoder refuses those that are too large.
    warnings.filterwarnings("ignore", message="Image size .* exceeds limit")
    warnings.formatwarning = _warning
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a scheduler ends a run as Ctrl-C does
    try:
        app()
        code = DONE
    except SystemExit as left:  # raised by typer for help, wrong usage and Ctrl-C
        code = left.code if isinstance(left.code, int) else DONE
        if code == INTERRUPTED:
            caught = getattr(left.__context__, "__cause__", None)
            leave(caught if isinstance(caught, KeyboardInterrupt) else KeyboardInterrupt())
    except BaseException as error:
        code = leave(error)
    if "WORLD_SIZE" in os.environ and "clsim.utils.distributed" in sys.modules:
        sys.modules["clsim.utils.distributed"].shutdown()
    sys.exit(_flushed(code))


def _open_streams() -> None:
    """Redirect closed standard streams, as under a daemon or after ``>&-``, to the null device.

    A file opened later would get their descriptors, and printed text would be written into it.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            nothing = os.open(os.devnull, os.O_RDONLY if mode == "r" else os.O_WRONLY)
            if nothing != number:
                os.dup2(nothing, number)
                os.close(nothing)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def _warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """Format a warning for a terminal, one of clsim's as a plain line."""
    if issubclass(category, DataWarning | RenamedWarning):
        return f"warning: {lines_of(str(message))}\n"
    return f"{filename}:{lineno}: {category.__name__}: {lines_of(str(message))}\n"


def _flushed(code: int) -> int:
    """Flush stdout, and report a full disk or a closed pipe in one line."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return code or leave(error)
    return code


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"clsim {version('clsim')}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    if debug:
        os.environ["CLSIM_DEBUG"] = "1"


@app.command()
def run(
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help="Name or path of a scenario.")],
    strategy: Annotated[str | None, typer.Option(metavar="NAME|PATH", help="Another strategy.")] = None,
    set_: Changes = [],  # noqa: B006  (typer copies it)
    seed: Annotated[int | None, typer.Option(help="Another seed.")] = None,
    seeds: Annotated[str | None, typer.Option(metavar="42,13,50", help="One run per seed.")] = None,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda[:i]", help="Device.")] = "auto",
    out: Annotated[Path | None, typer.Option(parser=_path, metavar="DIR", help="Run directory.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume an incomplete run.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Resume even if the inputs have changed.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Fail instead of running the stand-in.")] = False,
    track: Annotated[
        list[str], typer.Option(metavar="tensorboard|wandb|mlflow", help="Log to a tracker too; repeatable.")
    ] = [],  # noqa: B006
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print only the last line and the comparison of several runs.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Train, evaluate and report a scenario."""
    from clsim.config import load_scenario
    from clsim.sweep.series import Resuming, read_seeds, run_series
    from clsim.utils.errors import UserError

    if int(os.environ.get("RANK", "0")):  # of the processes of torchrun only the first prints
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if quiet and json:
        raise UserError("--quiet and --json exclude each other")
    if seed is not None and seeds is not None:
        raise UserError("--seed and --seeds exclude each other")
    if force and not resume:
        raise UserError("--force belongs to --resume")
    numbers = read_seeds(seeds.split(",")) if seeds is not None else []
    # Loaded before torch is imported, so that mistakes show at once.
    loaded = load_scenario(scenario, set_, strategy=strategy, seed=seed)
    run_series(
        loaded,
        seeds=numbers or [loaded.seed],
        device=device,
        out=out,
        strict=strict,
        resuming=Resuming(resume, force),
        mode="json" if json else "quiet" if quiet else "auto",
        track=track,
    )


@app.command()
def validate(
    scenarios: Annotated[list[str], typer.Argument(metavar="SCENARIO...", help="Names or paths.")],
) -> None:
    """Check scenarios without training.

    All errors are printed at once, each with its file and line.
    """
    verdicts = [_is_valid(name) for name in scenarios]
    if not all(verdicts):
        raise typer.Exit(WRONG_INPUT)


def _is_valid(name: str) -> bool:
    from clsim.config import load_scenario
    from clsim.utils.errors import UserError

    try:
        scenario = load_scenario(name)
    except UserError as error:
        leave(error)
        return False
    parts = [scenario.stream.dataset, *scenario.stream.summary(scenario.sessions), scenario.strategy]
    typer.echo(clean(f"{scenario.path}: ok ({', '.join(parts)})"))
    return True


@app.command("list")
def list_(
    topic: Annotated[Topic | None, typer.Argument(help="Default: all topics.")] = None,
    strategy: Annotated[str | None, typer.Argument(metavar="STRATEGY", help="List its settings.")] = None,
) -> None:
    """List what scenarios can name.

    Topics are scenarios, strategies, datasets, models and metrics, and the settings of one strategy.
    """
    from clsim.cli.listing import show, show_settings
    from clsim.utils.errors import UserError

    if strategy is None:
        show(topic)
    elif topic == "strategies":
        show_settings(strategy)
    else:
        raise UserError(
            f"`clsim list {topic}` takes no second argument", fix="`clsim list strategies NAME` lists settings"
        )


@app.command()
def data(
    action: Annotated[Literal["status", "fetch", "verify"], typer.Argument()] = "status",
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="Default: all data sets.")] = None,
) -> None:
    """Show, fetch or verify data sets."""
    from clsim.cli.listing import show_data

    if not show_data(action, names or []):
        raise typer.Exit(1)


@app.command()
def cache(action: Annotated[Literal["status", "clear"], typer.Argument()] = "status") -> None:
    """Show or remove stored features of frozen backbones."""
    from clsim.cli.feature_listing import clear_features, show_features

    if action == "clear":
        clear_features()
    else:
        show_features()


@app.command()
def pretrain(
    scenarios: Annotated[list[str], typer.Argument(metavar="SCENARIO...", help="Names or paths.")],
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda[:i]", help="Device.")] = "auto",
    remake: Annotated[bool, typer.Option("--remake", help="Train again even if the weights exist.")] = False,
) -> None:
    """Make the models that scenarios need.

    Each one is a file of weights with a manifest. A run makes missing models by itself.
    """
    from clsim.config import load_scenario

    loaded = [load_scenario(name) for name in scenarios]  # all problems show before the first training
    from clsim.experiment.device import resolve_device
    from clsim.pretraining.store import resolve_model

    place = resolve_device(device)
    for scenario in loaded:
        for name, recipe in scenario.models.items():
            if not recipe.versions():
                typer.echo(clean(f"{scenario.name}: {name}: nothing to make ({recipe.kind})"))
            for version in recipe.versions():
                weights = resolve_model(name, version, device=place, remake=remake)
                typer.echo(clean(f"{scenario.name}: {name}: {weights}"))


@app.command()
def verify(
    runs: Runs,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per run.")] = False,
) -> None:
    """Recompute the figures of runs.

    Figures that do not follow from the files of a run are reported.
    """
    codes = [_verified(path, json=json) for path in runs]
    raise typer.Exit(WRONG_INPUT if WRONG_INPUT in codes else max(codes))


def _verified(path: Path, *, json: bool) -> int:
    from clsim.utils.errors import UserError
    from clsim.verify import verify as verify_run

    try:
        verification = verify_run(path)
    except UserError as error:
        return leave(error)
    if json:
        from json import dumps

        typer.echo(dumps(verification.to_dict()))
    else:
        from clsim.report.verification import print_verification

        print_verification(verification)
    return FAILED if verification.differs else DONE


@app.command()
def compare(
    runs: Runs,
    confidence: Annotated[float, typer.Option(metavar="0.95", help="Confidence level of the intervals.")] = 0.95,
    against: Annotated[
        str | None, typer.Option(metavar="STRATEGY", help="Differences from this strategy only.")
    ] = None,
    incomplete: Annotated[bool, typer.Option("--incomplete", help="Include incomplete runs.")] = False,
    format_: Annotated[
        Literal["text", "markdown", "latex", "csv"], typer.Option("--format", help="Output format.")
    ] = "text",
    latest: Annotated[
        bool, typer.Option("--latest", help="Use only the latest complete run of each strategy and seed.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare strategies over seeds.

    Shows means, confidence intervals, p-values of differences and published rows.
    """
    from clsim.utils.errors import UserError

    if json and format_ != "text":
        raise UserError("--json and --format exclude each other")
    from clsim.report.compare import compare as compare_runs
    from clsim.report.compare.printing import print_comparison

    compared = compare_runs(runs, confidence=confidence, against=against, incomplete=incomplete, latest=latest)
    print_comparison(compared, "json" if json else format_)


app.command()(audit)


@app.command()
def report(
    runs: Runs,
    out: Annotated[Path | None, typer.Option(parser=_path, metavar="FILE", help="Report file.")] = None,
    show: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    pictures: Annotated[
        Path | None, typer.Option(parser=_path, metavar="DIR", help="Also write figures for a paper.")
    ] = None,
    kind: Annotated[Literal["svg", "pdf"], typer.Option("--format", help="Format of the figures.")] = "svg",
    tables: Annotated[
        Path | None, typer.Option(parser=_path, metavar="DIR", help="Also write tables as LaTeX, Markdown and CSV.")
    ] = None,
) -> None:
    """Write an HTML report of runs.

    With --pictures or --tables, and neither --out nor --open, only these are written.
    """
    from clsim.report.html.write import page_of, write_report

    page = out or page_of(runs) if out or show or not (pictures or tables) else None
    for path in write_report(runs, page=page, pictures=pictures, tables=tables, kind=kind):
        typer.echo(clean(path))
    if show and page is not None:
        typer.launch(page.absolute().as_uri())


@app.command()
def sweep(
    name: Annotated[str, typer.Argument(metavar="SWEEP", help="Name or path of a sweep.")],
    engine: Annotated[Literal["local", "ray"], typer.Option(help="Run on this machine or on a Ray cluster.")] = "local",
    address: Annotated[str | None, typer.Option(metavar="auto|ray://HOST:PORT", help="Ray cluster.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, metavar="N", help="Parallel runs on this machine.")] = None,
    out: Annotated[Path | None, typer.Option(parser=_path, metavar="DIR", help="Directory of all files.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Run or resume a sweep.

    Runs every combination of scenarios, strategies, settings and seeds, and compares them.
    """
    from clsim.sweep.run import run_sweep

    mode: Literal["json", "auto"] = "json" if json else "auto"
    raise typer.Exit(run_sweep(name, engine=engine, address=address, jobs=jobs, out=out, mode=mode))


@app.command()
def bench(
    name: Annotated[Benchmark, typer.Argument(metavar="NAME")],
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda[:i]", help="Device.")] = "cpu",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure the speed of clsim on this machine.

    Benchmarks are loop, clip, matrix, stream, retrieval and audit, shown with the limits of the machine.
    """
    from clsim.cli.benchmarks import run_benchmark
    from clsim.cli.benchmarks.table import show_benchmark
    from clsim.experiment.device import resolve_device
    from clsim.report.console.choose import make_console

    place = resolve_device(device)
    if json:
        from json import dumps

        result, machine = run_benchmark(name, place)
        typer.echo(dumps(result.to_dict(machine)))
        return
    console = make_console()
    with console.status(f"measuring {name}; clip takes about five minutes, audit ten, the others one or two"):
        result, machine = run_benchmark(name, place)
    show_benchmark(console, result, machine)


@app.command()
def schema() -> None:
    """Print the JSON Schema of scenarios."""
    from json import dumps

    from clsim.config.json_schema import scenario_schema

    typer.echo(dumps(scenario_schema(), indent=1))
