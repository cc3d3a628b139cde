"""Flows in a Chinese sentence, in the words of Taiwan and of the mainland."""

from __future__ import annotations

from tidings.definitions.aloud.chinese import Chinese, spaced
from tidings.definitions.aloud.chinese_words import DAYS, KINDS
from tidings.definitions.kinds.flow import DayOffset, Flow, Start, Step, WaitFor
from tidings.definitions.values import Duration, Test

# (Taiwan, mainland)
_WORDS = {
    "starts": ("「{}」在{}開始", "“{}”在{}开始"),
    "event": ("發生「{}」{}時", "发生“{}”{}时"),
    "late": ("（最多晚 {}收到）", "（最多晚 {}收到）"),
    "past too": ("（開始時已過的也算）", "（开始时已过的也算）"),
    "enters": ("顧客進入分群「{}」時", "客户进入分群“{}”时"),
    "leaves": ("顧客離開分群「{}」時", "客户离开分群“{}”时"),
    "inside too": ("（已在其中的人立刻開始）", "（已在其中的人立刻开始）"),
    "always": ("同一位顧客每次都會走", "同一位客户每次都会走"),
    "never": ("同一位顧客只走一次", "同一位客户只走一次"),
    "after": ("同一位顧客至少隔 {}才會再走", "同一位客户至少隔 {}才会再走"),
    "each": ("同一位顧客每個「{}」各走一次", "同一位客户每个“{}”各走一次"),
    "clock": ("時間依收件人當地時間", "时间按收件人当地时间"),
    "silent": ("其中 {} 只默默走過、什麼都收不到，作為對照組", "其中 {} 只默默走过、什么都收不到，作为对照组"),
    "leave": ("只要{}就離開", "只要{}就离开"),
    "or": ("，或", "，或"),
    "step": ("第 {} 步「{}」（{}）：{}", "第 {} 步“{}”（{}）：{}"),
    "at once": ("立刻", "立刻"),
    "later": ("{}後", "{}后"),
    "quiet": ("最後一次這類事件的 {}後", "最后一次这类事件的 {}后"),
    "on the day": ("「{}」當天 {}", "“{}”当天 {}"),
    "days before": ("「{}」前 {} 天 {}", "“{}”前 {} 天 {}"),
    "days after": ("「{}」後 {} 天 {}", "“{}”后 {} 天 {}"),
    "instead": ("，「{}」被跳過時代替它", "，“{}”被跳过时代替它"),
    "only": ("，只限{}的人", "，只限{}的人"),
    "then end": ("，然後結束", "，然后结束"),
    "then": ("，接著到「{}」", "，接着到“{}”"),
    "send": ("{}寄出訊息「{}」", "{}发出消息“{}”"),
    "party": ("，寄給「{}」所指的對象", "，发给“{}”所指的对象"),
    "together": ("，每個對象一則，列出所談的全部顧客", "，每个对象一条，列出所谈的全部客户"),
    "with purpose": ("，用途是「{}」", "，用途是“{}”"),
    "with offer": ("，優惠是 {}", "，优惠是 {}"),
    "hours": ("，只在 {} 到 {} 之間", "，只在 {} 到 {} 之间"),
    "on days": ("，只在週{}", "，只在周{}"),
    "expires": ("，最多晚 {}", "，最多晚 {}"),
    "task": ("交給「{}」一項任務", "交给“{}”一项任务"),
    "due": ("，期限 {}", "，期限 {}"),
    "workdays": ("{} 個工作日", "{} 个工作日"),
    "becomes": ("「{}」改為 {}", "“{}”改为 {}"),
    "loses": ("清除「{}」的值", "清除“{}”的值"),
    "add": ("把顧客加入名單「{}」", "把客户加入名单“{}”"),
    "remove": ("把顧客移出名單「{}」", "把客户移出名单“{}”"),
    "split": ("抽籤決定：{}", "抽签决定：{}"),
    "way": ("{} 到「{}」", "{} 到“{}”"),
    "nothing": ("只等待，不寄任何訊息", "只等待，不发任何消息"),
    "end": ("結束", "结束"),
    "wait": ("最多等 {}，等「{}」{}發生", "最多等 {}，等“{}”{}发生"),
    "of": ("（對「{}」的反應）", "（对“{}”的反应）"),
    "by": ("（經由{}）", "（经由{}）"),
    "if not": ("；到時沒有的人到「{}」", "；到时没有的人到“{}”"),
    "if not end": ("；到時沒有的人就結束", "；到时没有的人就结束"),
    "if not on": ("；到時沒有的人也繼續", "；到时没有的人也继续"),
}  # fmt: skip


