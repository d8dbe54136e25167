"""Measure the faults and print the table of docs/operations.md: `python -m tests.faults`.

Whatever follows goes to pytest: `python -m tests.faults -k hangs`.
"""

import sys

import pytest

from tests.faults.rows import HEADER, PROPERTY


class Table:
    """Collects the rows that tests hand over."""

    def __init__(self) -> None:
        self.rows: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self.rows += [str(row) for name, row in report.user_properties if name == PROPERTY]


def main() -> int:
    table = Table()
    status = pytest.main(["tests/faults", *sys.argv[1:]], plugins=[table])
    print(HEADER, *sorted(table.rows, key=lambda row: row.split("|")), sep="\n")
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
