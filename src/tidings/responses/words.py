"""What people write back: stop, start, help, or something else.

Three ways to say stop, the surest first: a word of the families below and nothing else (signs, case and blanks aside);
such a word with a courtesy or misspelt; a sentence that can only mean it. Whoever asks by "any reasonable means" has
asked (47 CFR 64.1200(a)(10)); but a question about a shop's stop sale has not.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum


class Word(StrEnum):
    """What a person wants."""

    STOP = "stop"
    START = "start"
    HELP = "help"


_FAMILIES = {
    Word.STOP: (
        # English; the words that a carrier or 47 CFR 64.1200(a)(10) takes for a stop by themselves
        "stop, stopall, stop all, unsubscribe, cancel, end, quit, revoke, optout, opt out, unsub, remove, remove me, "
        "stop texts, stop it, stop now, stop this, stop sms, stop messages, stop spam, stop please, leave me alone, "
        # Chinese
        "退订, 退訂, t, td, 停止, 取消, 取消订阅, 取消訂閱, 退, 拒收, 拒绝, 拒絕, 不要, 勿扰, 勿擾, 停, 回复t, "
        # Russian, Ukrainian
        "стоп, отписаться, отписка, отпишите, отпишите меня, отмена, отказ, отказаться, хватит, прекратить, "
        "прекратите, отключить, відписатися, відписка, відмова, "
        # German, Dutch
        "stopp, abmelden, abbestellen, kündigen, austragen, afmelden, uitschrijven, "
        # French, Spanish, Portuguese, Italian
        "arret, arrêt, arreter, arrêter, desabonner, désabonner, desinscrire, désinscrire, baja, alto, parar, "
        "cancelar, detener, sair, descadastrar, basta, cancellami, disiscrivi, "
        # Scandinavian, Finnish, Polish, Turkish
        "avsluta, avanmäl, avregistrera, avmeld, afmeld, lopeta, peruuta, wypisz, rezygnuję, rezygnuje, iptal, dur, "
        # Japanese, Korean
        "解除, 配信停止, やめて, 수신거부, 중지, 그만"
    ),
    Word.START: (
        "start, unstop, subscribe, resume, opt in, optin, resubscribe, start again, "
        "订阅, 訂閱, 重新订阅, 重新訂閱, 恢复, 恢復, 恢复订阅, 恢復訂閱, 开始, 開始, "
        "старт, подписаться, подписка, подпишите, подпишите меня, возобновить, начать, почати, підписатися, "
        "anmelden, aanmelden, demarrer, démarrer, reprendre, alta, iniciar, retomar, inizia, registrera, zapisz, "
        "başla, aloita, 再開, 시작"
    ),
    Word.HELP: (
        "help, info, help me, who is this, who are you, "
        "帮助, 幫助, 说明, 說明, 你是谁, 你是誰, помощь, справка, инфо, помогите, кто это, кто вы, допомога, "
        "hilfe, aide, ayuda, ajuda, aiuto, hjälp, hjaelp, hjælp, hjelp, apua, pomoc, yardım, yardim, ヘルプ, 도움말"
    ),
}
# What may stand around a word without changing it.
_COURTESY = re.compile(
    r"\b(?:please|pls|plz|now|ok|okay|thanks|thank you|thx|hi|hello|sorry|immediately|asap|bitte|danke|merci|"
    r"s'il vous plait|svp|stp|por favor|gracias|per favore|tack|snälla|пожалуйста|спасибо|здравствуйте)\b"
    r"|请|請|谢谢|謝謝|谢|謝|吧|了$|啊"
)
# A word of the stop family here is not a wish to leave: its opposite, or a condition.
_NOT_MEANT = re.compile(
    r"\b(?:don'?t|do not|never|didn'?t|did not|won'?t|can'?t|nicht|pas|ne pas|не)\s+(?:you\s+)?(?:ever\s+)?"
    r"(?:stop|unsubscribe|cancel|remove|opt\s*out|abmelden|отписывай\w*|прекращай\w*|останавливай\w*)"
    r"|\b(?:can|could)(?:no|')t stop|stop (?:by|in|at|over|for|off|round|around)\b|non ?stop"
    r"|(?:别|不要|勿)(?:退订|退訂|取消|停)"
)
_MESSAGES = r"(?:texts?|messages?|msgs?|sms|e ?mails?|mails?|adverts?|ads?|spam|newsletters?|notifications?)"
_SENTENCES = re.compile(
    "|".join(
        (
            # English
            (
                r"\b(?:stop|quit|cease)\s+(?:\w+\s+)?(?:texting|messaging|sending|contacting|bothering|spamming|emailing|"
                r"mailing|harassing|writing)\b"
            ),
            rf"\b(?:stop|cancel|end|no more|enough)\s+(?:(?:all|these|those|the|this|your|my|of|with|any)\s+)*{_MESSAGES}\b",
            (
                r"\b(?:do not|don'?t|never)\s+(?:ever\s+)?(?:text|message|contact|e ?mail|sms|bother|spam|write(?: to)?)\s+"
                r"(?:me|us|this|my|again|anymore|any more)\b"
            ),
            (
                rf"\b(?:do not|don'?t|never)\s+(?:ever\s+)?(?:send|want|need|wish)\s+(?:to\s+)?(?:(?:me|us|get|receive|any|more|"
                rf"your|these|of|anymore|further)\s+)*{_MESSAGES}\b"
            ),
            (
                r"\b(?:remove|delete|take)\s+(?:me|us|my (?:phone )?(?:number|name|e ?mail|address)|this number)\b"
                r"(?!\s+(?:to|home|there|out|with)\b)"
            ),
            r"\bopt(?:ing|ed)?\s+(?:me\s+|us\s+)?out\b",
            r"\b(?:unsubscribe|unsubscribing|revoke (?:my )?consent|withdraw (?:my )?consent|lose my number)\b",
            r"\bleave (?:me|us) alone\b|\bno longer (?:want|wish)\b",
            # Chinese
            (
                r"(?:不要|别|別|勿|停止|请勿|請勿|不想|不需要)(?:再|给我|給我|继续|繼續|向我|收到|收)*"
                r"(?:发送|發送|发|發|傳|传|寄|推送|短信|簡訊|简讯|信息|訊息|打扰|打擾|骚扰|騷擾)"
            ),
            r"退订|退訂|取消(?:订阅|訂閱|短信|簡訊)|(?:删除|刪除|移除)我",
            # Russian
            (
                r"не\s+(?:надо\s+|нужно\s+)?(?:мне\s+)?(?:больше\s+)?(?:мне\s+)?(?:присыла\w+|шли\w*|слать|пиши\w*|писать|"
                r"отправля\w+|беспоко\w+)"
            ),
            r"(?:прекрати\w*|перестан\w+|хватит)\s+(?:мне\s+)?(?:слать|присылать|писать|отправлять|спам\w*|рассыл\w*)",
            r"отпи(?:ши\w*|сать\w*|сыва\w+)|удали\w*\s+(?:мой|меня|мо[её])|убери\w*\s+(?:мой|меня)|отказываюсь",
            # German, French, Spanish
            r"\bkeine\s+(?:weiteren\s+)?(?:sms|nachrichten|mails|e ?mails|werbung)\b|\bmelde[nt]?\s+(?:sie\s+)?mich\s+ab\b",
            r"\bne\s+m'?\s?(?:envoyez|écrivez|ecrivez|contactez)\s+plus\b|\bplus de (?:sms|messages?)\b",
            r"\bno\s+(?:me\s+)?(?:env[ií]e[ns]?|escriban?|manden?|contacten?)\b|\bno (?:quiero )?m[aá]s mensajes\b",
        )
    )
)
_MEANS_STOP = frozenset(("unsubscribe", "unsubscribed", "stopall", "отписаться", "отписка"))
# Longer than this is a letter, in which a sentence may be about anything.
_LONGEST = 320
_QUOTE = re.compile(
    r"^(?:>|--\s*$|-{3,}\s*\w|_{5,}\s*$|on .{5,200} wrote:|am .{5,200} schrieb|le .{5,200} a écrit|from: |von: |de : |от: |"
    r"发件人|寄件者|.{0,80}(?:写道|寫道|пишет)[:：])",
    re.IGNORECASE,
)


def _plain(text: str) -> str:
    """Return a text in lower case with nothing but letters, digits, apostrophes and single blanks."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
    kept = "".join(
        sign if sign.isalnum() or sign == "'" or unicodedata.category(sign) == "Mn" else " "
        for sign in folded
        if unicodedata.category(sign) != "Cf"
    )
    return " ".join(kept.split()).strip("' ")


