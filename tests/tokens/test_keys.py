"""The key ring and the API keys: what is accepted, what is refused, and that secrets stay unsaid."""

from __future__ import annotations

import stat
import threading

import pytest

from tidings.errors import TidingsError, UsageError
from tidings.tokens.api_keys import ApiKeys, new_api_key
from tidings.tokens.keyring import KeyRing

SECRET = "5ec2e7" * 11


@pytest.mark.parametrize(
    "text",
    [
        "",
        " , ",
        SECRET,
        f":{SECRET}",
        "k1:",
        "k1:abc",
        "k1:" + "zz" * 16,
        f"k 1:{SECRET}",
        f"{'k' * 17}:{SECRET}",
    ],
)
def test_a_wrong_ring_says_so_and_never_quotes_a_secret(text) -> None:
    with pytest.raises(TidingsError) as error:
        KeyRing.from_text(text)
    assert "TIDINGS_KEYS" in error.value.message
    assert error.value.what_to_do
    assert SECRET not in error.value.message + error.value.what_to_do


def test_two_keys_of_one_name_are_refused() -> None:
    with pytest.raises(TidingsError, match='two keys are named "a"'):
        KeyRing.from_text(f"a:{SECRET},b:{SECRET},a:{'ab' * 16}")


def test_no_secret_is_shown_in_a_traceback() -> None:
    assert SECRET not in repr(KeyRing.from_text(f"a:{SECRET}"))
    assert str(bytes.fromhex(SECRET)) not in repr(KeyRing.from_text(f"a:{SECRET}"))


def test_the_variable_goes_before_the_file(tmp_path) -> None:
    ring = KeyRing.load(tmp_path, variables={"TIDINGS_KEYS": f"p:{SECRET}"})
    assert ring.signing.kid == "p"
    assert not list(tmp_path.iterdir())


def test_development_makes_its_own_key_once(tmp_path) -> None:
    made = KeyRing.load(tmp_path / "new", variables={})
    again = KeyRing.load(tmp_path / "new", variables={})
    assert made == again
    (file,) = (tmp_path / "new").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_processes_that_start_together_use_one_key(tmp_path) -> None:
    start, rings = threading.Barrier(8), []

    def load() -> None:
        start.wait()
        rings.append(KeyRing.load(tmp_path, variables={}))

    threads = [threading.Thread(target=load) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(rings) == 8
    assert len(set(rings)) == 1
    assert len(list(tmp_path.iterdir())) == 1


def test_production_makes_no_key(tmp_path) -> None:
    with pytest.raises(TidingsError) as error:
        KeyRing.load(tmp_path, environment="production", variables={})
    assert "production" in error.value.message
    assert "TIDINGS_KEYS" in error.value.what_to_do
    assert not list(tmp_path.iterdir())


def test_an_api_key_is_known_by_its_name() -> None:
    key, entry = new_api_key("web-shop")
    other, other_entry = new_api_key("till")
    keys = ApiKeys.from_text(f"{entry}, {other_entry}")
    assert keys.name_of(key) == "web-shop"
    assert keys.name_of(other) == "till"
    assert key not in entry
    for wrong in ("", key[:-1], key + "x", key.upper(), entry.split(":")[1], "\ud800"):
        assert keys.name_of(wrong) is None


def test_without_api_keys_nobody_is_let_in() -> None:
    assert ApiKeys.load({}).name_of("") is None


@pytest.mark.parametrize("text", ["x", "x:abc", f"Shop:{'a' * 64}", f"shop:{'A' * 64}", f"shop:{'a' * 64}:x"])
def test_a_wrong_entry_is_named_by_its_place(text) -> None:
    with pytest.raises(TidingsError, match="entry 1"):
        ApiKeys.from_text(text)


def test_an_api_key_needs_a_plain_name() -> None:
    with pytest.raises(UsageError):
        new_api_key("Web Shop")
