"""The demo's workspace: the starter with channels that end on this machine, and a clock that runs two weeks behind."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path

from tidings.channels.sandbox.twilio import ACCOUNT
from tidings.clock import SystemClock
from tidings.config.starter import copy_starter
from tidings.errors import UsageError

ENVIRONMENT = "development"
BEHIND = timedelta(days=15)
_MARK = "made-by-tidings-demo"
# Codes cannot be given from a pool that a new workspace does not have yet, so the starter has none.
_OFFER = """\
via: [email, sms, fax]
offer:
  gives: 25% off
  codes: one each from spring25
  ends: 14 days after sending
"""
_RATES = "day,from,to,rate\n2020-01-01,USD,EUR,0.90\n"
_WITH_CODE = "spring_coupon"
_YOUR_CODE = {"en": "Your code: ", "ru": "Ваш код: ", "zh-TW": "折扣碼：", "zh-CN": "折扣码："}
# Selected by a score: whom to ask next.
LIKELY = "likely_again"
_LIKELY = """\
segment: Those most likely to order again
where:
  - did: order_placed
    within: last 365 days
rank:
  by: repeat_purchase
  keep: top 10%
"""
# Gives some customers a letter whose unsubscribe link they use later, while the campaign itself is going out.
EARLIER = "early_letter"
_EARLIER = """\
campaign: A letter to early birds
purpose: marketing
to:
  where:
    - interests: early birds
send: spring_winback
via: email
holdout: none
variants:
  plain:
    say:
      headline: The garden wakes up
"""
# Goes out by SMS alone once people have said stop: they must not get it.
REMINDER = "text_reminder"
_REMINDER = """\
campaign: A reminder to the text club
purpose: marketing
to:
  where:
    - interests: text club
send: spring_winback
via: sms
holdout: none
variants:
  plain:
    say:
      headline:
        en: Last days
        zh-TW: 最後幾天
        zh-CN: 最后几天
        ru: Последние дни
"""
# The NAME of the variable that holds the token of the demo's provider of text messages.
TOKEN = "TIDINGS_DEMO_TWILIO_TOKEN"  # noqa: S105
_SMS = """\
channel: SMS
adapter: twilio                     # the sandbox of the demo, on this machine
kind: sms
sender: "+46700000000"
cost: 0.06 EUR per segment
patience: 4 hours
options:
  account_sid: {account}
  base_url: http://127.0.0.1:{port}
  status_callback: {address}
secrets:
  auth_token: {token}
"""
_FAX = """\
channel: Fax
adapter: {adapter}
kind: fax
sender: "+4680000000"
connections: 2
cost: 0.10 EUR per page
options:
  {option}: {folder}
"""
# The columns of the demo's export, which is older than the starter's and has fewer.
_CUSTOMERS = """\
import: Customers from the shop
kind: customers
customer: customer_id
fields:
  email: email
  phone: phone
  fax: fax
  locale: locale
  zone: time_zone
  country: country
  full_name: name
  birthday: {column: birthday, format: YYYY-MM-DD}
  member_level: member_level
  interests: {column: interests, separator: ";"}
  lifetime_value: lifetime_value
  last_order_at: last_order_at
  orders: orders
consent:
  - {channel: email, purpose: marketing, basis: opt-in in the shop, when: {newsletter: ["yes"]}}
  - {channel: sms, purpose: marketing, basis: opt-in in the shop, when: {sms_ok: ["yes"]}}
  - {channel: fax, purpose: marketing, basis: opt-in in the shop, when: {fax_ok: ["yes"]}}
"""


class ClockBehind(SystemClock):
    """The machine's clock, a fixed time behind: what goes out now was sent two weeks ago, so its window is over."""

    def __init__(self, behind: timedelta = BEHIND) -> None:
        super().__init__()
        self._behind = behind

    def now(self) -> datetime:
        """Return the business time of the demo."""
        return super().now() - self._behind


