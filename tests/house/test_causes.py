"""Every refusal has a test that makes it happen, named here."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tidings.customers.refusals import REFUSALS

TESTS = Path(__file__).resolve().parents[1]
CAUSES = {
    "expired": "delivery/test_gate_order.py::test_a_message_that_nobody_looked_at_before_it_expired_is_only_expired",
    "late": "campaigns/test_recipient_clock.py::test_late_skip_refuses_them_in_every_arm",
    "suppressed_erased": "customers/test_permission.py::test_an_erased_customer_is_refused_first_of_all_and_not_counted",
    "merged": "delivery/test_merging_customers.py::test_what_is_still_to_go_out_to_the_one_is_refused_and_the_other_gets_it_once",
    "no_address": "customers/test_permission.py::test_no_address_comes_before_consent_and_each_kind_has_its_own",
    "unreachable": "campaigns/test_channels.py::test_each_customer_is_written_to_by_the_first_channel_that_reaches",
    "suppressed_complaint": "delivery/test_sending.py::test_the_gate_is_asked_inside_the_claim",
    "suppressed_bounce": "flows/test_explain.py::test_a_suppressed_address_is_told_with_its_reason",
    "suppressed_manual": "customers/test_permission.py::test_a_suppressed_address_is_refused_for_every_purpose",
    "stop_sms": "cli/test_run_over_wires.py::test_stop_while_the_command_waits_withdraws_and_is_confirmed_once",
    "fax_optout": "customers/test_permission.py::test_a_withdrawal_of_everything_is_called_by_its_kind_of_channel",
    "unsubscribed_all": "customers/test_permission.py::test_a_withdrawal_for_all_stops_every_purpose_but_transactional_until_a_later_grant",
    "unsubscribed_list": "customers/test_permission.py::test_the_latest_word_speaks",
    "consent_expired": "twelve/test_consent_expires.py::test_consent_that_grows_too_old_before_the_hour_is_refused_at_the_gate",
    "consent_unconfirmed": "customers/test_permission.py::test_the_latest_word_speaks",
    "no_consent": "customers/test_import_customers.py::test_no_file_gives_back_what_a_customer_withdrew",
    "case_open": "delivery/test_gate_order.py::test_a_message_that_waits_for_a_case_until_it_expires_is_refused_for_that",
    "feed_stale": "delivery/test_gate_order.py::test_messages_that_wait_for_an_import_until_they_expire_are_refused_for_that",
    "quiet_hours": "delivery/test_hours_in_claim.py::test_a_message_that_would_expire_before_its_hour_is_refused_at_once",
    "timezone_unknown": "delivery/test_hours_in_claim.py::test_a_text_to_an_unknown_zone_waits_and_is_refused_for_that_when_it_expires",
    "frequency_cap": "delivery/test_caps.py::test_once_a_day_is_one_message_a_calendar_day_of_the_workspace_clock",
    "account_limit": "delivery/test_caps.py::test_an_account_gets_so_much_whoever_of_its_people_it_is_for",
    "budget": "delivery/test_budget.py::test_when_the_budget_is_spent_the_rest_is_refused",
    "again": "campaigns/test_again.py::test_never_leaves_out_everybody_who_was_enrolled_in_any_arm",
    "same_address": "campaigns/test_channels.py::test_who_shares_an_address_gets_one_message_unless_each_is_asked_for",
    "duplicate": "delivery/test_gate_order.py::test_an_address_that_has_become_anothers_gets_one_message",
    "out_of_stock": "twelve/test_with_what_waits_left_out.py::test_the_spring_win_back_goes_out_in_two_variants_with_a_code_each_until_the_stock_falls",
    "offer_exhausted": "twelve/test_basket.py::test_dear_baskets_get_a_reminder_and_a_day_later_a_code_each_as_long_as_there_are_any",
    "locale_missing": "delivery/test_running.py::test_a_locale_whose_words_cannot_be_used_is_refused_and_the_others_are_written_to",
    "invalid_address": "delivery/test_country_rules.py::test_an_address_that_is_none_is_refused_when_planning_and_when_sending",
    "dnc_listed": "customers/test_do_not_call.py::test_who_stands_on_the_list_and_never_agreed_gets_no_advertising",
    "country_blocked": "delivery/test_country_rules.py::test_nothing_goes_to_a_blocked_country_when_planning_and_when_sending",
    "sender_unverified": "delivery/test_country_rules.py::test_carriers_that_want_a_registered_sender_get_none_of_another",
    "link_not_registered": "delivery/test_country_rules.py::test_a_link_that_no_carrier_knows_is_not_sent",
    "missing_footer": "delivery/test_country_rules.py::test_a_letter_without_its_footer_is_not_sent",
    "missing_unsubscribe": "delivery/test_country_rules.py::test_a_letter_that_nobody_can_leave_by_is_not_sent",
    "missing_ad_label": "delivery/test_country_rules.py::test_an_advertisement_for_china_says_so_in_its_subject",
    "missing_signature": "delivery/test_country_rules.py::test_a_text_without_the_senders_name_is_not_sent",
    "render_error": "delivery/test_sending.py::test_a_broken_row_is_refused_by_name_and_the_others_go_out",
}


def test_every_refusal_has_a_cause() -> None:
    assert set(CAUSES) == set(REFUSALS)


@pytest.mark.parametrize("code", CAUSES)
def test_the_test_that_makes_it_happen_is_there_and_names_it(code: str) -> None:
    path, _, name = CAUSES[code].partition("::")
    source = (TESTS / path).read_text()
    (found,) = [
        one for one in ast.parse(source).body if isinstance(one, ast.FunctionDef) and one.name == name
    ]
    words = {
        one.value for one in ast.walk(found) if isinstance(one, ast.Constant) and isinstance(one.value, str)
    }
    # Of a suppression the reason is what a test gives.
    assert code in words or code.removeprefix("suppressed_") in words
    assert any(isinstance(one, ast.Assert) for one in ast.walk(found))
