"""Hands over one text message a call.

The provider has no key by which it would know a repeat: what went out and was not answered is in doubt. Its status
callback, which carries our reference, ends the doubt; so may `looked_up`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tidings.channels.protocol import Kind, Outcome, Outgoing, Receipt, Scope
from tidings.channels.twilio.codes import VERDICTS, outcome_of, say
from tidings.channels.twilio.hooks import FAILED, receipt_of

if TYPE_CHECKING:
    from twilio.rest import Client

    from tidings.channels.twilio.wire import PatientHttp

LONGEST = 1600
E164 = re.compile(r"\+[1-9][0-9]{6,14}")
# A number, a short code, or a name of up to eleven signs with a letter in it.
_SENDER = re.compile(r"\+[1-9][0-9]{6,14}|[0-9]{3,8}|(?=[0-9 &_-]*[A-Za-z])[A-Za-z0-9 &_-]{1,11}")
# The provider dates a message when it takes it; clocks may differ a little.
_BEFORE, _AFTER = timedelta(minutes=1), timedelta(minutes=10)
_MOST_OF_ONE = 200
# About more messages than this the provider is asked by its list, a thousand a call, and not one by one.
_ONE_BY_ONE = 20
_MOST_LISTED = 2_000
_PAGE = 1_000
# A message may wait with the provider before it goes out.
_QUEUED = timedelta(hours=1)


class TwilioConnection:
    """One kept HTTP connection, used by one thread."""

    def __init__(
        self,
        client: Client,
        http: PatientHttp,
        *,
        messaging_service: str,
        callback: str,
        validity: int | None,
    ) -> None:
        self._client = client
        self._http = http
        self._messaging_service = messaging_service
        self._callback = callback
        self._validity = validity

    def submit(self, outgoing: Outgoing) -> Outcome:
        """Hand over one message; never raises."""
        from tidings.channels.twilio.wire import NotAnswered, NotSent

        try:
            return self._unfit(outgoing) or self._created(outgoing)
        except NotSent as error:
            return Outcome(Kind.TRANSIENT, detail=say(0, None, f"the request did not go out: {error}"))
        except NotAnswered as error:
            return Outcome(Kind.IN_DOUBT, detail=say(0, None, f"the request went out, but {error}"))
        except Exception as error:
            # An answer that the client cannot read: the call was made, so only the provider knows.
            return Outcome(Kind.IN_DOUBT, detail=say(0, None, f"{type(error).__name__}: {error}"))

    def close(self) -> None:
        """Close the connection; never raises, and may be called twice."""
        self._http.close()

    def _unfit(self, outgoing: Outgoing) -> Outcome | None:
        """Refuse what may not travel, before anything is said."""
        if not E164.fullmatch(outgoing.recipient):
            return Outcome(Kind.REJECTED, Scope.RECIPIENT, "not a telephone number in international form")
        if not self._messaging_service and not _SENDER.fullmatch(outgoing.sender):
            return Outcome(
                Kind.REJECTED, Scope.CONFIG, "the sender is neither a number nor a name of 11 signs"
            )
        try:
            text = outgoing.payload.decode("utf-8")
        except UnicodeDecodeError:
            return Outcome(Kind.REJECTED, Scope.CONTENT, "the text is not UTF-8")
        if not text.strip() or "\0" in text:
            return Outcome(Kind.REJECTED, Scope.CONTENT, "the text is empty, or holds a NUL")
        if len(text) > LONGEST:
            return Outcome(
                Kind.REJECTED, Scope.CONTENT, f"the text has {len(text):,} signs; {LONGEST:,} is the most"
            )
        return None

    def _created(self, outgoing: Outgoing) -> Outcome:
        from twilio.base.exceptions import TwilioRestException

        # The text was counted as it is: the provider shall not rewrite it.
        given: dict[str, Any] = {
            "to": outgoing.recipient,
            "body": outgoing.payload.decode(),
            "smart_encoded": False,
        }
        if self._messaging_service:
            given["messaging_service_sid"] = self._messaging_service
        else:
            given["from_"] = outgoing.sender
        if self._callback:
            given["status_callback"] = callback_url(self._callback, outgoing.reference)
        if self._validity:
            given["validity_period"] = self._validity
        try:
            made = self._client.messages.create(**given)
        except TwilioRestException as error:
            return outcome_of(int(error.status), error.code, str(error.msg), self._http.last_retry_after)
        code = int(made.error_code) if made.error_code else None
        if str(made.status) in FAILED and code in VERDICTS:
            return outcome_of(self._http.last_status, code, str(made.error_message or "not sent"))
        if not made.sid:
            return Outcome(
                Kind.IN_DOUBT, detail=say(self._http.last_status, None, "the answer names no message")
            )
        return Outcome(Kind.ACCEPTED, provider_ref=str(made.sid))

    def fetched(self, provider_ref: str) -> Receipt | None:
        """Return what the provider says about a message of its own name; None where it knows none."""
        from twilio.base.exceptions import TwilioRestException

        try:
            return polled(self._client.messages(provider_ref).fetch())
        except TwilioRestException as error:
            if int(error.status) == 404:
                return None
            raise

    def told(self, named: Mapping[str, str], first: datetime | None, last: datetime | None) -> list[Receipt]:
        """Return what the provider says about messages, given as its own names with our references.

        `first` and `last` are when the messages went out. Of those that its list does not hold some are asked for one by
        one, so that a call takes seconds however many there are; the next call asks again.
        """
        found: dict[str, Receipt] = {}
        if len(named) > _ONE_BY_ONE and first is not None and last is not None:
            listed: Iterable[Any] = self._client.messages.list(
                date_sent_after=first - _BEFORE,
                date_sent_before=last + _QUEUED,
                limit=_MOST_LISTED,
                page_size=_PAGE,
            )
            found = {one.sid: polled(one, named[one.sid]) for one in listed if one.sid in named}
        for name in [name for name in named if name not in found][:_ONE_BY_ONE]:
            receipt = self.fetched(name)
            if receipt is not None:
                found[name] = replace(receipt, reference=named[name])
        return list(found.values())

    def looked_up(self, outgoing: Outgoing, started_at: datetime) -> Receipt | None:
        """Return the message that the provider has for one in doubt, where exactly one fits.

        The provider does not tell our reference in its list, so what counts is the number, the whole text and the time at
        which it was taken. None says nothing: no message fits, or several do.
        """
        fitting: list[Any] = [
            one for one in self._listed(outgoing.recipient) if _fits(one, outgoing, started_at)
        ]
        return polled(fitting[0], outgoing.reference) if len(fitting) == 1 else None

    def _listed(self, recipient: str) -> Iterable[Any]:
        found: Iterable[Any] = self._client.messages.list(to=recipient, limit=_MOST_OF_ONE)
        return found


def _fits(one: Any, outgoing: Outgoing, started_at: datetime) -> bool:
    made = one.date_created
    return (
        str(one.direction).startswith("outbound")
        and _lines(str(one.body)) == _lines(outgoing.payload.decode())
        and made is not None
        and started_at - _BEFORE <= made <= started_at + _AFTER
    )


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


def callback_url(callback: str, reference: str) -> str:
    """Return where the provider tells about a message; our reference goes with it."""
    return f"{callback}?r={quote(reference, safe='')}" if reference else callback


def polled(one: Any, reference: str = "") -> Receipt:
    """Return a message of the provider as what a receipt would say, with price and segments where they are known."""
    fields = {
        "MessageSid": one.sid,
        "MessageStatus": one.status,
        "ErrorCode": one.error_code,
        "To": one.to,
        "Price": one.price,
        "PriceUnit": one.price_unit,
        "NumSegments": one.num_segments,
    }
    known = {name: str(value) for name, value in fields.items() if value not in (None, "")}
    return receipt_of(known, reference, at=one.date_updated)