_KNOWN = {_plain(one): word for word, family in _FAMILIES.items() for one in family.split(",") if _plain(one)}


def word_of(text: str, keyword: str = "") -> Word | None:
    """Return what a text asks for, None where it is an ordinary answer.

    `keyword`: what the provider recognised by itself (stop, start, help), which is believed.
    """
    if keyword.casefold() in set(Word):
        return Word(keyword.casefold())
    own = own_words(text)
    plain = _plain(own)
    if not plain:
        return None
    said = _KNOWN.get(plain) or _KNOWN.get(_bare(plain)) or _misspelt(_bare(plain).removesuffix(" me"))
    if said is not None:
        return said
    if len(plain) > _LONGEST or _NOT_MEANT.search(plain):
        return None
    return Word.STOP if _SENTENCES.search(plain) else None


def own_words(text: str) -> str:
    """Return what the sender wrote: without the message that is quoted below, and without a signature."""
    lines: list[str] = []
    for line in text.strip().splitlines():
        if _QUOTE.match(line.strip()):
            break
        lines.append(line)
    return "\n".join(lines).strip()


def _bare(plain: str) -> str:
    """Return a text without courtesies, repeated words as one, and letters written apart put together."""
    rest = " ".join(_COURTESY.sub(" ", plain).split())
    words = rest.split()
    if len(words) > 1 and len(set(words)) == 1:
        return words[0]
    if len(words) > 2 and all(len(word) == 1 for word in words):
        return "".join(words)
    return rest


def _misspelt(word: str) -> Word | None:
    """Return STOP for one word that is a slip of the finger away from a long one that can mean nothing else."""
    if " " in word:
        return None
    if any(
        _slip(word, right) for right in _MEANS_STOP if len(right) > 7 and abs(len(right) - len(word)) <= 2
    ):
        return Word.STOP
    # Of short words only neighbours that changed places: a letter more or less is another word (shop, step, top).
    if len(word) == 4 and word != "stop" and word in {"sotp", "tsop", "stpo"}:
        return Word.STOP
    return Word.STOP if re.fullmatch(r"s+t+o+p+", word) else None


def _slip(word: str, right: str) -> bool:
    """Tell whether two words are at most two letters apart (changed, missing, too many, or neighbours swapped)."""
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, sign in enumerate(word, 1):
        earlier, before, row = before, row, [i]
        for j, other in enumerate(right, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (sign != other))
            if i > 1 and j > 1 and sign == right[j - 2] and word[i - 2] == other:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
    return row[-1] <= 2
