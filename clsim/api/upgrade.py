"""Audits of an upgrade from files, arrays and tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from clsim.auditing import Audit, AuditSettings, Prices, audit_vectors
from clsim.auditing.chain import audit_chain as audit_versions
from clsim.auditing.chain_record import ChainAudit
from clsim.auditing.files import check_out
from clsim.auditing.inputs import RelevantItems, Sources, Values, Vectors, load_inputs, load_versions
from clsim.auditing.search import Search, search
from clsim.utils.files import from_home


def audit(
    old: Vectors,
    new: Vectors,
    *,
    queries: tuple[Vectors, Vectors] | None = None,
    labels: Values | None = None,
    query_labels: Values | None = None,
    relevant: RelevantItems | None = None,
    ids: str | Path | tuple[str | Path, str | Path] | None = None,
    query_ids: str | Path | tuple[str | Path, str | Path] | None = None,
    drop_unusable: bool = False,
    settings: AuditSettings | None = None,
    prices: Prices | None = None,
    out: Path | str | None = None,
    say: Callable[[str], None] = lambda line: None,
    engine: Search = search,
) -> Audit:
    """Audit an upgrade: must the items that an old model embedded be embedded again?

    Without labels and relevant items, the right answers are the exact neighbors by the new model.

    Args:
        old: Vectors of the items by the old model, ``(N, d)``: array, tensor, or location of a file, see
            :func:`clsim.data.open_vectors`.
        new: Vectors of the same items by the new model, ``(N, D)``.
        queries: Vectors of the queries by the old model and by the new one; None: some items are queries.
        labels: Label of each item: values or location.
        query_labels: Label of each query.
        relevant: Relevant items of each query: positions, or location of a table with ``query`` and ``item``.
        ids: Ids of the items, a member of the files or a location; for both models or one for each.
        query_ids: Ids of the queries, likewise.
        drop_unusable: Whether pairs with a NaN, infinite or zero row are left out; otherwise they are refused.
        settings: Settings; None: the defaults.
        prices: Prices of the operator; None: not known.
        out: Directory of ``audit.json``, ``audit.html`` and tables as CSV, Markdown and LaTeX; None: nothing is
            written.
        say: Receives a line of progress.
        engine: Search in the galleries: in this process, or a :class:`clsim.auditing.ray_search.RaySearch`.

    Returns:
        Verdict, arrangements with intervals and costs, and bridges.

    Raises:
        UserError: The input is wrong; nothing was written.

    Example:
        >>> import numpy as np
        >>> items = np.random.default_rng(0).normal(size=(400, 8))
        >>> found = audit(items, items @ np.linalg.qr(np.random.default_rng(1).normal(size=(8, 8)))[0])
        >>> found.verdict.choice, round(found.arrangement("bridge_query").figures["recall@10"].value, 2)
        ('do_nothing', 1.0)

    """
    directory = None if out is None else check_out(from_home(out, "--out"))
    sources = Sources(old, new, queries, labels, query_labels, relevant, ids, query_ids, drop_unusable)
    inputs, notes = load_inputs(sources)
    found = audit_vectors(inputs, settings, prices, notes=notes, say=say, engine=engine)
    if directory is not None:
        from clsim.report.audit import write_audit  # imports rich

        write_audit(found, directory)
    return found


def audit_chain(
    versions: Sequence[Vectors],
    *,
    labels: Values | None = None,
    relevant: RelevantItems | None = None,
    ids: str | Path | None = None,
    drop_unusable: bool = False,
    settings: AuditSettings | None = None,
    prices: Prices | None = None,
    out: Path | str | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> ChainAudit:
    """Audit a chain of upgrades: can the queries of each version search the galleries of all before it?

    Takes the arguments of :func:`audit`, with the vectors of all versions, oldest first. Some items are queries.

    Returns:
        Matrices of all pairs of versions without a bridge, with direct bridges and with composed ones; the distance of
        each step; and the audit of the last upgrade.

    Raises:
        UserError: The input is wrong; nothing was written.

    Example:
        >>> import numpy as np
        >>> items = np.random.default_rng(0).normal(size=(400, 8))
        >>> found = audit_chain([items, items[:, ::-1], items])
        >>> found.matrix("direct")[2]
        [1.0, 1.0, 1.0]

    """
    directory = None if out is None else check_out(from_home(out, "--out"))
    given = load_versions(versions, ids, labels, relevant, drop_unusable=drop_unusable)
    sets, coded, items, notes = given
    found = audit_versions(sets, labels=coded, relevant=items, settings=settings, prices=prices, notes=notes, say=say)
    if directory is not None:
        from clsim.report.audit import write_audit  # imports rich

        write_audit(found.last, directory)
        found.save(directory)
    return found
