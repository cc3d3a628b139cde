"""One call: two machines hear each other in steps of 20 ms, as fast as the processor allows."""

from __future__ import annotations

from dataclasses import dataclass

from tidings.channels.t30.library import RATE, STEP, Machine, Samples

# Seconds on the line that the second machine gets to hang up once the first has.
_AFTER = 3.0


@dataclass(frozen=True, slots=True)
class Line:
    """What the line is like. `noise`: added to each sample, at most so many of 32,768 steps (a modem speaks with some 5,000).

    `answered`: False when nothing answers. `seconds`: after so much line time the call is cut. `seed` makes the
    noise the same again.
    """

    noise: int = 0
    answered: bool = True
    seconds: float = 600.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class CallResult:
    """How a call went. `code`: a T.30 result, None when it was cut for its length. `pages`: confirmed ones. `seconds`: on the line."""

    code: int | None
    pages: int
    rate: int
    ecm: bool
    seconds: float


def call(
    pages: str, received: str, *, sender: str, recipient: str, line: Line, ecm: bool = True
) -> CallResult:
    """Send the pages of a TIFF file to another that is written, over the line; ChannelUnavailable without the library."""
    machines = [Machine(sender, calls=True, ecm=ecm)]
    try:
        machines[0].sends(pages)
        if line.answered:
            machines.append(Machine(recipient, calls=False, ecm=ecm))
            machines[1].receives(received)
        steps = _talk(machines, line)
        rate, corrected, sent, _ = machines[0].statistics()
        # A call that was cut has no result of its own; closing would make one up.
        code = machines[0].result
    finally:
        for machine in machines:
            machine.close()
    return CallResult(code, sent, rate, corrected, round(steps * STEP / RATE, 1))


def _talk(machines: list[Machine], line: Line) -> int:
    """Let the machines talk until all have hung up or the time is over; return the steps it took."""
    import numpy as np

    there, back = Samples(), Samples()
    sounds = [np.frombuffer(memoryview(one), np.int16) for one in (there, back)]
    dice = np.random.default_rng(line.seed)
    caller, answerer = machines[0], machines[1] if len(machines) > 1 else None
    last = round(line.seconds * RATE / STEP)
    step = 0
    while step < last:
        step += 1
        caller.speak(there)
        if answerer is not None:
            answerer.speak(back)
        if line.noise:
            for sound in sounds:
                noisy = sound.astype(np.int32) + dice.integers(-line.noise, line.noise, STEP, endpoint=True)
                sound[:] = np.clip(noisy, -32768, 32767)
        caller.hear(back)
        if answerer is not None:
            answerer.hear(there)
        ended = [one.result is not None for one in machines]
        if all(ended):
            break
        if any(ended):
            last = min(last, step + round(_AFTER * RATE / STEP))
    return step
