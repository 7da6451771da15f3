"""Print the replies that are read otherwise than by a person, and the share of the others."""

from __future__ import annotations

import sys

from tests.sources.llm.corpus import CASES

wrong = [(case, names) for case in CASES if (names := case.read()) != case.names]
for case, names in wrong:
    sys.stdout.write(f"{case.id}\n  read:     {names}\n  a person: {case.names}\n")
sys.stdout.write(f"{len(CASES) - len(wrong)} of {len(CASES)} ({1 - len(wrong) / len(CASES):.1%})\n")
