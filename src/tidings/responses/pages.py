"""The few pages that readers of our messages see: small, without script, in four languages."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from html import escape

LANGUAGES = ("en", "zh-TW", "zh-CN", "ru")

_STYLE = (
    "body{font:1.125rem/1.6 system-ui,sans-serif;color:#1b1b1b;background:#fff;margin:0}"
    "main{max-width:34rem;margin:12vh auto;padding:0 1.25rem}"
    "h1{font-size:1.6rem;line-height:1.3}"
    "button{font:inherit;font-weight:600;color:#fff;background:#0b5d3b;border:2px solid #0b5d3b;"
    "border-radius:.4rem;padding:.7rem 1.4rem;min-height:2.75rem;cursor:pointer}"
    "button:hover{background:#084a2f}"
    "button:focus-visible{outline:3px solid #1b1b1b;outline-offset:3px}"
    "small{color:#555}"
    "@media(prefers-color-scheme:dark){body{color:#eee;background:#161616}small{color:#aaa}"
    "button:focus-visible{outline-color:#eee}}"
)
_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class _Words:
    ask_title: str
    ask: str
    button: str
    done_title: str
    done: str
    later_title: str
    later: str
    wrong_title: str
    wrong: str
    away_title: str
    away: str
    # What is gone where the message was no e-mail.
    ask_any: str
    done_any: str


_WORDS = {
    "en": _Words(
        "Unsubscribe?",
        "You will get no more messages of this kind from us by email. Nothing happens until you press the button.",
        "Unsubscribe",
        "You are unsubscribed",
        "You will get no more messages of this kind from us by email. You can close this page.",
        "That did not work yet",
        "We could not save your wish just now. Nothing is lost on your side: please try again in a minute.",
        "This link does not work",
        "It is incomplete or was changed on its way. Please open the message again and use the whole link.",
        "One moment, please",
        "We cannot open this link just now. Please try it again in a minute.",
        "You will get no more messages of this kind from us on this number. Nothing happens until you press the button.",
        "You will get no more messages of this kind from us on this number. You can close this page.",
    ),
    "zh-TW": _Words(
        "要取消訂閱嗎？",
        "取消後，我們不會再以電子郵件寄送這類訊息給您。按下按鈕後才會生效。",
        "取消訂閱",
        "已為您取消訂閱",
        "我們不會再以電子郵件寄送這類訊息給您。您可以關閉此頁。",
        "尚未完成",
        "目前無法儲存您的設定，請於一分鐘後再試一次。",
        "此連結無法使用",
        "連結不完整，或在傳送途中被更動。請重新開啟郵件，使用完整的連結。",
        "請稍候",
        "目前無法開啟此連結，請於一分鐘後再試一次。",
        "取消後，我們不會再傳送這類訊息到此號碼。按下按鈕後才會生效。",
        "我們不會再傳送這類訊息到此號碼。您可以關閉此頁。",
    ),
    "zh-CN": _Words(
        "要退订吗？",
        "退订后，我们不会再通过电子邮件向您发送此类信息。点击按钮后才会生效。",
        "退订",
        "您已退订",
        "我们不会再通过电子邮件向您发送此类信息。您可以关闭此页面。",
        "尚未完成",
        "暂时无法保存您的设置，请一分钟后再试一次。",
        "此链接无法使用",
        "链接不完整，或在传送途中被更改。请重新打开邮件，使用完整的链接。",
        "请稍候",
        "暂时无法打开此链接，请一分钟后再试一次。",
        "退订后，我们不会再向此号码发送此类信息。点击按钮后才会生效。",
        "我们不会再向此号码发送此类信息。您可以关闭此页面。",
    ),
    "ru": _Words(
        "Отписаться?",
        "Мы больше не будем присылать вам такие письма. Отписка произойдёт только после нажатия кнопки.",
        "Отписаться",
        "Вы отписаны",
        "Мы больше не будем присылать вам такие письма. Эту страницу можно закрыть.",
        "Пока не получилось",
        "Сейчас не удалось сохранить ваше решение. Пожалуйста, попробуйте ещё раз через минуту.",
        "Эта ссылка не работает",
        "Она неполная или изменилась по пути. Откройте письмо ещё раз и перейдите по всей ссылке целиком.",
        "Минуту",
        "Сейчас эта ссылка не открывается. Пожалуйста, попробуйте ещё раз через минуту.",
        "Мы больше не будем присылать такие сообщения на этот номер. Отписка произойдёт только после нажатия кнопки.",
        "Мы больше не будем присылать такие сообщения на этот номер. Эту страницу можно закрыть.",
    ),
}


def choose_language(accepted: bytes) -> str:
    """Return the language of ours that an Accept-Language header likes best; English when it names none."""
    wishes: list[tuple[float, int, str]] = []
    for place, part in enumerate(accepted[:500].decode("latin-1").split(",")):
        tag, _, rest = part.strip().lower().partition(";")
        quality = rest.replace(" ", "").removeprefix("q=")
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            weight = 0.0
        language = _language_of(tag.strip())
        if language and 0 < weight <= 1:
            wishes.append((-weight, place, language))
    return min(wishes)[2] if wishes else "en"


def _language_of(tag: str) -> str | None:
    first, *more = tag.split("-")
    if first == "zh":
        return "zh-TW" if {"tw", "hk", "mo", "hant"} & set(more) and "hans" not in more else "zh-CN"
    return first if first in _WORDS else None


def ask_page(title: str, language: str, *, by_mail: bool = True) -> bytes:
    """Return the page that asks; only its button, a POST, unsubscribes. `by_mail`: the message was an e-mail."""
    words = _WORDS[language]
    ask = words.ask if by_mail else words.ask_any
    form = (
        '<form method="post"><input type="hidden" name="confirm" value="yes">'
        f'<p><button type="submit">{escape(words.button)}</button></p></form>'
    )
    return _page(title, language, words.ask_title, f"<p>{escape(ask)}</p>{form}")


def done_page(title: str, language: str, *, by_mail: bool = True) -> bytes:
    """Return the page that says that it is done. `by_mail`: the message was an e-mail."""
    words = _WORDS[language]
    done = words.done if by_mail else words.done_any
    return _page(title, language, words.done_title, f'<p role="status">{escape(done)}</p>')


def later_page(title: str, language: str) -> bytes:
    """Return the page that says that the wish could not be saved."""
    words = _WORDS[language]
    return _page(title, language, words.later_title, f'<p role="alert">{escape(words.later)}</p>')


def away_page(title: str, language: str) -> bytes:
    """Return the page for a link of ours that cannot be looked up just now."""
    words = _WORDS[language]
    return _page(title, language, words.away_title, f'<p role="alert">{escape(words.away)}</p>')


def wrong_page(title: str, language: str) -> bytes:
    """Return the page for a link that is not ours; it names nothing of the request."""
    words = _WORDS[language]
    return _page(title, language, words.wrong_title, f"<p>{escape(words.wrong)}</p>")


def _page(title: str, language: str, heading: str, body: str) -> bytes:
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="robots" content="noindex"><meta name="color-scheme" content="light dark">'
        f"<title>{escape(heading)} · {escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(heading)}</h1>{body}<p><small>{escape(title)}</small></p></main></body></html>"
    ).encode()