def make_workspace(folder: Path) -> None:
    """Start the demo's workspace anew; only a folder that an earlier demo made is ever replaced."""
    if folder.exists():
        if not (folder / _MARK).exists():
            raise UsageError(
                f"{folder} was not made by the demo, so it is left alone", what_to_do="name another --folder"
            )
        shutil.rmtree(folder)
    copy_starter(folder)
    (folder / _MARK).touch()
    (folder / "campaigns" / f"{EARLIER}.yaml").write_text(_EARLIER, encoding="utf-8")
    (folder / "campaigns" / f"{REMINDER}.yaml").write_text(_REMINDER, encoding="utf-8")
    _replace(folder / "campaigns" / "spring_winback.yaml", "via: ", _OFFER.rstrip())
    _replace(folder / "campaigns" / "spring_winback.yaml", "send: ", f"send: {_WITH_CODE}")
    # The letters around it are of the same template and promise nothing.
    template = folder / "templates" / _WITH_CODE
    shutil.copytree(folder / "templates" / "spring_winback", template)
    for path in sorted(template.iterdir()):
        if path.is_file():
            _show_code(path)
    # Text messages are billed in USD, and everything is counted in EUR.
    (folder / "config" / "rates.csv").write_text(_RATES, encoding="utf-8")
    (folder / "segments" / f"{LIKELY}.yaml").write_text(_LIKELY, encoding="utf-8")
    # The demo shows two weeks in a minute, at any hour: nobody is asleep, and three messages come close together.
    for start in ("quiet: ", "    cap: ", "account_limit: "):
        _replace(folder / "config" / "policies.yaml", start, "")
    # Here also those without e-mail are written to.
    _drop(folder / "segments" / "lapsed_buyers.yaml", "  - email: known")
    (folder / "config" / "imports" / "customers.yaml").write_text(_CUSTOMERS, encoding="utf-8")
    orders = folder / "config" / "imports" / "orders.yaml"
    _replace(orders, "  category: ", "  profit: {column: profit, money: EUR}\n  category: category")
    workspace = folder / "config" / "workspace.yaml"
    lines = workspace.read_text(encoding="utf-8").splitlines()
    # A salt of its own every time would draw other arms; the demo is the same for everybody.
    lines = ["salt: demo-of-tidings" if line.startswith("salt:") else line for line in lines]
    # Development writes files; the demo wants real SMTP, to a sink on this machine.
    lines = ["    outbox: false" if line.startswith("    outbox:") else line for line in lines]
    workspace.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_channels(folder: Path, address: str, *, mail: int, bounces: Path, texts: int, calls: bool) -> None:
    """Write channels/ and the tracker's address: `mail` and `texts` are ports, `calls` says whether faxes are true calls."""
    _replace(folder / "config" / "workspace.yaml", "public_url: ", f"public_url: {address}")
    email = folder / "channels" / "email.yaml"
    _replace(email, "  port: ", f"  port: {mail}\n  bounces: {bounces}")
    _replace(email, "kind: ", "kind: email\ncost: 0.01 EUR")
    sms = _SMS.format(account=ACCOUNT, port=texts, address=address, token=TOKEN)
    (folder / "channels" / "sms.yaml").write_text(sms, encoding="utf-8")
    fax = _FAX.format(
        adapter="t30" if calls else "outbox",
        option="received" if calls else "folder",
        folder=fax_folder(folder),
    )
    (folder / "channels" / "fax.yaml").write_text(fax, encoding="utf-8")


def into_outbox(folder: Path) -> None:
    """Let messages become files from now on: mail server and telephones of the demo are gone."""
    _replace(folder / "config" / "workspace.yaml", "    outbox: ", "    outbox: true")


def fax_folder(folder: Path) -> Path:
    """Return where faxes arrive, whole: the demo may be looked at from elsewhere."""
    return folder.resolve() / ".tidings" / "fax"


def _show_code(path: Path) -> None:
    """Show the code of the offer behind the line that says until when it holds; a text message says it at its end."""
    words = _YOUR_CODE[path.name.split(".")[1]] + "{{ offer.code }}"
    lines = path.read_text(encoding="utf-8").splitlines()
    dated = [
        number for number, line in enumerate(lines) if "2027" in line and "16" in line and "{{" not in line
    ]
    at = dated[-1] if dated else len(lines) - 1
    line = lines[at]
    end = max(line.rfind("</p>"), line.rfind("</div>"))
    lines[at] = f"{line[:end]} {words}{line[end:]}" if end > 0 else f"{line} {words}"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _drop(path: Path, line: str) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(one for one in lines if one != line) + "\n", encoding="utf-8")


def _replace(path: Path, start: str, line: str) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text(
        "\n".join(line if one.startswith(start) else one for one in lines) + "\n", encoding="utf-8"
    )
