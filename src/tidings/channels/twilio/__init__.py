"""SMS through Twilio: one message a call, outcomes by error code, receipts and answers by signed webhook."""

from tidings.channels.twilio.adapter import TwilioAdapter

__all__ = ["TwilioAdapter"]
