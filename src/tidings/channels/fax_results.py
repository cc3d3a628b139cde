"""What the result of a fax call says about the next call: one table for T.30 codes and for the words of HylaFAX.

The numbers 0 to 48 are those of libspandsp, which other fax programs and providers count by, too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tidings.channels.protocol import Kind, Option, Outcome, Scope

# Seconds before the same number is dialled again: nobody's line is free or mended sooner. Machines and regulators
# want calls spaced; HylaFAX itself waits as long.
RETRY_SECONDS = 300.0
# Calls to one number in all.
TRIES = 3

# Options of every fax channel: how pages are drawn (read by the templates) and how often a number is dialled.
PAGE_OPTIONS: tuple[Option, ...] = (
    Option(
        "resolution", "choice", "fine, or standard with half the lines", "fine", choices=("fine", "standard")
    ),
    Option("paper", "choice", "the sheet of the recipients", "a4", choices=("a4", "letter")),
    Option("max_pages", "whole", "a fax with more pages is refused", 10, lowest=1, highest=20),
    Option("opt_out_phone", "text", "number of the opt-out notice to call, +…; the sender's where empty", ""),
    Option("opt_out_fax", "text", "number of the opt-out notice to fax to, +…; the sender's where empty", ""),
)


@dataclass(frozen=True, slots=True)
class FaxResult:
    """What one result means. `again`: another call may go through; `scope`: what is wrong where it may not."""

    words: str
    again: bool
    scope: Scope | None = None
    permanent: bool = False


_LINE = FaxResult("the line failed", True)
_NO_FAX = FaxResult("nobody answered as a fax machine", True)
_OTHER_END = FaxResult("the machine at the other end gave up", True)
_CANNOT = FaxResult(
    "the machine at the other end cannot take this fax", False, Scope.RECIPIENT, permanent=True
)
_FILE = FaxResult("the pages cannot be read", False, Scope.CONTENT, permanent=True)

T30_RESULTS: dict[int, FaxResult] = {
    0: FaxResult("all pages were confirmed", False),
    1: _NO_FAX,
    2: _NO_FAX,
    3: _NO_FAX,
    4: _LINE,
    5: _LINE,
    6: FaxResult("the machines agreed on no speed that the line carries", True),
    7: _OTHER_END,
    8: _CANNOT,
    9: FaxResult("the machine at the other end cannot receive now (out of paper?)", True),
    10: _CANNOT,
    11: _CANNOT,
    12: _CANNOT,
    **dict.fromkeys(range(13, 41), _LINE),
    15: FaxResult("the machine at the other end hung up after a page", True),
    17: FaxResult("the machine at the other end hung up before the first page", True),
    **dict.fromkeys(range(41, 47), _FILE),
    47: FaxResult("there was no memory for the pages", True),
    48: FaxResult("the other end did not answer after the allowed repeats", True),
    49: FaxResult("the call was cut", True),
}
UNKNOWN_T30 = FaxResult("the call failed", True)
BUSY = FaxResult("the number is busy", True)
NO_ANSWER = FaxResult("nobody answered", True)
LINE_TIME = FaxResult("the call took longer than the line time allowed", True)

# Words of HylaFAX 6 and 7 (its status texts differ a little by version), in this order.
_WORDS: tuple[tuple[str, FaxResult], ...] = (
    (r"busy", BUSY),
    (r"no answer", NO_ANSWER),
    (r"no (local )?dial ?tone|ringback detected, no answer|no carrier|phase a|no ring ?back", _NO_FAX),
    (r"invalid dialing|dial string|canonical format|number.*(rejected|invalid)|blacklist",
     FaxResult("the number cannot be dialled", False, Scope.RECIPIENT, permanent=True)),
    (r"does not support|cannot receive|incompatible|not able to receive|unable to (receive|support)", _CANNOT),
    (r"document|tiff|corrupt|page width|unsupported data|convert|no work found", _FILE),
    (r"aborted by request|killed|removed from (the )?queue|deleted",
     FaxResult("the job was taken out of the queue", False, Scope.CONFIG)),
    (r"kill time expired|timed out|too many attempts|expired",
     FaxResult("the job ran out of time or tries", False, Scope.RECIPIENT)),
    (r"not registered|permission|rejected: ", FaxResult("the fax server refuses the job", False, Scope.CONFIG)),
)  # fmt: skip


def t30_result(code: int) -> FaxResult:
    """Return what a T.30 result code means; an unknown one means that the call failed and may be tried again."""
    return T30_RESULTS.get(code, UNKNOWN_T30)


def hylafax_result(words: str) -> FaxResult:
    """Return what a status text of HylaFAX means; an unknown one says that the line failed."""
    return next(
        (result for pattern, result in _WORDS if re.search(pattern, words, re.IGNORECASE)),
        FaxResult(words[:100] or "the call failed", True),
    )


def failed(result: FaxResult, detail: str) -> Outcome:
    """Return the outcome of a call that did not go through: transient after the ladder's pause, or a rejection."""
    if result.again:
        return Outcome(Kind.TRANSIENT, Scope.RECIPIENT, detail, retry_after=RETRY_SECONDS)
    scope = result.scope or Scope.RECIPIENT
    return Outcome(Kind.REJECTED, scope, detail, permanent=result.permanent and scope is Scope.RECIPIENT)
