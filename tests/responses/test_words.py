"""Stop, start and help in the words people use, and ordinary words that only look like them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.responses.words import Word, own_words, word_of

STOPS = """STOP|stop|Stop.|  STOP!!! |"stop"|STOPALL|stop all|UNSUBSCRIBE|Cancel|END|quit|REVOKE|OPTOUT|opt out|opt-out|Opt-Out.
ｓｔｏｐ|s t o p|S.T.O.P|STOP STOP STOP|stop please|Please stop!|pls stop|stop now|ok stop|sstoopp|stpo|sotp|stop 🛑
unsuscribe|unsubcribe|Unsubscribed|unsubscrbe me please|please unsubscribe me|I want to unsubscribe|how do i unsubscribe?
please stop texting me|Stop sending me messages|stop messaging this number|quit texting me|stop contacting me!
do not text me again|don't text me|don’t message me anymore|Do not contact me|never write to me|stop these messages
no more texts|no more sms please|please remove me from your list|take me off your list|remove my number|delete my number
opt me out|I am opting out|i revoke my consent|leave me alone|lose my number|I don't want your messages
i don't want to receive any more texts|do not send me any more messages|I no longer want this
退订|退訂|T|TD|td|停止|取消|退订。|请退订|請退訂，謝謝|取消订阅|取消訂閱|不要再发了|别再发短信了|請不要再傳簡訊|请勿打扰|回复T|拒收|不想再收到短信
СТОП|стоп|Стоп!|ОТПИСАТЬСЯ|отписка|Отпишите меня|отпишите меня, пожалуйста|хватит|не присылайте больше|не пишите мне
больше не шлите мне смс|прекратите слать спам|удалите мой номер|ОТМЕНА|отписатся|стоп пожалуйста
STOPP|ABMELDEN|Bitte abmelden|ARRET|Arrêt|ARRÊTER|BAJA|ALTO|SAIR|Avsluta|수신거부|配信停止|keine weiteren SMS|ne m'envoyez plus rien|no más mensajes"""
STARTS = "START|start|Start!|UNSTOP|subscribe|opt in|please start|订阅|恢复|重新訂閱|开始|СТАРТ|подписаться|Подпишите меня|ALTA|démarrer"
HELPS = "HELP|help|Help?|info|INFO!|帮助|幫助|ПОМОЩЬ|справка|Hilfe|AIDE|ayuda|hjälp|who is this?|please help"
OTHERS = """stop by the shop tomorrow?|I will stop by at 5|Non-stop service, great|don't stop!|please don't stop sending me offers|never stop
do not unsubscribe me|top|shop|step|Stopwatch|when does the offer end|the weekend|I can't stop laughing|bus stop
can I cancel my order 1234?|cancel my appointment please|Did the sale start yet?|start at 9?|quit smoking tips? yes please
thanks!|yes|no|ok|👍||   |...|?|T shirt|size T|is the t-shirt there|help yourself to the cake|could you help with order 17
the end|in the end I bought two|ending soon?|remote control|Take me to the shop|when do you take returns
退货怎么办|我要退货|取消我的预约可以吗|别取消|不要停|好的|谢谢|停车场在哪里|我不要红色的
сколько стоит|остановка где?|не отписывайте меня|отличный магазин|спасибо|когда старт продаж|не стоп
Ich komme morgen|l'arrêt de bus est loin|baja el precio|alto y claro|stop sign|is it still on offer?"""


def _each(table):
    return [one for line in table.split("\n") for one in line.split("|")]


@pytest.mark.parametrize("text", _each(STOPS))
def test_these_are_wishes_to_stop(text) -> None:
    assert word_of(text) is Word.STOP


@pytest.mark.parametrize("text", _each(STARTS))
def test_these_are_wishes_to_start_again(text) -> None:
    assert word_of(text) is Word.START


@pytest.mark.parametrize("text", _each(HELPS))
def test_these_ask_for_help(text) -> None:
    assert word_of(text) is Word.HELP


@pytest.mark.parametrize("text", _each(OTHERS))
def test_these_are_ordinary_answers(text) -> None:
    assert word_of(text) is None


def test_a_provider_that_recognised_the_word_is_believed() -> None:
    assert word_of("whatever", "STOP") is Word.STOP
    assert word_of("whatever", "help") is Word.HELP
    assert word_of("hello", "nonsense") is None


@pytest.mark.parametrize(
    "text",
    [
        "Great, thank you!\n\nOn Tue, 2 Mar 2027 at 09:00, Shop <a@b.example> wrote:\n> To unsubscribe click here",
        "Super\n> stop texting me\n> unsubscribe",
        "See you there\n-- \nUnsubscribe Ltd.",
        "好的\n2027年3月2日 商店 写道：\n退订请点这里",
    ],
)
def test_what_is_quoted_below_an_answer_is_not_the_answer(text) -> None:
    assert word_of(text) is None


def test_the_own_words_come_before_the_quote() -> None:
    assert own_words("STOP\n\n> hello\n> there") == "STOP"
    assert (
        word_of("Unsubscribe\n\nOn Tue, 2 Mar 2027 at 09:00, Shop <a@b.example> wrote:\n> News") is Word.STOP
    )


def test_a_long_letter_is_read_by_a_person() -> None:
    assert word_of("we talked about the weather and " * 20 + "please stop texting me") is None


@given(st.text(max_size=400))
def test_any_text_gets_an_answer(text) -> None:
    assert word_of(text) in (None, *Word)
