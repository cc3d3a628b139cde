"""E-mail through SendGrid: many recipients a call, outcomes by status, receipts by signed webhook."""

from tidings.channels.sendgrid.adapter import SendGridAdapter

__all__ = ["SendGridAdapter"]
