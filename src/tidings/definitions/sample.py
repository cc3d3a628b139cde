"""The smallest workspace that shows everything: examples of the reference are checked against it."""

from __future__ import annotations

from tidings.definitions.codes import Code

WORKSPACE = """\
workspace: Test shop
id: test-shop
zone: Europe/Stockholm
salt: a-salt-for-tests
currency: EUR
country: SE
postal_address: Storgatan 1, Stockholm
"""
POLICIES = """\
policies: Rules
purposes:
  marketing: {class: marketing}
  service: {class: service, consent: not needed, holdout: none}
"""
ATTRIBUTES = """\
attributes: What we know
full_name: {type: text, personal: erase}
birthday: date
signed_up_at: instant
member_level: {type: text, values: [basic, silver, gold]}
interests: list
lifetime_value: {type: money, currency: EUR}
last_order_at: date
orders: {type: number, lowest: 0}
vip: flag
會員等級: text
"""
EVENTS = """\
events: What customers do
order_placed:
  properties:
    order_total: money
    category: text
    items: number
  revenue: order_total
  returns: order_returned
order_returned:
  properties: {order_total: money}
  revenue: order_total
refund_requested:
"""
MESSAGE = """\
Subject: Hello

Hello {{ full_name or "you" }}, good to have you here.

{{ postal_address }}
Unsubscribe: {{ unsubscribe_url }}
"""
FILES = {
    "config/workspace.yaml": WORKSPACE,
    "config/policies.yaml": POLICIES,
    "config/attributes.yaml": ATTRIBUTES,
    "config/events.yaml": EVENTS,
    "segments/everybody.yaml": "segment: Everybody\nwhere:\n  - email: known\n",
    "segments/lapsed_big_spenders.yaml": "segment: Lapsed\nwhere:\n  - orders: at least 2\n",
    "channels/email.yaml": "channel: E-mail\nadapter: smtp\nsender: hello@shop.example\noptions: {host: mail.shop.example}\n",
    "channels/text.yaml": "channel: Text message\nadapter: outbox\nkind: sms\n",
    "campaigns/spring.yaml": "campaign: Spring\nto: everybody\nsend: welcome\nvia: email\n",
    "templates/welcome/email.en.txt": MESSAGE,
    "templates/spring/garden/email.en.txt": "Hello\n",
}


def example_of(code: Code) -> dict[str, bytes]:
    """Return the files of the smallest workspace with those in it that provoke a code."""
    files = {path: text.encode() for path, text in FILES.items()}
    for path, text in code.beside:
        if text is None:
            files.pop(path, None)
        else:
            files[path] = text.encode()
    return {**files, code.path: code.example.encode(code.encoding)}
