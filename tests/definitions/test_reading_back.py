"""`tidings check --read`: definitions said back as a native reader of each language would say them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from support.workspaces import small_workspace
from tidings.cli.check import command
from tidings.definitions.aloud import LOCALES, sentences
from tidings.definitions.loader import load

TWELVE = Path(__file__).parent / "twelve"
BEFORE = {
    "en": "“S” selects every customer for whom this holds: ",
    "zh-TW": "「S」挑出符合這個條件的顧客：",
    "zh-CN": "“S”选出满足这个条件的客户：",
    "ru": "«S» отбирает клиентов, для которых выполняется условие: ",
}
# What is written, and what it says in English, Traditional and Simplified Chinese and Russian.
CONDITIONS = [
    (
        "country: {not: SE}",
        "“country” is not SE (or not known)",
        "「國家／地區」不是 SE（或未知）",
        "“国家／地区”不是 SE（或未知）",
        "«страна»: не SE (или неизвестно)",
    ),
    (
        "member_level: [gold, silver]",
        "“member_level” is gold or silver",
        "「member_level」是 gold 或 silver",
        "“member_level”是 gold 或 silver",
        "«member_level»: gold или silver",
    ),
    (
        "interests: {all: [roses, trees]}",
        "“interests” has roses and trees",
        "「interests」同時有 roses 和 trees",
        "“interests”同时有 roses 和 trees",
        "«interests» включает roses и trees",
    ),
    (
        "lifetime_value: between 5 and 1000.50",
        "“lifetime_value” is between 5 EUR and 1,000.50 EUR",
        "「lifetime_value」在 5 EUR 到 1,000.50 EUR 之間",
        "“lifetime_value”在 5 EUR 到 1,000.50 EUR 之间",
        "«lifetime_value» от 5\xa0EUR до 1000,50\xa0EUR включительно",
    ),
    (
        "last_order_at: at least 2027-03-01",
        "“last_order_at” is on or after 1 March 2027",
        "「last_order_at」不早於 2027 年 3 月 1 日",
        "“last_order_at”不早于 2027 年 3 月 1 日",
        "«last_order_at» не раньше 1 марта 2027 года",
    ),
    (
        "last_order_at: in the last 1 week",
        "“last_order_at” is in the last week",
        "「last_order_at」在過去 1 週內",
        "“last_order_at”在过去 1 周内",
        "«last_order_at» приходится на последнюю неделю",
    ),
    (
        "last_order_at: more than 21 days ago",
        "“last_order_at” is more than 21 days ago",
        "「last_order_at」早於 21 天前",
        "“last_order_at”早于 21 天前",
        "«last_order_at» было более 21 дня назад",
    ),
    (
        "birthday: anniversary in the next 7 days",
        "“birthday” has its anniversary in the next 7 days",
        "「birthday」的週年日在未來 7 天內",
        "“birthday”的周年日在未来 7 天内",
        "«birthday»: годовщина в ближайшие 7 дней",
    ),
    (
        "vip: true",
        "“vip” is yes",
        "「vip」為是",
        "“vip”为是",
        "«vip»: да",
    ),
    (
        'email: ends with ".tw"',
        "“e-mail address” ends with “.tw”",
        "「電子郵件地址」以「.tw」結尾",
        "“电子邮件地址”以“.tw”结尾",
        "«адрес электронной почты» заканчивается на «.tw»",
    ),
    (
        "orders: unknown",
        "“orders” is not known",
        "「orders」未知",
        "“orders”未知",
        "«orders» неизвестно",
    ),
    (
        "any: [{vip: true}, {did: clicked, times: between 2 and 5, within: last 1 month}]",
        "at least one of these holds (“vip” is yes; or “link clicked” happened between 2 and 5 times in the last month)",
        "以下至少符合一項（「vip」為是；過去 1 個月內「點擊連結」發生 2 到 5 次）",
        "以下至少满足一项（“vip”为是；过去 1 个月内“点击链接”发生 2 到 5 次）",
        "верно хотя бы одно («vip»: да; или событие «переход по ссылке» произошло от 2 до 5 раз за последний месяц)",
    ),
    (
        "none: [{country: [RU, BY]}]",
        "none of these holds (“country” is RU or BY)",
        "以下都不符合（「國家／地區」是 RU 或 BY）",
        "以下都不满足（“国家／地区”是 RU 或 BY）",
        "не верно ничего из этого («страна»: RU или BY)",
    ),
    (
        "{did: order_placed, total: {order_total: at least 500}, between: 2027-01-01 and 2027-03-31}",
        "“order_placed” happened at least once between 1 January 2027 and 31 March 2027, and their total “order_total” is at least 500 EUR",
        "2027 年 1 月 1 日至 2027 年 3 月 31 日期間「order_placed」發生過，且總計的「order_total」至少 500 EUR",
        "2027 年 1 月 1 日至 2027 年 3 月 31 日期间“order_placed”发生过，且合计的“order_total”至少 500 EUR",
        "было событие «order_placed» с 1 января 2027 года по 31 марта 2027 года, причём сумма «order_total» не меньше 500\xa0EUR",
    ),
    (
        "{did_not: order_placed, times: at least 3}",
        "it is not so that “order_placed” happened at least 3 times",
        "並非「order_placed」至少發生 3 次",
        "并非“order_placed”至少发生 3 次",
        "неверно, что событие «order_placed» произошло не менее 3 раз",
    ),
    (
        "{did: order_placed, times: 21, with: {category: garden}}",
        "“order_placed” happened exactly 21 times, where “category” is garden",
        "「order_placed」正好發生 21 次（只算「category」是 garden 的）",
        "“order_placed”正好发生 21 次（只算“category”是 garden 的）",
        "событие «order_placed» произошло ровно 21 раз, где «category»: garden",
    ),
    (
        "segment: everybody",
        "the customer is in the segment “Everybody”",
        "屬於分群「Everybody」",
        "属于分群“Everybody”",
        "клиент входит в сегмент «Everybody»",
    ),
]  # fmt: skip
WHOLE = {
    ("en", "segments/lapsed_garden_ru.yaml"): "“Ушедшие покупатели «Сад»” selects every customer for whom all of this holds: “country” is RU; “lifetime_value” is at least 15,000 RUB; “last_order_at” is more than 90 days ago; “order_placed” happened at least twice in the last 730 days, where “category” is garden or tools; “refund_requested” did not happen in the last 180 days; left out is every customer for whom any of this holds: the customer is in the segment “Our own people”; “complaint_opened” happened at least once in the last 60 days; of those left, the 40% with the highest “repeat_purchase” stay.",
    ("en", "campaigns/spring_winback.yaml"): "“Spring win-back” sends the message “winback” by e-mail, else by SMS, else by fax, on 2 March 2027 at 10:00 on the clock of the recipient, to everybody in “Ушедшие покупатели «Сад»” or “沉睡的園藝顧客” who is not in “台北園藝展 2027 名單”; its purpose is “marketing”; 10% of them get nothing, for comparison; there are 2 wordings, “warm” and “direct”, in equal shares; it offers 25% off until 16 March 2027; it never costs more than 2,000 EUR; it succeeds when “order_placed” happens within 14 days, worth its margin; it serves the goal “Lapsed customers come back”; crm@nordicgarden.example answers for it.",
    ("en", "campaigns/newsletter.yaml"): "“園藝月報” sends the message “newsletter” by e-mail on the first Tuesday of every month at 10:00 on the clock of the recipient from 1 March 2027 through 31 December 2027, to everybody in “園藝月報讀者”; its purpose is “newsletter”; on a holiday it waits for the next workday; the same customer gets it every time; nobody is held out for comparison; copies go to “同事收件人”; it succeeds when “link clicked” happens within 7 days.",
    ("en", "channels/sms.yaml"): "“SMS” carries SMS through outbox, for 0.05 EUR a segment.",
    ("zh-TW", "segments/lapsed_garden_ru.yaml"): "「Ушедшие покупатели «Сад»」挑出符合以下全部條件的顧客：「國家／地區」是 RU；「lifetime_value」至少 15,000 RUB；「last_order_at」早於 90 天前；過去 730 天內「order_placed」至少發生 2 次（只算「category」是 garden 或 tools 的）；過去 180 天內沒有發生過「refund_requested」；有下列任一情形的人除外：屬於分群「Our own people」；過去 60 天內「complaint_opened」發生過；其中只留「repeat_purchase」最高的 40%。",
    ("zh-TW", "campaigns/spring_winback.yaml"): "「Spring win-back」在 2027 年 3 月 2 日 10:00（依收件人當地時間）以電子郵件，聯絡不到時依序改用簡訊、傳真，把訊息「winback」寄給「Ушедшие покупатели «Сад»」或「沉睡的園藝顧客」的成員（「台北園藝展 2027 名單」的成員除外）；用途是「marketing」；其中 10% 不寄，作為對照組；共有 2 種寫法：「warm」、「direct」，平均分配；優惠是 25% off，到 2027 年 3 月 16 日為止；花費絕不超過 2,000 EUR；14 天內發生「order_placed」就算成功，價值以毛利計；為「Lapsed customers come back」這個目標服務；負責人是 crm@nordicgarden.example。",
    ("zh-TW", "campaigns/newsletter.yaml"): "「園藝月報」從 2027 年 3 月 1 日起，到 2027 年 12 月 31 日為止，每月第一個週二 10:00（依收件人當地時間），以電子郵件把訊息「newsletter」寄給「園藝月報讀者」的成員；用途是「newsletter」；遇假日順延到下一個工作日；同一位顧客每次都會收到；不留對照組；副本寄給「同事收件人」；7 天內發生「點擊連結」就算成功。",
    ("zh-TW", "channels/sms.yaml"): "「SMS」透過 outbox 傳送簡訊，每段 0.05 EUR。",
    ("zh-CN", "segments/lapsed_garden_ru.yaml"): "“Ушедшие покупатели «Сад»”选出满足以下全部条件的客户：“国家／地区”是 RU；“lifetime_value”至少 15,000 RUB；“last_order_at”早于 90 天前；过去 730 天内“order_placed”至少发生 2 次（只算“category”是 garden 或 tools 的）；过去 180 天内没有发生过“refund_requested”；有下列任一情形的人除外：属于分群“Our own people”；过去 60 天内“complaint_opened”发生过；其中只留“repeat_purchase”最高的 40%。",
    ("zh-CN", "campaigns/spring_winback.yaml"): "“Spring win-back”于 2027 年 3 月 2 日 10:00（按收件人当地时间）通过电子邮件，联系不到时依次改用短信、传真，把消息“winback”发给“Ушедшие покупатели «Сад»”或“沉睡的園藝顧客”的成员（“台北園藝展 2027 名單”的成员除外）；用途是“marketing”；其中 10% 不发，作为对照组；共有 2 种写法：“warm”、“direct”，平均分配；优惠是 25% off，到 2027 年 3 月 16 日为止；花费绝不超过 2,000 EUR；14 天内发生“order_placed”就算成功，价值以毛利计；为“Lapsed customers come back”这个目标服务；负责人是 crm@nordicgarden.example。",
    ("zh-CN", "campaigns/newsletter.yaml"): "“園藝月報”从 2027 年 3 月 1 日起，到 2027 年 12 月 31 日为止，每月第一个周二 10:00（按收件人当地时间），通过电子邮件把消息“newsletter”发给“園藝月報讀者”的成员；用途是“newsletter”；遇节假日顺延到下一个工作日；同一位客户每次都会收到；不留对照组；副本发给“同事收件人”；7 天内发生“点击链接”就算成功。",
    ("zh-CN", "channels/sms.yaml"): "“SMS”通过 outbox 发送短信，每段 0.05 EUR。",
    ("ru", "segments/lapsed_garden_ru.yaml"): "«Ушедшие покупатели „Сад“» отбирает клиентов, для которых выполняются все условия: «страна»: RU; «lifetime_value» не меньше 15\xa0000\xa0RUB; «last_order_at» было более 90 дней назад; событие «order_placed» произошло не менее 2 раз за последние 730 дней, где «category»: garden или tools; не было события «refund_requested» за последние 180 дней; исключаются те, для кого выполняется хотя бы одно: клиент входит в сегмент «Our own people»; было событие «complaint_opened» за последние 60 дней; из оставшихся берутся 40\xa0% с наибольшим значением «repeat_purchase».",
    ("ru", "campaigns/spring_winback.yaml"): "Кампания «Spring win-back» отправляет сообщение «winback» по электронной почте, а если так не связаться, по SMS, затем по факсу, 2 марта 2027 года в 10:00 по часам получателя; получают все из сегментов «Ушедшие покупатели „Сад“» или «沉睡的園藝顧客», кроме тех, кто входит в сегмент «台北園藝展 2027 名單»; назначение: «marketing»; 10\xa0% из них ничего не получают и служат для сравнения; варианты текста: «warm» и «direct», поровну; предложение: 25% off, действует до 16 марта 2027 года включительно; расходы никогда не превысят 2000\xa0EUR; успех: событие «order_placed» в течение 14 дней, его ценность: маржа; это ради цели «Lapsed customers come back»; отвечает crm@nordicgarden.example.",
    ("ru", "campaigns/newsletter.yaml"): "Кампания «園藝月報» отправляет сообщение «newsletter» по электронной почте, в первый вторник каждого месяца в 10:00 по часам получателя, с 1 марта 2027 года по 31 декабря 2027 года; получают все из сегмента «園藝月報讀者»; назначение: «newsletter»; с праздника переносится на следующий рабочий день; один и тот же клиент получает её каждый раз; контрольной группы нет; копии идут в сегмент «同事收件人»; успех: событие «переход по ссылке» в течение 7 дней.",
    ("ru", "channels/sms.yaml"): "Канал «SMS» передаёт SMS через outbox, 0,05\xa0EUR за сегмент.",
}  # fmt: skip


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("said", CONDITIONS, ids=[one[0] for one in CONDITIONS])
def test_a_condition_is_said(said: tuple[str, ...], locale: str, tmp_path: Path) -> None:
    root = small_workspace(tmp_path, {"segments/s.yaml": f"segment: S\nwhere:\n  - {said[0]}\n"})
    found = sentences(load(root), locale)["segments/s.yaml"]
    assert (
        found
        == f"{BEFORE[locale]}{said[1 + LOCALES.index(locale)]}{'。' if locale.startswith('zh') else '.'}"
    )


@pytest.mark.parametrize(("locale", "path"), WHOLE, ids=[f"{one[0]} {one[1]}" for one in WHOLE])
def test_a_definition_is_said(locale: str, path: str) -> None:
    assert sentences(load(TWELVE), locale)[path] == WHOLE[locale, path]


# Lines of a campaign, and what they add in the four languages.
PARTS = [
    ("", ", when it is run, to", "在執行時以", "在运行时通过", ", когда её запустят; получают"),
    ("owner: crm@shop.example\n", "; crm@shop.example answers for it.", "；負責人是 crm@shop.example。", "；负责人是 crm@shop.example。", "; отвечает crm@shop.example."),
    ("purpose: service\n", "; its purpose is “service”;", "；用途是「service」；", "；用途是“service”；", "; назначение: «service»;"),
    ("at: 2027-03-02 10:00\n", "on 2 March 2027 at 10:00 on the clock of the workspace", "在 2027 年 3 月 2 日 10:00（依工作區的時鐘）", "于 2027 年 3 月 2 日 10:00（按工作区的时钟）", "2 марта 2027 года в 10:00 по часам рабочей области"),
    ("send_between: 09:00 and 17:00\n", "messages leave only between 09:00 and 17:00", "只在 09:00 到 17:00 之間寄出", "只在 09:00 到 17:00 之间发出", "сообщения уходят только с 09:00 до 17:00"),
    ("weekdays: [Mon, Fri]\n", "messages leave only on Mondays and Fridays", "只在週一、五寄出", "只在周一、五发出", "сообщения уходят только по понедельникам и по пятницам"),
    ("every: day at 09:30\nagain: after 21 days\n", "the same customer gets it again after 21 days at the earliest", "同一位顧客至少隔 21 天才會再收到", "同一位客户至少隔 21 天才会再收到", "получит её снова не раньше чем через 21 день"),
    ("every: day at 09:30\nagain: never\n", "the same customer gets it only once", "同一位顧客只會收到一次", "同一位客户只会收到一次", "получает её только один раз"),
    ("every: day at 09:30\non_holidays: skip\n", "on a holiday nothing is sent", "遇假日不寄", "遇节假日不发", "в праздники ничего не отправляется"),
    ("every: day at 09:30\nmisfire: skip\n", "an hour missed by more than 12 hours is skipped", "錯過超過 12 小時就不補寄", "错过超过 12 小时就不补发", "опоздавшая более чем на 12 часов пропускается"),
    ("every: day at 09:30\nmisfire: catch_up\n", "is made up for at once", "就立即補寄一次", "就立即补发一次", "уходит сразу"),
    ("goal: {did: order_placed, within: 14 days, worth: revenue}\n", ", worth its revenue.", "，價值以營收計。", "，价值以营收计。", ", его ценность: выручка."),
]  # fmt: skip


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("said", PARTS, ids=[one[0].split(":")[0] or "no hour" for one in PARTS])
def test_a_line_of_a_campaign_is_said(said: tuple[str, ...], locale: str, tmp_path: Path) -> None:
    text = f"campaign: C\nto: everybody\nsend: welcome\nvia: email\n{said[0]}"
    found = sentences(load(small_workspace(tmp_path, {"campaigns/c.yaml": text})), locale)["campaigns/c.yaml"]
    assert said[1 + LOCALES.index(locale)] in found


@pytest.mark.parametrize("locale", LOCALES)
def test_everything_of_a_workspace_is_said_in_one_sentence_each(locale: str) -> None:
    definitions = load(TWELVE)
    found = sentences(definitions, locale)
    kinds = (definitions.segments, definitions.campaigns, definitions.flows, definitions.channels)
    assert len(found) == sum(map(len, kinds))
    for said in found.values():
        assert (
            said.endswith("。" if locale.startswith("zh") else ".") and "\n" not in said and "{" not in said
        )


@pytest.mark.parametrize(
    ("days", "said"),
    [("1 day", "последний день"), ("2 days", "последние 2 дня"), ("5 days", "последние 5 дней"), ("11 days", "последние 11 дней"),
     ("21 days", "последние 21 день"), ("1 week", "последнюю неделю"), ("3 years", "последние 3 года"), ("12 years", "последние 12 лет")],
)  # fmt: skip
def test_russian_counts_as_russians_count(days: str, said: str, tmp_path: Path) -> None:
    text = f"segment: S\nwhere:\n  - did_not: order_placed\n    within: last {days}\n"
    found = sentences(load(small_workspace(tmp_path, {"segments/s.yaml": text})), "ru")
    assert f"за {said}." in found["segments/s.yaml"]


def test_the_command_reads_back_what_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(TWELVE)
    shown = (
        CliRunner().invoke(command, ["--read", "--locale", "ru", "channels"], standalone_mode=False).output
    )
    assert "channels/sms.yaml\n  Канал «SMS» передаёт SMS" in shown and "campaigns/" not in shown
    answer = CliRunner().invoke(command, ["--read", "--json", "channels/sms.yaml"], standalone_mode=False)
    assert json.loads(answer.output)["read"] == {"channels/sms.yaml": WHOLE["en", "channels/sms.yaml"]}


def test_nothing_is_read_back_while_there_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(small_workspace(tmp_path, {"segments/s.yaml": "segment: S\n"}))
    shown = CliRunner().invoke(command, ["--read"], standalone_mode=False)
    assert shown.return_value == 1 and "selects" not in shown.output
