"""The command ``clsim audit``. Heavy modules are imported when it runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from clsim.utils.errors import UserError
from clsim.utils.files import from_home

if TYPE_CHECKING:
    from clsim.auditing import AuditSettings

SHORT = 3
"""Exit code of an audit whose chosen arrangement misses a requirement."""


def audit(
    versions: Annotated[
        list[str],
        typer.Argument(metavar="OLD NEW", help="Vectors of the same items by each model: PATH or PATH::MEMBER."),
    ],
    labels: Annotated[str | None, typer.Option(metavar="PATH", help="Label of each item.")] = None,
    queries: Annotated[
        tuple[str, str] | None, typer.Option(metavar="OLD NEW", help="Vectors of the queries by each model.")
    ] = None,
    query_labels: Annotated[str | None, typer.Option(metavar="PATH", help="Label of each query.")] = None,
    relevant: Annotated[
        str | None, typer.Option(metavar="PATH", help="Relevant items of each query: columns query and item.")
    ] = None,
    ids: Annotated[
        str | None, typer.Option(metavar="NAME|PATH", help="Ids of the items: a member of both files, or a file.")
    ] = None,
    new_ids: Annotated[
        str | None, typer.Option(metavar="NAME|PATH", help="Ids of the new vectors, if they differ in place.")
    ] = None,
    query_ids: Annotated[str | None, typer.Option(metavar="NAME|PATH", help="Ids of the queries.")] = None,
    drop_unusable: Annotated[
        bool, typer.Option("--drop-unusable", help="Leave out items with a NaN, infinite or zero row.")
    ] = False,
    k: Annotated[int | None, typer.Option("--k", metavar="10", help="Length of the lists that users see.")] = None,
    bridges: Annotated[str | None, typer.Option(metavar="A,B", help="Bridges to fit.")] = None,
    set_: Annotated[list[str], typer.Option("--set", metavar="KEY=VALUE", help="Another setting; repeatable.")] = [],  # noqa: B006  (typer copies it)
    seed: Annotated[int, typer.Option(help="Seed of every draw.")] = 0,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="New model, timed on a sample of random images.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds-per-1000", metavar="S", help="Time to embed 1,000 items.")
    ] = None,
    price: Annotated[
        float | None, typer.Option("--price-per-1000", metavar="P", help="Price of embedding 1,000 items.")
    ] = None,
    items: Annotated[int | None, typer.Option(metavar="N", help="Items of the whole collection.")] = None,
    require: Annotated[
        list[str],
        typer.Option(metavar="'recall@10>=0.95'", help="End with code 3 if the choice misses it; repeatable."),
    ] = [],  # noqa: B006
    out: Annotated[
        str | None, typer.Option(metavar="DIR", help="Directory for audit.json, audit.html and tables.")
    ] = None,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="Search here, or over shards on a Ray cluster.")
    ] = "local",
    address: Annotated[str | None, typer.Option(metavar="auto|ray://HOST:PORT", help="Ray cluster.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print audit.json only.")] = False,
) -> None:
    """Audit an upgrade: must everything be embedded again?

    Compares ways to serve new queries while the old vectors stay, each with its quality, interval and cost, and says
    which is enough. Three and more versions are audited as a chain.
    """
    from clsim.auditing.require import read_requirement

    if len(versions) < 2:
        raise UserError("an audit needs the vectors of two models", fix="clsim audit OLD NEW")
    demands = [read_requirement(text) for text in require]
    directory = None if out is None else from_home(_path(out, "--out"), "--out")
    if new_ids is not None and ids is None:
        raise UserError("--new-ids needs --ids")
    settings = _settings(set_, k, bridges, seed)
    if model is not None and seconds is not None:
        raise UserError("--model and --seconds-per-1000 exclude each other")
    if address is not None and engine == "local":
        raise UserError("--address belongs to --engine ray")
    if engine == "ray" and len(versions) > 2:
        raise UserError("--engine ray audits two versions, not a chain")
    say = _progress(quiet=json)
    import clsim
    from clsim.auditing.throughput import seconds_per_1000

    prices = clsim.Prices(new_seconds=seconds_per_1000(model) if model else seconds, new_money=price, items=items)
    shared: Any = {"labels": labels, "relevant": relevant, "drop_unusable": drop_unusable}
    shared |= {"settings": settings, "prices": prices, "out": directory, "say": say}
    if len(versions) > 2:
        if queries is not None or query_labels is not None or query_ids is not None or new_ids is not None:
            raise UserError("a chain of versions takes no queries, and ids only as a member of every file")
        chain = clsim.audit_chain(versions, ids=ids, **shared)
        found, record, text = chain.last, chain.to_dict(), str(chain)
    else:
        both = ids if new_ids is None or ids is None else (ids, new_ids)
        if engine == "ray":
            from clsim.auditing.ray_search import RaySearch

            shared["engine"] = RaySearch(address)
        asked: Any = {"queries": queries, "query_labels": query_labels, "query_ids": query_ids}
        found = clsim.audit(versions[0], versions[1], ids=both, **asked, **shared)
        record, text = found.to_dict(), ""
    if json:
        from json import dumps

        typer.echo(dumps(record))
    else:
        from clsim.report.audit import print_audit

        if text:
            typer.echo(f"{text}\n\nThe last upgrade:")
        print_audit(found)
    missed = [demand for demand in demands if not demand.met(found)]
    for demand in missed:
        typer.echo(f"not met: {demand} ({demand.found(found):.4f})", err=True)
    if missed:
        raise typer.Exit(SHORT)


def _path(text: str, where: str) -> Path:
    if not text.strip():
        raise UserError("a path is empty", where=where)
    return Path(text)


def _settings(changes: list[str], k: int | None, bridges: str | None, seed: int) -> AuditSettings:
    import yaml

    from clsim.auditing.settings import AuditSettings

    values: dict[str, Any] = {"seed": seed}
    for change in changes:
        key, sign, text = change.partition("=")
        if not sign:
            raise UserError(f"expected KEY=VALUE, got {change!r}", where="--set")
        try:
            values[key.strip()] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise UserError(f"{key}: this value cannot be read: {text!r}", where="--set") from error
    if k is not None:
        values["k"] = k
    if bridges is not None:
        values["bridges"] = [name.strip() for name in bridges.split(",")]
    known = AuditSettings.__dataclass_fields__
    for key in values:
        if key not in known:
            from clsim.utils.text import suggestion

            raise UserError(f"there is no setting {key!r}", where="--set", fix=suggestion(key, known))
    return AuditSettings(**values)


def _progress(*, quiet: bool) -> Any:
    """Return a function that prints a line of progress to standard error."""
    if quiet or int(os.environ.get("RANK", "0")):
        return lambda line: None
    return lambda line: typer.echo(f"clsim: {line}", err=True)
