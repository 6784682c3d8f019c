"""The error tree in HTTP: one table, and the problem document (RFC 9457) of each class.

The text that leaves is the table's, never the exception's: that one is for the log.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from app.core import errors
from app.core.errors import SignoffError
from app.http.answers import Answer, document

RETRY_AFTER_SECONDS = 30


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """How a class of error looks over HTTP."""

    status: int
    title: str


_TRY_AGAIN = "A part of the service cannot answer now. The same request may succeed later."
_BROKEN = "The service cannot do this."
_TOKEN = "The token is not valid."  # noqa: S105 - a sentence

HTTP_STATUS: Mapping[type[SignoffError], ErrorRow] = MappingProxyType(
    {
        SignoffError: ErrorRow(500, _BROKEN),
        errors.InvalidInput: ErrorRow(400, "The request is not valid."),
        errors.TokenError: ErrorRow(400, _TOKEN),
        errors.TokenMalformed: ErrorRow(400, _TOKEN),
        errors.TokenKeyUnknown: ErrorRow(400, _TOKEN),
        errors.TokenTagInvalid: ErrorRow(400, _TOKEN),
        errors.TokenPurposeWrong: ErrorRow(403, "The token does not give the right to do this."),
        errors.AddressInvalid: ErrorRow(422, "The address is not valid."),
        errors.MalformedMessage: ErrorRow(422, "The message is malformed."),
        errors.MessageTooLarge: ErrorRow(413, "The message is too large."),
        errors.RuleViolation: ErrorRow(422, "A rule of the brand or the service forbids this."),
        errors.MarkingInvalid: ErrorRow(422, "A field that marks the mail cannot be understood."),
        errors.PlaceholderUnusable: ErrorRow(
            422, "A placeholder in the message cannot be replaced."
        ),
        errors.MailLoop: ErrorRow(400, "The request is not valid."),
        errors.NotFound: ErrorRow(404, "There is no such thing."),
        errors.Conflict: ErrorRow(409, "This does not go with how things are now."),
        errors.Unavailable: ErrorRow(503, _TRY_AGAIN),
        errors.StoreUnavailable: ErrorRow(503, _TRY_AGAIN),
        errors.SpoolUnavailable: ErrorRow(503, _TRY_AGAIN),
        errors.DownstreamUnavailable: ErrorRow(503, _TRY_AGAIN),
        errors.TryUnderWay: ErrorRow(503, _TRY_AGAIN),
        errors.SignerUnavailable: ErrorRow(503, _TRY_AGAIN),
        errors.Overloaded: ErrorRow(503, _TRY_AGAIN),
        errors.Refused: ErrorRow(502, "The next system refused."),
        errors.Misconfigured: ErrorRow(500, _BROKEN),
    }
)

_TITLES = {
    400: "The request is not valid.",
    401: "A valid API key is needed.",
    403: "The API key does not give the right to do this.",
    404: "There is no such thing.",
    405: "This method is not allowed here.",
    408: "The request came too slowly.",
    413: "The request is too large.",
    415: "This media type is not taken here.",
    422: "The request is not valid.",
    429: "Too many requests.",
    500: "Something went wrong on our side.",
}


def problem(error: SignoffError, further: Mapping[str, object] = MappingProxyType({})) -> Answer:
    """Return the problem document of an error; a temporary one says when to come again. `further`:
    more members of the document.
    """
    row = HTTP_STATUS[type(error)]
    again = {"Retry_After": str(RETRY_AFTER_SECONDS)} if error.temporary else {}
    return _document(row.status, row.title, error.code, further, **again)


def problem_of_status(
    status: int, further: Mapping[str, object] = MappingProxyType({}), /, **fields: str
) -> Answer:
    """Return the problem document of an HTTP status that no error of the tree stands for."""
    return _document(status, _TITLES.get(status, _BROKEN), "http_error", further, **fields)


def _document(
    status: int, title: str, code: str, further: Mapping[str, object], **fields: str
) -> Answer:
    content = {"type": "about:blank", "title": title, "status": status, "code": code, **further}
    return document(status, content, media_type="application/problem+json", **fields)
