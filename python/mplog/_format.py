# SPDX-License-Identifier: Unlicense
"""What of logging.Formatter the collector can do: formats and their fields.

A format that it cannot show exactly as logging would (fields that only some records have, repr of text, styles with
expressions) is left to logging.Formatter, at the call.
"""
import logging
import re
import string
import sys

from ._mplog import FIELDS

DEFAULT_FORMAT = "%(asctime)s %(levelname)-8s %(name)s [%(processName)s:%(process)d %(threadName)s] %(message)s"

WIDTH_MAX = 1000
DATE_FORMAT_BYTES_MAX = 255

INTS = {"levelno", "lineno", "process", "thread"}
FLOATS = {"created", "msecs", "relativeCreated"}

_PERCENT = re.compile(r"%%|%\(([^()]*)\)([-+ #0]*)(\d*)(?:\.(\d*))?[hlL]?(.)|%", re.S)
_BRACE_SPEC = re.compile(r"([<>]?)([+ ]?)(0?)(\d*)(\.\d+)?([sdfeg]?)\Z")


def _msecs_is_whole():
    record = logging.LogRecord("", 0, "", 0, "", None, None)
    return all(logging.LogRecord("", 0, "", 0, "", None, None).msecs.is_integer() for _ in range(3)) and \
        record.msecs.is_integer()


_MSECS_IS_WHOLE = _msecs_is_whole()
# Before, it is the difference of two floats of seconds, of which the collector knows neither.
_RELATIVE_IS_IN_NS = isinstance(logging._startTime, int)
_HAS_TASKS = sys.version_info >= (3, 12)


def _is_shown_alike(field, width, precision, conversion):
    """Does the collector show this field with this conversion as % does?"""
    if field not in FIELDS or int(width or 0) > WIDTH_MAX or int(precision or 0) > WIDTH_MAX:
        return False
    if field == "taskName" and not _HAS_TASKS:
        return False
    if field in INTS:
        return conversion in "sdiuoxX"
    if field == "msecs" and not _MSECS_IS_WHOLE:
        return conversion in "diu"
    if field == "relativeCreated" and not _RELATIVE_IS_IN_NS:
        return False
    if field in FLOATS:
        return conversion in "sdiueEfFgG"
    return conversion == "s"


def fields_of(percent_format):
    """The fields of a %-format as bits, or None: not for the collector."""
    fields = 0
    for match in _PERCENT.finditer(percent_format):
        field, _, width, precision, conversion = match.groups()
        if match.group() == "%%":
            continue
        if not field or not _is_shown_alike(field, width, precision, conversion):
            return None
        fields |= FIELDS[field]
    return fields or None


def _literal(text):
    return text.replace("%", "%%")


def _brace_field(field, spec):
    match = _BRACE_SPEC.match(spec)
    if field not in FIELDS or not match:
        return None
    align, sign, zero, width, precision, kind = match.groups()
    is_number = field in INTS or field in FLOATS
    if is_number:
        # str.format without a type shows floats in a way of its own as soon as there is a width or precision.
        if (field in FLOATS) != (kind in ("f", "e", "g")) and (spec or field in FLOATS) and spec:
            return None
        if (zero or sign) and align:
            return None
        kind = kind or ("d" if field in INTS and spec else "s")  # a bool without a specification is shown by name
    elif zero or sign or kind not in ("", "s"):
        return None
    left = align == "<" or (not align and not is_number and width)
    return "%%(%s)%s%s%s%s%s%s" % (field, "-" if left else "", sign, zero, width, precision or "", kind or "s")


def _from_brace(text):
    parts = []
    try:
        for literal, field, spec, conversion in string.Formatter().parse(text):
            parts.append(_literal(literal))
            if field is None:
                continue
            translated = None if conversion else _brace_field(field, spec or "")
            if translated is None:
                return None
            parts.append(translated)
    except ValueError:
        return None
    return "".join(parts)


def _from_dollar(text):
    parts, at = [], 0
    for match in string.Template.pattern.finditer(text):
        name = match.group("named") or match.group("braced")
        parts.append(_literal(text[at:match.start()]))
        at = match.end()
        if name is not None:
            parts.append("%%(%s)s" % name)
        elif match.group("escaped") is not None:
            parts.append("$")
        else:
            return None
    return "".join(parts) + _literal(text[at:])


_TRANSLATORS = {"%": lambda text: text, "{": _from_brace, "$": _from_dollar}


def is_plain_text(text, bytes_max):
    """Can the core take it: UTF-8 without NUL, not too long?"""
    try:
        return "\0" not in text and len(text.encode()) <= bytes_max
    except UnicodeEncodeError:
        return False


def translate(fmt, style, date_format):
    """(%-format, fields) for the collector, or None: logging.Formatter is to format at the call."""
    percent = _TRANSLATORS[style](fmt)
    if percent is None or not is_plain_text(percent, 4000):
        return None
    if date_format and not is_plain_text(date_format, DATE_FORMAT_BYTES_MAX):
        return None
    fields = fields_of(percent)
    return None if fields is None else (percent, fields)


_STYLE_CLASSES = {logging.PercentStyle: "%", logging.StrFormatStyle: "{", logging.StringTemplateStyle: "$"}
_PLAIN_ATTRIBUTES = {"_style", "_fmt", "datefmt"}


def parts_of(formatter):
    """(format, style, date format) of an exact logging.Formatter that nothing was changed in, or None."""
    if type(formatter) is not logging.Formatter or not set(vars(formatter)) <= _PLAIN_ATTRIBUTES:
        return None
    style = getattr(formatter, "_style", None)
    letter = _STYLE_CLASSES.get(type(style))
    if letter is None or getattr(style, "_defaults", None) or formatter._fmt != style._fmt:
        return None
    return style._fmt, letter, formatter.datefmt
