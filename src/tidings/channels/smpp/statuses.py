"""What the status of an SMPP answer means for one message (SMPP 3.4, table 5-2), and the names of the statuses."""

from __future__ import annotations

from tidings.channels.protocol import Kind, Outcome, Scope

OK = 0x00
NAMES = {
    0x01: "ESME_RINVMSGLEN, the message has a wrong length",
    0x02: "ESME_RINVCMDLEN, a wrong length of the command",
    0x03: "ESME_RINVCMDID, an unknown command",
    0x04: "ESME_RINVBNDSTS, not bound for this command",
    0x05: "ESME_RALYBND, already bound",
    0x06: "ESME_RINVPRTFLG, a wrong priority",
    0x07: "ESME_RINVREGDLVFLG, a wrong registered_delivery",
    0x08: "ESME_RSYSERR, a failure of the SMS centre",
    0x0A: "ESME_RINVSRCADR, the sender is not allowed",
    0x0B: "ESME_RINVDSTADR, the number is not valid",
    0x0D: "ESME_RBINDFAIL, the bind failed",
    0x0E: "ESME_RINVPASWD, the password is wrong",
    0x0F: "ESME_RINVSYSID, the system_id is unknown",
    0x14: "ESME_RMSGQFUL, the queue is full",
    0x15: "ESME_RINVSERTYP, a wrong service type",
    0x43: "ESME_RINVESMCLASS, a wrong esm_class",
    0x45: "ESME_RSUBMITFAIL, the submit failed",
    0x48: "ESME_RINVSRCTON, a wrong type of the sender's number",
    0x49: "ESME_RINVSRCNPI, a wrong plan of the sender's number",
    0x50: "ESME_RINVDSTTON, a wrong type of the recipient's number",
    0x51: "ESME_RINVDSTNPI, a wrong plan of the recipient's number",
    0x53: "ESME_RINVSYSTYP, a wrong system_type",
    0x58: "ESME_RTHROTTLED, too many messages",
    0x61: "ESME_RINVSCHED, a wrong schedule",
    0x62: "ESME_RINVEXPIRY, a wrong validity period",
    0x64: "ESME_RX_T_APPN, not now",
    0x65: "ESME_RX_P_APPN, never",
    0x66: "ESME_RX_R_APPN, rejected",
}
# Seconds: a throttle counts messages a second, a full queue empties slower.
LATER = {0x58: 1.0, 0x14: 5.0}
_RECIPIENT = {0x0B}
_CONTENT = {0x01, 0x65, 0x66}
_CONFIG = {
    0x03,
    0x04,
    0x06,
    0x07,
    0x0A,
    0x0D,
    0x0E,
    0x0F,
    0x15,
    0x43,
    0x48,
    0x49,
    0x50,
    0x51,
    0x53,
    0x61,
    0x62,
}
CREDENTIALS = frozenset({0x0D, 0x0E, 0x0F, 0x53})


def say(status: int) -> str:
    """Return a status as people read it."""
    return f"0x{status:02X} {NAMES.get(status, 'a status of this provider')}"


def outcome_of(status: int) -> Outcome:
    """Return the outcome of a refusing answer; a status that no table names is taken as "not now"."""
    detail = f"submit_sm {say(status)}"
    if status in LATER:
        return Outcome(Kind.THROTTLED, detail=detail, retry_after=LATER[status])
    for scope, statuses in (
        (Scope.RECIPIENT, _RECIPIENT),
        (Scope.CONTENT, _CONTENT),
        (Scope.CONFIG, _CONFIG),
    ):
        if status in statuses:
            return Outcome(Kind.REJECTED, scope, detail)
    return Outcome(Kind.TRANSIENT, detail=detail)
