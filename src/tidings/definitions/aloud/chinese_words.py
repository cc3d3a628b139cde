"""The words of a Chinese sentence: those of Taiwan first, those of the mainland second."""

from __future__ import annotations

from tidings.definitions.values import DateRelation, Order, TextPlace, Unit

# (Taiwan, mainland): words, not only characters, differ.
WORDS = {
    "listed": ("「{}」是由匯入維護的顧客名單", "“{}”是由导入维护的客户名单"),
    "selects one": ("「{}」挑出符合這個條件的顧客：{}", "“{}”选出满足这个条件的客户：{}"),
    "selects all": ("「{}」挑出符合以下全部條件的顧客：{}", "“{}”选出满足以下全部条件的客户：{}"),
    "except": ("；有下列任一情形的人除外：{}", "；有下列任一情形的人除外：{}"),
    "rank": ("；其中只留「{}」最高的 {}", "；其中只留“{}”最高的 {}"),
    "people": (" 位", " 位"),
    "in segment": ("屬於分群「{}」", "属于分群“{}”"),
    "any": ("以下至少符合一項（{}）", "以下至少满足一项（{}）"),
    "none": ("以下都不符合（{}）", "以下都不满足（{}）"),
    "or": ("或", "或"),
    "and": ("和", "和"),
    "happened": ("「{event}」發生過{times}", "“{event}”发生过{times}"),
    "happened times": ("「{event}」{times}", "“{event}”{times}"),
    "happen": ("發生", "发生"),
    "never": ("一次也沒有發生", "一次也没有发生"),
    "not happened": ("沒有發生過「{event}」", "没有发生过“{event}”"),
    "not so": ("並非{}", "并非{}"),
    "last": ("過去 {}內", "过去 {}内"),
    "between days": ("{}至 {}期間", "{}至 {}期间"),
    "where": ("（只算{}的）", "（只算{}的）"),
    "total": ("，且總計的{}", "，且合计的{}"),
    "average": ("，且平均的{}", "，且平均的{}"),
    "largest": ("，且最大的{}", "，且最大的{}"),
    "not known too": ("（或未知）", "（或未知）"),
    "unknown counts": ("（未知也算不是）", "（未知也算不是）"),
    "yes": ("是", "是"),
    "no": ("否", "否"),
    "sends": ("「{title}」{when}{via}把訊息「{send}」寄給{to}", "“{title}”{when}{via}把消息“{send}”发给{to}"),
    "via": ("以{}", "通过{}"),
    "else": ("，聯絡不到時{}改用{}，", "，联系不到时{}改用{}，"),
    "preferred": ("顧客偏好的管道", "客户偏好的渠道"),
    "workspace clock": ("（依工作區的時鐘）", "（按工作区的时钟）"),
    "when run": ("在執行時", "在运行时"),
    "purpose": ("用途是「{}」", "用途是“{}”"),
    "serves": ("為「{}」這個目標服務", "为“{}”这个目标服务"),
    "owner": ("負責人是 {}", "负责人是 {}"),
    "send between": ("只在 {} 到 {} 之間寄出", "只在 {} 到 {} 之间发出"),
    "weekdays": ("只在週{}寄出", "只在周{}发出"),
    "holidays skip": ("遇假日不寄", "遇节假日不发"),
    "holidays next workday": ("遇假日順延到下一個工作日", "遇节假日顺延到下一个工作日"),
    "misfire skip": ("錯過超過 12 小時就不補寄", "错过超过 12 小时就不补发"),
    "misfire catch_up": ("錯過超過 12 小時就立即補寄一次", "错过超过 12 小时就立即补发一次"),
    "misfire reschedule": ("錯過超過 12 小時就改到隔天同一時間", "错过超过 12 小时就改到次日同一时间"),
    "again always": ("同一位顧客每次都會收到", "同一位客户每次都会收到"),
    "again never": ("同一位顧客只會收到一次", "同一位客户只会收到一次"),
    "again after": ("同一位顧客至少隔 {}才會再收到", "同一位客户至少隔 {}才会再收到"),
    "again each": ("同一位顧客每個{}各收到一次", "同一位客户每个{}各收到一次"),
    "revenue": ("營收", "营收"),
    "margin": ("毛利", "毛利"),
    "recipient clock": ("（依收件人當地時間）", "（按收件人当地时间）"),
    "customers where": ("符合條件的顧客（{}）", "满足条件的客户（{}）"),
    "members": ("{}的成員", "{}的成员"),
    "who are not in": ("（{}的成員除外）", "（{}的成员除外）"),
    "sample": ("（只取其中 {}）", "（只取其中 {}）"),
    "one an account": ("每家公司只收一份", "每家公司只收一份"),
    "drawn by account": ("以公司為單位分組", "以公司为单位分组"),
    "patience": ("超過 {}沒有回執就改用下一個管道", "超过 {}没有回执就改用下一个渠道"),
    "auto": ("是否留對照組由計畫決定", "是否留对照组由计划决定"),
    "no holdout": ("不留對照組", "不留对照组"),
    "holdout": ("其中 {} 不寄，作為對照組", "其中 {} 不发，作为对照组"),
    "variants": ("共有 {} 種寫法：{}", "共有 {} 种写法：{}"),
    "equal": ("，平均分配", "，平均分配"),
    "offer": ("優惠是 {}", "优惠是 {}"),
    "until": ("，到 {}為止", "，到 {}为止"),
    "after sending": ("，寄出後 {}內有效", "，发出后 {}内有效"),
    "budget": ("花費絕不超過 {}", "花费绝不超过 {}"),
    "copies": ("副本寄給{}", "副本发给{}"),
    "goal": ("{}內發生{}「{}」就算成功", "{}内发生{}“{}”就算成功"),
    "worth": ("，價值以{}計", "，价值以{}计"),
    "carries": ("「{}」透過 {} 傳送{}", "“{}”通过 {} 发送{}"),
    "from": ("，寄件者是 {}", "，发件人是 {}"),
    "cost": ("，每{} {}", "，每{} {}"),
    "rate": ("，每小時最多 {} 則", "，每小时最多 {} 条"),
    "every day": ("每天 {}", "每天 {}"),
    "every week": ("每週{} {}", "每周{} {}"),
    "nth": ("每月{}週{} {}", "每月{}周{} {}"),
    "last day": ("每月最後一天 {}", "每月最后一天 {}"),
    "day": ("每月 {} 日 {}", "每月 {} 日 {}"),
    "since": ("從 {}起", "从 {}起"),
    "through": ("到 {}為止", "到 {}为止"),
}  # fmt: skip
QUOTE = ("「{}」", "“{}”")
UNITS = {
    Unit.MINUTE: ("分鐘", "分钟"), Unit.HOUR: ("小時", "小时"), Unit.DAY: ("天", "天"),
    Unit.WEEK: ("週", "周"), Unit.MONTH: ("個月", "个月"), Unit.YEAR: ("年", "年"),
}  # fmt: skip
KINDS = {
    "email": ("電子郵件", "电子邮件"), "sms": ("簡訊", "短信"), "fax": ("傳真", "传真"),
    "call": ("電話", "电话"), "letter": ("信件", "信件"),
}  # fmt: skip
ORDER = {
    Order.AT_LEAST: ("至少 {}", "至少 {}"), Order.AT_MOST: ("至多 {}", "至多 {}"),
    Order.MORE_THAN: ("超過 {}", "超过 {}"), Order.LESS_THAN: ("不到 {}", "不到 {}"),
}  # fmt: skip
DATED = {
    Order.AT_LEAST: ("不早於 {}", "不早于 {}"), Order.AT_MOST: ("不晚於 {}", "不晚于 {}"),
    Order.MORE_THAN: ("晚於 {}", "晚于 {}"), Order.LESS_THAN: ("早於 {}", "早于 {}"),
}  # fmt: skip
RELATIVE = {
    DateRelation.MORE_THAN_AGO: ("早於 {}前", "早于 {}前"),
    DateRelation.IN_THE_LAST: ("在過去 {}內", "在过去 {}内"),
    DateRelation.IN_THE_NEXT: ("在未來 {}內", "在未来 {}内"),
    DateRelation.MORE_THAN_FROM_NOW: ("晚於 {}後", "晚于 {}后"),
}
PLACE = {
    TextPlace.STARTS: ("以{}開頭", "以{}开头"), TextPlace.ENDS: ("以{}結尾", "以{}结尾"), TextPlace.CONTAINS: ("包含{}", "包含{}"),
}  # fmt: skip
PAID = {"message": ("則", "条"), "segment": ("段", "段"), "page": ("頁", "页")}
NTH = {1: "第一個", 2: "第二個", 3: "第三個", 4: "第四個", -1: "最後一個"}
SIMPLE_NTH = {1: "第一个", 2: "第二个", 3: "第三个", 4: "第四个", -1: "最后一个"}
DAYS = "一二三四五六日"
