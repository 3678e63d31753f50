"""What Slack's refusals are about: a table of every error that `chat.postMessage` is documented to
return, and of those that `chat.update`, `conversations.replies` and `conversations.history` add.

Source: https://docs.slack.dev/reference/methods/chat.postMessage, section Errors. An error that is
not in the table counts as one that passes: the message is kept, and somebody is told.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Concern(StrEnum):
    """What a refusal is about, which decides what follows from it."""

    PASSES = "passes"
    """A problem of Slack's: the same call will work sooner or later."""
    MESSAGE = "message"
    """Only this message: Slack may take a plainer form of it, and other messages are not
    affected."""
    THREAD = "thread"
    """This thread or its channel: waited out for a good while before the thread is given up."""
    INSTALLATION = "installation"
    """The app in this workspace: it works again after a person has acted. Nothing is given up."""


_TABLE: Final[dict[Concern, str]] = {
    Concern.PASSES: """
        external_channel_migrating fatal_error internal_error message_limit_exceeded rate_limited
        ratelimited request_timeout service_unavailable team_added_to_org update_failed
        """,
    Concern.MESSAGE: """
        agent_prompt_display_not_allowed attachment_payload_limit_exceeded block_mismatch
        cant_update_message draft_already_deleted draft_already_sent draft_has_conflict
        draft_not_found duplicate_channel_not_found duplicate_message_not_found edit_window_closed
        invalid_arg_name invalid_arguments invalid_array_arg invalid_attachments invalid_blocks
        invalid_blocks_format invalid_charset invalid_form_data invalid_json
        invalid_metadata_format invalid_metadata_schema invalid_post_type invalid_thread_ts
        json_not_object markdown_text_conflict metadata_too_large missing_charset missing_file_data
        missing_post_type msg_blocks_too_long msg_too_long no_text slack_connect_blocked_file_type
        slack_connect_canvas_sharing_blocked slack_connect_clip_sharing_blocked
        slack_connect_file_link_sharing_blocked slack_connect_file_upload_sharing_blocked
        slack_connect_lists_sharing_blocked superfluous_charset too_many_attachments
        too_many_contact_cards
        """,
    Concern.THREAD: """
        cannot_reply_to_message channel_id_changed channel_not_found channel_type_not_supported
        is_archived is_inactive message_not_found messages_tab_disabled
        method_not_supported_for_channel_type no_permission not_in_channel
        posting_to_general_channel_denied restricted_action
        restricted_action_non_threadable_channel restricted_action_read_only_channel
        restricted_action_thread_locked restricted_action_thread_only_channel thread_locked
        thread_not_found
        """,
    Concern.INSTALLATION: """
        access_denied accesslimited account_inactive app_access_restricted app_removed
        as_user_not_supported deprecated_endpoint ekm_access_denied enterprise_is_restricted
        foreign_team invalid_auth metadata_must_be_sent_from_app method_deprecated missing_scope
        not_allowed_token_type not_authed organization_token org_login_required
        send_on_behalf_not_allowed team_access_not_granted team_not_found token_expired
        token_revoked two_factor_setup_required unknown_method
        """,
}
CONCERNS: Final[dict[str, Concern]] = {
    code: concern for concern, codes in _TABLE.items() for code in codes.split()
}
"""The concern of each of Slack's error codes."""
MISSING: Final = frozenset(
    {"cannot_reply_to_message", "channel_not_found", "message_not_found", "thread_not_found"}
)
"""Refusals of a channel or thread that does not exist. Often final, so waited out for less long."""


def concern_of(code: str) -> Concern:
    """The concern of an error code. An unknown code costs no message: it counts as passing."""
    known = CONCERNS.get(code)
    if known is not None:
        return known
    # Slack has added longer codes that begin with these before.
    if code.startswith("restricted_action"):
        return Concern.THREAD
    return Concern.MESSAGE if code.startswith("invalid_blocks") else Concern.PASSES


def is_known(code: str) -> bool:
    """Whether Slack's documentation tells what this error means."""
    return code in CONCERNS
