"""Codes of the problems that a channel may have with its adapter."""

from __future__ import annotations

from tidings.definitions.codes import Code

_PATH = "channels/email.yaml"
_HEAD = "channel: E-mail\nadapter: smtp\nsender: hello@shop.example\n"

_ALL = (
    Code("CHN01", "No such adapter", "An adapter is built in, or comes with an installed package.", _PATH, _HEAD.replace("smtp", "smpt") + "options: {host: mail.shop.example}\n", "Take the nearest name, or install the package."),
    Code("CHN02", "No such option", "The adapter would not know what to do with it.", _PATH, _HEAD + "options: {host: mail.shop.example, prot: 587}\n", "Take the nearest name, or delete it."),
    Code("CHN03", "A value that an option does not take", "It is of another type, outside its limits, or no word of its list.", _PATH, _HEAD + "options: {host: mail.shop.example, tls: ssl}\n", "Write it as the sentence says."),
    Code("CHN04", "An option is missing", "The adapter cannot work without it.", _PATH, _HEAD, "Write it under options:, or under secrets: where it is one."),
    Code("CHN05", "The variable of a secret is not set", "It is read when something is about to be sent, so a check does not look for it.", _PATH, "", "Export the environment variable before sending."),
    Code("CHN06", "An adapter that cannot be loaded", "Its package is installed and broken, or lacks something itself.", _PATH, "", "Install what it lacks, or take another adapter."),
    Code("CHN07", "Patience without receipts", "The adapter never says what became of a message, so waiting for it changes nothing.", _PATH, _HEAD + "patience: 4 hours\noptions: {host: mail.shop.example}\n", "Delete `patience:`, or use an adapter with receipts.", "warning"),
)  # fmt: skip
CODES: dict[str, Code] = {code.code: code for code in _ALL}
