"""libspandsp 0.0.6 by ctypes: only what a call needs, every function with its types."""

from __future__ import annotations

import ctypes as c
import ctypes.util
from functools import cache
from typing import Any

from tidings.channels.protocol import ChannelUnavailable

PACKAGE = "libspandsp2"
# Samples of one step: 20 ms at 8,000 a second.
STEP, RATE = 160, 8000
Samples = c.c_int16 * STEP
PHASE_E = c.CFUNCTYPE(None, c.c_void_p, c.c_void_p, c.c_int)

# spandsp/t30.h of 0.0.6. T.4 in one and two dimensions and T.6; standard and fine; 215 mm; any length, A4, US letter;
# V.27ter, V.29, V.17.
_COMPRESSIONS = 0x02 | 0x04 | 0x08
_RESOLUTIONS = 0x01 | 0x02
_SIZES = 0x01 | 0x10000 | 0x20000 | 0x80000
_MODEMS = 0x01 | 0x02 | 0x04

_POINTER, _TEXT, _INT = c.c_void_p, c.c_char_p, c.c_int
_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "fax_init": (_POINTER, (_POINTER, _INT)),
    "fax_free": (_INT, (_POINTER,)),
    "fax_release": (_INT, (_POINTER,)),
    "fax_rx": (_INT, (_POINTER, c.POINTER(c.c_int16), _INT)),
    "fax_tx": (_INT, (_POINTER, c.POINTER(c.c_int16), _INT)),
    "fax_set_transmit_on_idle": (None, (_POINTER, _INT)),
    "fax_get_t30_state": (_POINTER, (_POINTER,)),
    "t30_set_tx_ident": (_INT, (_POINTER, _TEXT)),
    "t30_get_rx_ident": (_TEXT, (_POINTER,)),
    "t30_set_ecm_capability": (_INT, (_POINTER, _INT)),
    "t30_set_supported_compressions": (_INT, (_POINTER, _INT)),
    "t30_set_supported_resolutions": (_INT, (_POINTER, _INT)),
    "t30_set_supported_image_sizes": (_INT, (_POINTER, _INT)),
    "t30_set_supported_modems": (_INT, (_POINTER, _INT)),
    "t30_set_tx_file": (None, (_POINTER, _TEXT, _INT, _INT)),
    "t30_set_rx_file": (None, (_POINTER, _TEXT, _INT)),
    "t30_set_phase_e_handler": (None, (_POINTER, PHASE_E, _POINTER)),
    "t30_get_transfer_statistics": (None, (_POINTER, _POINTER)),
    "t30_terminate": (None, (_POINTER,)),
}


@cache
def library() -> Any:
    """Return the library with the types of its functions; ChannelUnavailable where it is not installed."""
    found = ctypes.util.find_library("spandsp")
    try:
        loaded = c.CDLL(found or "libspandsp.so.2")
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(loaded, name)
            function.restype, function.argtypes = result, list(arguments)
    except (OSError, AttributeError) as error:
        raise ChannelUnavailable(
            "the library that plays the fax machines (libspandsp) is not installed",
            what_to_do=f"install the Debian package {PACKAGE}",
        ) from error
    return loaded


class Machine:
    """One fax machine. `result` is None until its call has ended. Not thread-safe; `close` frees its memory."""

    def __init__(self, number: str, *, calls: bool, ecm: bool) -> None:
        self._library = library()
        self._fax = self._library.fax_init(None, int(calls))
        if not self._fax:
            raise MemoryError("libspandsp made no fax machine")
        self._t30 = self._library.fax_get_t30_state(self._fax)
        self.result: int | None = None
        # The library keeps only the address: the callback lives as long as the machine.
        self._handler = PHASE_E(self._ended)
        self._library.t30_set_phase_e_handler(self._t30, self._handler, None)
        self._library.fax_set_transmit_on_idle(self._fax, 1)
        # T.30 gives an identification 20 signs.
        self._library.t30_set_tx_ident(self._t30, number.encode("ascii", "replace")[:20])
        self._library.t30_set_ecm_capability(self._t30, int(ecm))
        self._library.t30_set_supported_compressions(self._t30, _COMPRESSIONS)
        self._library.t30_set_supported_resolutions(self._t30, _RESOLUTIONS)
        self._library.t30_set_supported_image_sizes(self._t30, _SIZES)
        self._library.t30_set_supported_modems(self._t30, _MODEMS)

    def _ended(self, _: int, __: int, result: int) -> None:
        if self.result is None:
            self.result = result

    def sends(self, path: str) -> None:
        """Take the pages to send from a TIFF file."""
        self._library.t30_set_tx_file(self._t30, path.encode(), -1, -1)

    def receives(self, path: str) -> None:
        """Write received pages to a TIFF file."""
        self._library.t30_set_rx_file(self._t30, path.encode(), -1)

    def speak(self, samples: Any) -> None:
        """Write the next 20 ms of sound."""
        self._library.fax_tx(self._fax, samples, STEP)

    def hear(self, samples: Any) -> None:
        """Take in 20 ms of sound."""
        self._library.fax_rx(self._fax, samples, STEP)

    def statistics(self) -> tuple[int, bool, int, int]:
        """Return bit/s, error correction, pages sent and pages received (t30_stats_t begins so)."""
        # More room than the structure of any 0.0.6 has.
        room = (c.c_int * 128)()
        self._library.t30_get_transfer_statistics(self._t30, c.cast(room, c.c_void_p))
        return room[0], bool(room[1]), room[2], room[3]

    def close(self) -> None:
        """End the call, close the files, free the memory; closing twice is allowed."""
        if self._fax:
            self._library.t30_terminate(self._t30)
            self._library.fax_release(self._fax)
            self._library.fax_free(self._fax)
            self._fax = self._t30 = None
