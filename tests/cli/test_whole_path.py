"""From an empty folder to a measured campaign with the real command, as a marketer goes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from support.command_line import Said, Shop, recipient, sendable, write_customers, write_orders
from support.smtp_servers import RawServer, Scripted, aiosmtpd_server

Run = Callable[..., Said]


def test_from_an_empty_folder_to_a_report(tmp_path: Path) -> None:
    assert "Next:" in Shop(tmp_path).apart.ok("init", "shop").out
    shop = Shop(tmp_path / "shop")
    assert "no problems" in shop.apart.ok("check").out
    assert "wrote segments/gold.yaml" in shop.ok("new", "segment", "gold").out
    assert "wrote campaigns/again.yaml" in shop.ok("new", "campaign", "again", "--like", "spring_winback").out
    assert "no problems" in shop.ok("check").out

    write_customers(shop.root / "customers.csv")
    write_orders(shop.root / "orders.csv")
    told = shop.apart.ok("import", "customers.csv", "--as", "customers")
    assert "made a new store" in told.err
    assert re.search(r"300 +customers new", told.out)
    assert re.search(r"480 +events new", shop.ok("import", "orders.csv", "--as", "orders").out)
    assert "180 of 300 customers" in shop.ok("segment", "lapsed_buyers").out

    planned = shop.ok("plan", "spring_winback").out
    assert f"{sendable() - 16} people" in planned or "writes to" in planned
    plan = re.search(r"--plan (\w+)", planned)
    assert plan is not None
    sent = shop.apart.ok("run", "spring_winback", "--plan", plan[1], "--yes").out
    number = int(re.search(r"(\d+) +accepted", sent)[1])
    outbox = shop.outbox()
    assert number == len(outbox) == len(set(outbox))
    assert 0 < sendable() - number < sendable() // 3, "some are held out"

    again = shop.ok("run", "spring_winback", "--yes").out
    assert "nothing was done" in again
    assert shop.outbox() == outbox

    assert "The ledger holds" in shop.ok("verify").out
    report = shop.apart.ok("report", "spring_winback").out
    assert "sample ratio  in order" in report
    assert "is up to date" in shop.ok("migrate").out


def test_every_recipient_of_a_mail_server_gets_exactly_one(shop: Shop, run: Run) -> None:
    with aiosmtpd_server(server := Scripted()) as port:
        shop.mails_by_smtp(port)
        sent = run(shop, "run", "spring_winback", "--yes", "--json")
        again = run(shop, "run", "spring_winback", "--yes", "--json")
    assert sent.code == again.code == 0
    assert again.data["already"] is True
    reached = Counter(envelope[1][0] for envelope in server.envelopes)
    assert set(reached.values()) == {1}
    assert len(reached) == sent.data["messages"]["accepted"]
    assert all(recipient(content) == to[0] for _, to, content in server.envelopes)
    never_agreed = {f"c{n}@customers.example" for n in range(10, 301, 10)}
    assert not never_agreed & set(reached)


def test_a_pause_holds_and_a_resume_goes_on(shop: Shop, run: Run) -> None:
    assert run(shop, "pause", "--reason", "stocktaking").code == 0
    held = run(shop, "run", "spring_winback", "--yes")
    assert held.code == 1
    assert shop.outbox() == []
    assert "stocktaking" in held.out
    resumed = run(shop, "resume")
    assert resumed.code == 0
    done = run(shop, "run", "spring_winback", "--yes", "--json")
    assert done.code == 0, done
    assert len(shop.outbox()) == done.data["messages"]["accepted"] > 0
    refused = run(shop, "pause", "spring_winback")
    assert refused.code == 2
    assert "finished" in refused.err


def test_messages_in_doubt_are_listed_and_resolved_one_way_or_the_other(shop: Shop, run: Run) -> None:
    with RawServer("cut after body") as server:
        shop.mails_by_smtp(server.port)
        stopped = run(shop, "run", "spring_winback", "--yes")
    assert stopped.code == 1
    assert "in doubt" in stopped.out
    assert "tidings resume spring_winback" in stopped.out
    listed = run(shop, "in-doubt", "spring_winback")
    assert "the whole message was sent" in listed.out
    assert "…" not in listed.out.partition("What is known")[0], "nothing is cut off at 80 columns"
    doubts = run(shop, "in-doubt", "--json").data
    assert doubts

    first = str(doubts[0]["message"])
    assert run(shop, "in-doubt", "resolve", first, "--sent").code == 0
    assert run(shop, "in-doubt", "resolve", first, "--sent").code == 1, "it is settled already"
    settled = run(shop, "in-doubt", "resolve", "--all", "spring_winback", "--resend")
    assert settled.code == 0
    assert run(shop, "in-doubt", "--json").data == []
    with aiosmtpd_server(after := Scripted()) as port:
        shop.change("channels/email.yaml", f"port: {server.port}", f"port: {port}")
        assert run(shop, "resume", "spring_winback").code == 0
        done = run(shop, "run", "spring_winback", "--yes", "--json")
    assert done.code == 0, done
    reached = Counter(envelope[1][0] for envelope in after.envelopes)
    assert set(reached.values()) == {1}
    assert len(reached) == done.data["messages"]["accepted"] - 1
    assert run(shop, "verify").code == 0


def test_a_new_attribute_is_named_by_every_command_until_the_store_is_migrated(shop: Shop, run: Run) -> None:
    path = shop.root / "config" / "attributes.yaml"
    path.write_text(path.read_text() + "shoe_size: {type: number, title: Shoe size}\n")
    stopped = run(shop, "plan", "spring_winback")
    assert stopped.code == 1
    assert "tidings migrate" in stopped.err
    shown = run(shop, "migrate", "--json")
    assert (shown.code, shown.data["done"]) == (0, False)
    assert run(shop, "migrate", "--yes").code == 0
    assert run(shop, "plan", "spring_winback").code == 0
