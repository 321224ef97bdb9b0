"""Render the terminal output of a command as an image: python docs/console.py PNG COLUMNS FIRST LAST COMMAND...

The image starts at the last line that contains the text FIRST, and ends before the next line that begins with LAST.
Needs pyte, a terminal emulator, in addition to ``[dev]``, and Chromium.
"""

from __future__ import annotations

import fcntl
import html
import os
import pty
import shutil
import struct
import sys
import termios
from pathlib import Path

ROWS = 46
PAGE = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; background: #14171b; }}
pre {{ margin: 0; padding: 14px 18px; display: inline-block; color: #d5dae0;
       font: 14px/17px "DejaVu Sans Mono", monospace; }}
span {{ display: inline-block; width: 1ch; height: 17px; overflow: visible; vertical-align: top; }}
</style><pre>{}</pre>"""
NAMES = {"brown": "#d9a62e", "blue": "#5aa0e0", "cyan": "#4fc1c9", "green": "#5fc27e", "red": "#e06c66"}


def printed(command: list[str], columns: int) -> bytes:
    """Return the output of a command on a terminal with this many columns."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", COLUMNS=str(columns), LINES=str(ROWS))
        os.execvp(command[0], command)  # noqa: S606
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
    output = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # Linux raises it when the other end of a pseudo-terminal is closed
            return output
        if not part:
            return output
        output += part


def lines(output: bytes, columns: int) -> list[list]:
    """Return the final lines of the terminal, including those that have scrolled off."""
    import pyte

    screen = pyte.HistoryScreen(columns, ROWS, history=100_000, ratio=1.0)
    pyte.ByteStream(screen).feed(output)
    cells = [*screen.history.top, *(screen.buffer[row] for row in range(ROWS))]
    return [[line[column] for column in range(columns)] for line in cells]


def text(line: list) -> str:
    """Return the text of a line."""
    return "".join(cell.data for cell in line).rstrip()


def markup(line: list) -> str:
    """Return a line as HTML."""
    return "".join(f'<span style="{_style(cell)}">{html.escape(cell.data)}</span>' for cell in line)


def _style(cell: object) -> str:
    colors = cell.fg, cell.bg
    front, back = (_color(name) for name in (colors[::-1] if cell.reverse else colors))
    style = f"color:{front};" if front else ""
    style += f"background:{back};" if back else ""
    return style + ("font-weight:bold;" if cell.bold else "")


def _color(name: str) -> str | None:
    if name == "default":
        return None
    return NAMES.get(name, name if name.isalpha() else f"#{name}")


def main() -> None:
    """Run the command and write the image."""
    from playwright.sync_api import sync_playwright

    target, columns, first, last, *command = sys.argv[1:]
    found = lines(printed(command, int(columns)), int(columns))
    texts = [text(line) for line in found]
    start = max(number for number, line in enumerate(texts) if first in line)
    end = next(number for number, line in enumerate(texts) if number > start and line.startswith(last))
    width = max(map(len, texts[start:end]))
    with sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(device_scale_factor=1.5, viewport={"width": 1200, "height": 800})
        page.set_content(PAGE.format("\n".join(markup(line[:width]) for line in found[start:end])))
        page.locator("pre").screenshot(path=target)
        browser.close()
    print(f"{Path(target).stat().st_size:,} bytes: {target}")


if __name__ == "__main__":
    main()
