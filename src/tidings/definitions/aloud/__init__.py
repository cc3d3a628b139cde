"""Definitions read back as one plain sentence in English, Traditional and Simplified Chinese and Russian."""

from __future__ import annotations

from tidings.definitions.aloud.names import Names
from tidings.definitions.kinds.campaign import Campaign
from tidings.definitions.kinds.channel import Channel
from tidings.definitions.kinds.flow import Flow
from tidings.definitions.kinds.segment import Segment
from tidings.definitions.workspace import Definitions

LOCALES = ("en", "zh-TW", "zh-CN", "ru")
# What every workspace has: columns of a customer, and responses to a message.
_BUILT_IN: dict[str, tuple[str, str, str, str]] = {
    "key": ("customer number", "顧客編號", "客户编号", "номер клиента"),
    "email": ("e-mail address", "電子郵件地址", "电子邮件地址", "адрес электронной почты"),
    "phone": ("telephone number", "電話號碼", "电话号码", "номер телефона"),
    "fax": ("fax number", "傳真號碼", "传真号码", "номер факса"),
    "locale": ("language", "語言", "语言", "язык"),
    "zone": ("time zone", "時區", "时区", "часовой пояс"),
    "country": ("country", "國家／地區", "国家／地区", "страна"),
    "account": ("account", "公司帳戶", "公司账户", "компания"),
    "sent": ("message sent", "寄出訊息", "发出消息", "сообщение отправлено"),
    "opened": ("message opened", "開啟訊息", "打开消息", "сообщение открыто"),
    "clicked": ("link clicked", "點擊連結", "点击链接", "переход по ссылке"),
    "unsubscribed": ("unsubscribed", "取消訂閱", "退订", "отписка"),
    "replied": ("answered", "回覆", "回复", "ответ получен"),
    "redeemed": ("code redeemed", "兌換優惠代碼", "兑换优惠码", "код погашен"),
    "delivered": ("message delivered", "訊息送達", "消息送达", "сообщение доставлено"),
    "bounced": ("message returned", "訊息退回", "消息退回", "сообщение вернулось"),
    "spam_reported": ("reported as spam", "檢舉為垃圾訊息", "举报为垃圾消息", "жалоба на спам"),
    "task_accepted": ("task accepted", "任務已接受", "任务已接受", "задача принята"),
    "task_returned": ("task returned", "任務已退回", "任务已退回", "задача возвращена"),
    "task_done": ("task done", "任務已完成", "任务已完成", "задача выполнена"),
}  # fmt: skip
BUILT_IN = {
    locale: {name: titles[number] for name, titles in _BUILT_IN.items()}
    for number, locale in enumerate(LOCALES)
}


def sentence(one: Segment | Campaign | Flow | Channel, definitions: Definitions, locale: str = "en") -> str:
    """Return what a definition says, as a native reader of the language would say it."""
    # A language is loaded when it is asked for: a check in one needs no other.
    names = Names(definitions, BUILT_IN[locale])
    if isinstance(one, Flow):
        return _flow(one, names, locale)
    if locale == "ru":
        from tidings.definitions.aloud.russian import Russian

        return Russian(names).sentence(one)
    if locale in ("zh-TW", "zh-CN"):
        from tidings.definitions.aloud.chinese import Chinese

        return Chinese(names, traditional=locale == "zh-TW").sentence(one)
    from tidings.definitions.aloud.english import English

    return English(names).sentence(one)


def _flow(one: Flow, names: Names, locale: str) -> str:
    if locale == "ru":
        from tidings.definitions.aloud.russian_flows import RussianFlows

        return RussianFlows(names).flow(one)
    if locale in ("zh-TW", "zh-CN"):
        from tidings.definitions.aloud.chinese_flows import ChineseFlows

        return ChineseFlows(names, traditional=locale == "zh-TW").flow(one)
    from tidings.definitions.aloud.english_flows import EnglishFlows

    return EnglishFlows(names).flow(one)


def sentences(definitions: Definitions, locale: str = "en") -> dict[str, str]:
    """Return the sentence of every segment, campaign, flow and channel by the path of its file."""
    every: list[Segment | Campaign | Flow | Channel] = [
        *definitions.segments.values(),
        *definitions.campaigns.values(),
        *definitions.flows.values(),
        *definitions.channels.values(),
    ]
    return {one.path: sentence(one, definitions, locale) for one in every}
