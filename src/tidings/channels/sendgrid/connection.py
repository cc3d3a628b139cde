"""Hands a window of messages to the service in as few calls as their bodies allow."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tidings.channels.protocol import Kind, Outcome, Outgoing, Scope
from tidings.channels.sendgrid.answers import outcome_of, refused
from tidings.channels.sendgrid.letters import Letter, letter_of
from tidings.channels.sendgrid.request import MAX_RECIPIENTS, fits, request_of
from tidings.channels.sendgrid.sharing import Bundle, bundles

if TYPE_CHECKING:
    from sendgrid import SendGridAPIClient

# After these nothing else of the window is tried: the next call would meet the same, or leave more in doubt.
_STOPS = {Kind.THROTTLED, Kind.TRANSIENT, Kind.IN_DOUBT}


class SendGridConnection:
    """Makes one HTTP call for each bundle; nothing is kept open between calls."""

    def __init__(
        self, api: SendGridAPIClient, *, most: int, batch: int, ip_pool: str, tracking: bool
    ) -> None:
        self._api = api
        self._most = most
        self._batch = min(batch, MAX_RECIPIENTS)
        self._ip_pool = ip_pool
        self._tracking = tracking

    def submit(self, outgoing: Outgoing) -> Outcome:
        """Hand over one message; never raises."""
        return self.submit_many([outgoing])[0]

    def submit_many(self, batch: Sequence[Outgoing]) -> list[Outcome]:
        """Hand over messages; one outcome each, in the same order; never raises.

        What one call says holds for all its messages, except where it names one: that one is left out and the others
        are sent again, for the service has taken nothing of a call that it refused.
        """
        outcomes: list[Outcome | None] = [None] * len(batch)
        places: dict[int, int] = {}
        letters: list[Letter] = []
        for place, outgoing in enumerate(batch):
            try:
                letter = letter_of(outgoing, self._most)
            except Exception as error:
                letter = Outcome(Kind.REJECTED, Scope.CONTENT, f"{type(error).__name__}: {error}"[:300])
            if isinstance(letter, Outcome):
                outcomes[place] = letter
            else:
                places[id(letter)] = place
                letters.append(letter)
        stopped: Outcome | None = None
        for bundle in bundles(letters, self._batch) if letters else []:
            if stopped is not None:
                answers = [stopped] * len(bundle.letters)
            else:
                answers = self._sent(bundle)
                stopped = _stopping(answers)
            for letter, answer in zip(bundle.letters, answers, strict=True):
                outcomes[places[id(letter)]] = answer
        return [one or Outcome(Kind.TRANSIENT, detail="not sent") for one in outcomes]

    def close(self) -> None:
        """Nothing is kept open."""

    def _sent(self, bundle: Bundle) -> list[Outcome]:
        """Send a bundle without the recipients for whom it is refused, one after the other."""
        outcomes: list[Outcome | None] = [None] * len(bundle.letters)
        left = list(range(len(bundle.letters)))
        while True:
            answers, one = self._tried(bundle)
            if one is None:
                break
            outcomes[left.pop(one)] = answers[one]
            bundle = _part(bundle, lambda place, gone=one: place != gone)  # type: ignore[misc]
        for place, answer in zip(left, answers, strict=True):
            outcomes[place] = answer
        return [one for one in outcomes if one is not None]

    def _tried(self, bundle: Bundle) -> tuple[list[Outcome], int | None]:
        """Send a bundle once, in halves where it is too large; return outcomes, or the place of the one it is refused for."""
        body = request_of(bundle, ip_pool=self._ip_pool, tracking=self._tracking)
        if not fits(body):
            if len(bundle.letters) == 1:
                return [Outcome(Kind.REJECTED, Scope.CONTENT, "the request is over 30 MB")], None
            return self._halves(bundle), None
        outcome, status, answer = self._post(body)
        if len(bundle.letters) == 1 or outcome.kind != Kind.REJECTED or status not in (400, 413):
            return [outcome] * len(bundle.letters), None
        where = refused(answer)
        if where.one is not None and where.one < len(bundle.letters):
            return [outcome] * len(bundle.letters), where.one
        if status == 413 or not where.field or where.field == "personalizations":
            return self._halves(bundle), None
        return [outcome] * len(bundle.letters), None

    def _halves(self, bundle: Bundle) -> list[Outcome]:
        middle = len(bundle.letters) // 2
        first = self._sent(_part(bundle, lambda place: place < middle))
        stopped = _stopping(first)
        if stopped is not None:
            return [*first, *[stopped] * (len(bundle.letters) - middle)]
        return [*first, *self._sent(_part(bundle, lambda place: place >= middle))]

    def _post(self, body: dict[str, Any]) -> tuple[Outcome, int, bytes]:
        """Make one call. Until the request is written whole the service cannot act on it; from then on only it knows."""
        from tidings.channels.sendgrid.wire import NotAnswered, NotSent

        try:
            response = self._api.client.mail.send.post(request_body=body)
        except NotSent as error:
            return Outcome(Kind.TRANSIENT, detail=f"the request did not go out: {_short(error)}"), 0, b""
        except NotAnswered as error:
            return Outcome(Kind.IN_DOUBT, detail=f"the request went out, but {_short(error)}"), 0, b""
        except Exception as error:
            return Outcome(Kind.IN_DOUBT, detail=f"{type(error).__name__}: {_short(error)}"), 0, b""
        status, answer = int(response.status_code), bytes(response.body)
        return outcome_of(status, response.headers, answer), status, answer


def _stopping(answers: Sequence[Outcome]) -> Outcome | None:
    """Return what the rest of the window gets without being sent, None where it goes on."""
    for one in answers:
        if one.kind == Kind.REJECTED and one.scope == Scope.CONFIG:
            return one
        if one.kind == Kind.THROTTLED:
            return one
        if one.kind in _STOPS:
            # These were not handed over at all, whatever became of the call before.
            detail = f"not sent after the call before it: {one.detail}"[:300]
            return replace(one, kind=Kind.TRANSIENT, detail=detail, provider_ref=None)
    return None


def _part(bundle: Bundle, keep: Callable[[int], bool]) -> Bundle:
    chosen = [place for place in range(len(bundle.letters)) if keep(place)]
    return replace(
        bundle,
        letters=tuple(bundle.letters[place] for place in chosen),
        substitutions=tuple(bundle.substitutions[place] for place in chosen),
    )


def _short(error: BaseException) -> str:
    return re.sub(r"\s+", " ", str(error))[:200] or type(error).__name__
