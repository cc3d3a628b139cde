"""The one answer to STOP, START and HELP, short enough for one SMS where the title of the workspace is."""

from __future__ import annotations

from tidings.responses.words import Word

_TEXTS: dict[str, dict[Word, str]] = {
    "en": {
        Word.STOP: "{title}: you will get no more messages from us here. Reply START to get them again.",
        Word.START: "{title}: you will get our messages again. Reply STOP to get no more.",
        Word.HELP: "{title}{where}. Reply STOP to get no more messages.",
    },
    "zh-TW": {
        Word.STOP: "{title}：我們不會再傳送訊息給您。回覆 START 可重新接收。",
        Word.START: "{title}：您將再次收到我們的訊息。回覆 T 可取消。",
        Word.HELP: "{title}{where}。回覆 T 即不再接收訊息。",
    },
    "zh-CN": {
        Word.STOP: "{title}：我们不会再向您发送信息。回复 START 可重新接收。",
        Word.START: "{title}：您将再次收到我们的信息。回复 T 可退订。",
        Word.HELP: "{title}{where}。回复 T 即不再接收信息。",
    },
    "ru": {
        Word.STOP: "{title}: больше сообщений не будет. Чтобы снова их получать, ответьте СТАРТ.",
        Word.START: "{title}: вы снова получаете наши сообщения. Чтобы отказаться, ответьте СТОП.",
        Word.HELP: "{title}{where}. Чтобы отказаться от сообщений, ответьте СТОП.",
    },
    "de": {
        Word.STOP: "{title}: Sie bekommen hier keine Nachrichten mehr von uns. Mit START wieder.",
        Word.START: "{title}: Sie bekommen wieder Nachrichten von uns. Abmelden mit STOPP.",
        Word.HELP: "{title}{where}. Abmelden mit STOPP.",
    },
    "fr": {
        Word.STOP: "{title} : vous ne recevrez plus nos messages. Pour les recevoir, envoyez START.",
        Word.START: "{title} : vous recevrez de nouveau nos messages. Pour arrêter, envoyez STOP.",
        Word.HELP: "{title}{where}. Pour ne plus recevoir de messages, envoyez STOP.",
    },
    "es": {
        Word.STOP: "{title}: no recibirá más mensajes nuestros. Para recibirlos, responda START.",
        Word.START: "{title}: volverá a recibir nuestros mensajes. Para dejarlos, responda STOP.",
        Word.HELP: "{title}{where}. Para no recibir más mensajes, responda STOP.",
    },
    "sv": {
        Word.STOP: "{title}: du får inga fler meddelanden från oss här. Svara START för att få dem igen.",
        Word.START: "{title}: du får våra meddelanden igen. Svara STOPP för att slippa dem.",
        Word.HELP: "{title}{where}. Svara STOPP för att inte få fler meddelanden.",
    },
}


def notice_text(word: Word, locales: tuple[str | None, ...], *, title: str, where: str = "") -> str:
    """Return the answer in the first of the locales that we speak, English when there is none.

    `where` is the postal address of the workspace, which HELP names.
    """
    place = " ".join(where.split())
    language = next((found for one in locales if one and (found := _language(one))), "en")
    return _TEXTS[language][word].format(title=title, where=f", {place}" if place else "")


def _language(locale: str) -> str | None:
    first, *more = locale.replace("_", "-").casefold().split("-")
    if first == "zh":
        return "zh-TW" if {"tw", "hk", "mo", "hant"} & set(more) and "hans" not in more else "zh-CN"
    return first if first in _TEXTS else None
