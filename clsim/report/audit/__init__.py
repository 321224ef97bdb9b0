"""Faces of an audit: console, HTML page, tables for papers and the files of a directory."""

from clsim.report.audit.console import print_audit
from clsim.report.audit.tables import audit_tables
from clsim.report.audit.write import write_audit

__all__ = ["audit_tables", "print_audit", "write_audit"]