class ChineseFlows(Chinese):
    """Says a flow in Chinese: what starts it, then step after step."""

    def _word(self, name: str, *parts: object) -> str:
        return _WORDS[name][self.side].format(*parts)

    def flow(self, one: Flow) -> str:
        """Return the sentence of a flow."""
        parts = [self._word("starts", one.title, self._start(one.starts))]
        after = self._length(one.again.after) if one.again.after else ""
        parts.append(self._word(one.again.how, after or one.again.each))
        parts.append(self._say("purpose", one.purpose))
        if one.clock == "recipient":
            parts.append(self._word("clock"))
        share = self.names.holdout(one)
        if share is None:
            parts.append(self._say("auto"))
        else:
            parts.append(self._word("silent", share) if share.basis_points else self._say("no holdout"))
        if one.leave_when:
            parts.append(
                self._word("leave", spaced(self._word("or").join(map(self._condition, one.leave_when))))
            )
        parts += [self._step(number, step) for number, step in enumerate(one.steps, 1)]
        if one.goal:
            parts.append(self._goal(one.goal))
        if one.serves:
            parts.append(self._say("serves", self.names.aim(one.serves)))
        if one.owner:
            parts.append(self._say("owner", one.owner))
        return "；".join(parts) + "。"

    def _start(self, one: Start) -> str:
        late = self._word("late", self._length(one.catch_up)) if isinstance(one.catch_up, Duration) else ""
        if one.kind == "event":
            return self._word("event", self.names.event(one.event), self._with(one.event, one.with_)) + late
        if one.day is not None:
            return spaced(self._day(one.day)) + (
                self._word("past too") if one.catch_up == "everybody" else late
            )
        text = self._word(one.kind, self.names.segment(one.segment))
        return text + (self._word("inside too") if one.catch_up == "everybody" else "")

    def _with(self, event: str, tests: tuple[tuple[str, Test], ...]) -> str:
        said = "，且".join(
            self._test(self._quote(name), test, self.names.property_type(event, name), self.names.property_currency(event, name))
            for name, test in tests
        )  # fmt: skip
        return self._say("where", spaced(said)) if said else ""

    def _day(self, one: DayOffset) -> str:
        name, at = self.names.attribute(one.date), f"{one.at:%H:%M}"
        if one.days == 0:
            return self._word("on the day", name, at)
        return self._word("days before" if one.days < 0 else "days after", name, abs(one.days), at)

    def _step(self, number: int, one: Step) -> str:
        due = self._word("at once")
        if one.after:
            due = self._word("quiet" if one.quiet else "later", self._length(one.after))
        elif one.wait_until:
            due = self._day(one.wait_until)
        if one.instead_of:
            due += self._word("instead", one.instead_of)
        if one.when:
            due += self._word("only", spaced("，且".join(map(self._condition, one.when))))
        on = self._word("then end") if one.then == "end" else self._word("then", one.then) if one.then else ""
        return self._word("step", number, one.name, due, self._does(one) + on)

    def _does(self, one: Step) -> str:
        match one.verb:
            case "send":
                return self._sends(one)
            case "notify":
                text = self._word("task", self.names.person(one.notify))
                if one.due_workdays:
                    return text + self._word("due", self._word("workdays", one.due_workdays))
                return text + (self._word("due", self._length(one.due)) if one.due else "")
            case "set":
                return "，".join(
                    self._word("loses", self.names.attribute(name))
                    if value is None
                    else self._word(
                        "becomes", self.names.attribute(name), self._value(value, self.names.currency(name))
                    )
                    for name, value in one.values
                )
            case "add_to" | "remove_from":
                return self._word(
                    "add" if one.verb == "add_to" else "remove", self.names.segment(one.segment)
                )
            case "split":
                return self._word(
                    "split", "，".join(self._word("way", share, name) for name, share in one.split)
                )
            case "offer":
                return self._say("offer", one.offer.gives) + self._ends(one.offer.ends) if one.offer else ""
        if one.wait_for:
            return self._waits(one.wait_for)
        return self._word("end") if one.verb == "end" else self._word("nothing")

    def _sends(self, one: Step) -> str:
        text = self._word("send", self._via(one), one.send)
        if one.to:
            text += self._word("party", self.names.attribute(one.to))
            text += self._word("together") if one.group else ""
        if one.purpose:
            text += self._word("with purpose", one.purpose)
        if one.offer:
            text += self._word("with offer", one.offer.gives) + self._ends(one.offer.ends)
        if one.send_between:
            text += self._word("hours", f"{one.send_between.first:%H:%M}", f"{one.send_between.last:%H:%M}")
        if one.weekdays:
            text += self._word("on days", "、".join(DAYS[day] for day in one.weekdays))
        return text + (self._word("expires", self._length(one.expires)) if one.expires else "")

    def _waits(self, one: WaitFor) -> str:
        text = self._word(
            "wait", self._length(one.up_to), self.names.event(one.event), self._with(one.event, one.with_)
        )
        if one.of:
            text += self._word("of", one.of)
        if one.by:
            kind = self.names.kind(one.by)[0] or one.by
            text += self._word("by", KINDS[kind][self.side] if kind in KINDS else one.by)
        if not one.if_not:
            return text + self._word("if not on")
        return text + (self._word("if not end") if one.if_not == "end" else self._word("if not", one.if_not))
