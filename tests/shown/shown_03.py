"""Claim, command, figure for three channels, four languages and the workspace, printed as a table: `make shown-03`.

Points on the command line show those alone: `python tests/shown/shown_03.py 3 6`. A row says NO when its command fails, when its
output lacks the figure, when a test was skipped, or when the figure is not what is claimed.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from shown.showing import PYTEST, Shown, claim, last, main, suite_figures

DEMO_SECONDS = 90
MOST_FAXES = 40


def passed(text: str, seconds: float) -> str:
    """Return what passed; a skipped test shows nothing."""
    figure = last(r"\d+ passed[^\n]*")(text, seconds)
    claim("skipped" not in figure, f"{figure}: something was skipped")
    return figure


def grid_figures(text: str, seconds: float) -> str:
    """Return the sum of the grid; every adapter must be a column, and no cell may fail."""
    for adapter in ("outbox", "smtp", "sendgrid", "twilio", "smpp", "hylafax", "t30"):
        claim(re.search(rf"\b{adapter}\b", text) is not None, f"{adapter} is not in the grid")
    figure = last(r"\d+ cells ok, \d+ failed, \d+ do not apply")(text, seconds)
    claim(" 0 failed" in figure, figure)
    return figure


def bench_figures(text: str, seconds: float) -> str:
    """Return the lines of the benchmarks that hold a figure and its target; of one measured once more those of then."""
    sections: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("== "):
            name = line.partition(", once more")[0]
            sections[name] = [line]
        else:
            sections.setdefault(name, []).append(line)
    lines = [
        line.strip()
        for line in (one for section in sections.values() for one in section)
        if re.search(r"target|needs|ratio|×|times the|met|missed", line)
    ]
    claim(len(lines) > 5, f"only {len(lines)} figures in the benchmarks")
    missed = [line for line in lines if re.search(r"\bmissed\b|MISSED", line)]
    claim(not missed, "\n".join(missed))
    return "\n".join(lines)


def demo_figures(text: str, seconds: float) -> str:
    """Return how long the demo took and what reached mailboxes, phones and fax machines beside the ledger."""
    sent = re.search(
        r"([\d,]+) e-mails reached the mailboxes[^,]*, the ledger\s+says ([\d,]+); ([\d,]+) came twice", text
    )
    claim(sent is not None, "the demo does not say what reached the mailboxes")
    assert sent is not None
    received, ledger, twice = (int(number.replace(",", "")) for number in sent.groups())
    faxes = re.findall(r"([\d,]+) fax(?:es)?\b", text)
    claim(bool(faxes), "the demo does not speak of faxes")
    claim("STOP" in text, "nobody answered STOP")
    truths = re.findall(r"(?m)^(?:warm|direct)\s+(?:order_placed|revenue)\s.*?(yes|no)\s*$", text)
    figure = (
        f"{seconds:.0f} s; e-mails received {received:,}, ledger {ledger:,}, twice {twice}; "
        f"planted truth inside {truths.count('yes')} of {len(truths)} intervals"
    )
    claim(seconds < DEMO_SECONDS, f"{figure}: {DEMO_SECONDS} s or more")
    claim(received == ledger > 0 and twice == 0, f"{figure}: mailboxes and ledger differ")
    claim(len(truths) == 4 and truths.count("yes") >= 3, f"{figure}: fewer than 3 of 4")
    return figure


def sentences(text: str, seconds: float) -> str:
    """Return how many sentences were read back in four languages."""
    found = {
        "en": r"\bcustomers?\b",
        "ru": r"[а-яё]{4,}",
        "zh-TW": "對照組|顧客|客戶",
        "zh-CN": "对照组|顾客|客户",
    }
    missing = [locale for locale, pattern in found.items() if not re.search(pattern, text)]
    claim(not missing, f"no sentence in {', '.join(missing)}")
    return f"{len([line for line in text.splitlines() if line.strip()])} lines in en, ru, zh-TW, zh-CN"


CHANNELS = f"{PYTEST} tests/channels"
READ = " && ".join(f"tidings check --read --locale {locale}" for locale in ("en", "ru", "zh-TW", "zh-CN"))
ROWS = [
    Shown("0", "the mock servers of npm are installed beside this clone", "make peers && ls .venv/node/node_modules | wc -l", last(r"\d+")),
    Shown("1", "SendGrid: official client, Prism over the contract, sandbox with signed events, nothing skipped", f"{CHANNELS} -k 'sendgrid'", passed),
    Shown("2", "Twilio: official client, Prism, signatures, sandbox; STOP, START and HELP in en, zh, ru with one confirmation", f"{CHANNELS} tests/delivery/test_by_twilio.py tests/responses/test_words.py tests/responses/test_inbound.py tests/delivery/test_notices.py -k 'twilio or words or inbound or notices'", passed),
    Shown("3", "SMPP 3.4 against the npm centre, another library's server and a real Kannel gateway", f"{CHANNELS}/test_smpp.py tests/channels/test_smpp_kannel.py", passed),
    Shown("4", "segmenter: properties, a second codec as oracle, opt-out and signature counted", f"{PYTEST} tests/templates/test_sms_segments.py tests/templates/test_sms.py", passed),
    Shown("5", "fax: pages in four languages, a real hfaxd, true T.30 calls compared pixel by pixel", f"{PYTEST} tests/templates/test_fax_pages.py tests/templates/test_fax_words.py tests/channels/test_hylafax.py tests/channels/test_t30.py tests/channels/test_fax_results.py", passed),
    Shown("6", "the grid: seven adapters against every behaviour of the other side", "make grid", grid_figures),
    Shown("6", "the page on writing a channel, followed: a third-party package built, found by its entry point, sending", f"{CHANNELS}/test_how_to.py", passed),
    Shown("7", "fallback by negative evidence, never two live legs with eight workers; one each, units, groups", f"{PYTEST} tests/delivery/test_fallback.py tests/delivery/test_three_channels.py tests/delivery/test_verify_legs.py tests/campaigns/test_channels.py", passed),
    Shown("8", "receipts in any order and number, orphans, bounces by class, DSN and ARF, wrong credentials pause the channel", f"{PYTEST} tests/delivery/test_receipts.py tests/delivery/test_receipt_effects.py tests/delivery/test_wrong_set_up.py tests/channels/test_bounces.py tests/responses tests/flows", passed),
    Shown("8", "one campaign through `tidings serve`, its processes and real servers: what comes back leads on; everything killed before it was stored", "python -m pytest -q -m 'alone and not nightly' tests/flows/test_legs_end_to_end.py", passed),
    Shown("9", "templates: MJML, locales, salutations, lint, historic escapes, watchdog and poisoned row", f"{PYTEST} tests/templates", passed),
    Shown("10", "preview and send-test; pictures of an e-mail, a bubble, a sent and a received fax page", f"{PYTEST} tests/cli/test_gallery_and_send_test.py tests/shown/test_pictures.py", passed),
    Shown("11", "the workspace: definitions 1, 3, 6, 7, 12, schemas, fmt, guess, XLSX, encodings, every key documented", f"{PYTEST} tests/definitions tests/config tests/docs tests/customers/test_encodings_and_sheets.py", passed),
    Shown("11", "every definition read back as a sentence in four languages", READ, sentences),
    Shown("12", "speed, each beside a baseline of the same run", "make bench", bench_figures),
    Shown("demo", f"three channels with fallback, at most {MOST_FAXES} faxes, STOP, bounces", "make demo", demo_figures),
    Shown("all", "the whole suite", "make test", suite_figures),
]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(ROWS))
