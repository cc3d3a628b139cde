"""A guessed mapping as the text of a file of config/imports/, with what was not sure said in comments."""

from __future__ import annotations

from tidings.customers.guessing import TOTAL_WORDS, Guess, Guessed, plain
from tidings.definitions.syntax import spelled
from tidings.definitions.workspace import Definitions


def mapping_text(guess: Guess, definitions: Definitions, *, title: str) -> str:
    """Return the YAML of a mapping; `tidings check` takes it as it is."""
    lines = [f"import: {spelled(title)}", f"kind: {guess.kind}"]
    if guess.kind == "do_not_call":
        lines += _register(guess, definitions)
    else:
        lines += _events(guess, definitions) if guess.kind == "events" else _customers(guess, definitions)
    return "\n".join(lines) + "\n"


def _customers(guess: Guess, definitions: Definitions) -> list[str]:
    lines = [f"customer: {spelled(guess.key)}   # the column that names a customer for ever"]
    used = [one for one in guess.columns if (one.target and one.column != guess.key) or one.target == "email"]
    lines += ["fields:                           # ours: theirs"]
    lines += [f"  {one.target}: {_column(one)}" for one in used]
    if not used:
        lines[-1] = "fields: {}"
    if guess.consent and guess.consent_yes:
        purpose = next(
            (one.name for one in definitions.policies.purposes if one.consent == "required"), "marketing"
        )
        words = ", ".join(f'"{word}"' for word in guess.consent_yes)
        lines += [
            "consent:                          # a guess: who agreed to what, and how, is yours to say",
            "  - channel: email",
            f"    purpose: {purpose}",
            f"    basis: {spelled(guess.consent)} in the imported file",
            f"    when: {{{spelled(guess.consent)}: [{words}]}}",
        ]
    else:
        lines += [
            "# No column says who agreed to be written to. Without consent nobody of this file gets marketing:",
            "# consent:",
            "#   - {channel: email, purpose: marketing, basis: HOW THEY AGREED}",
        ]
    return lines + _left_over(guess, {one.column for one in used} | {guess.key, guess.consent})


def _register(guess: Guess, definitions: Definitions) -> list[str]:
    column = next(one for one in guess.columns if one.column == guess.key)
    lines = [
        f"number: {spelled(guess.key)}   # the file is the whole list: these get no advertising without consent"
    ]
    if not all(text.startswith(("+", "00")) for text in column.examples):
        country = definitions.workspace.country
        lines.append(
            f"country: {country}   # a guess: how numbers without a country code are read"
            if country
            else "# country: SE   # how numbers without a country code are read"
        )
    return lines + [line for line in _left_over(guess, {guess.key}) if line.startswith("# not read")]


def _events(guess: Guess, definitions: Definitions) -> list[str]:
    assert guess.at is not None
    currency = definitions.workspace.currency
    event = definitions.events.get(guess.event)
    lines = [f"event: {guess.event}", f"customer: {spelled(guess.key)}", f"at: {_column(guess.at)}"]
    if guess.order:
        lines.append(f"ids: [{spelled(guess.order)}]   # makes an order the same one in every export")
    used = {guess.key, guess.at.column, guess.order}
    words = {plain(word) for word in TOTAL_WORDS}
    total = next((one.column for one in guess.columns if plain(one.column) in words), "")
    named = {plain(one.column): one.column for one in guess.columns}
    properties = []
    for one in event.properties if event else ():
        column = total if event and one.name == event.revenue else named.get(plain(one.name), "")
        if not column or column in used:
            continue
        used.add(column)
        money = f"{{column: {spelled(column)}, money: {one.currency or currency}}}"
        properties.append(f"  {one.name}: {money if one.type == 'money' else spelled(column)}")
    if properties:
        lines += ["properties:", *properties]
    return lines + _left_over(guess, used)


def _column(one: Guessed) -> str:
    """Return a column with how it is read, and a comment where that is a guess."""
    how = {name: value for name, value in one.how.items() if (name, value) != ("format", "YYYY-MM-DD")}
    text = spelled(one.column)
    if how:
        inner = ", ".join(f"{name}: {spelled(value)}" for name, value in how.items())
        text = f"{{column: {text}, {inner}}}"
    return text if one.sure else f"{text}   # a guess: {one.why}"


def _left_over(guess: Guess, used: set[str]) -> list[str]:
    lines = []
    for one in guess.columns:
        if one.column in used:
            continue
        shown = ", ".join(example[:30] for example in one.examples) or "always empty"
        why = f"; {one.why}" if one.why else ""
        lines.append(f"# not read: {one.column} ({shown}){why}".replace("\n", " ").replace("\r", " "))
    if lines:
        lines.insert(
            0, "# To read one of these, declare it in config/attributes.yaml and name it under `fields`."
        )
    return lines
