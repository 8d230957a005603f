"""The values of a site file that speak of profiles: which there are, and what transformers make of a reading."""

from fractions import Fraction
from typing import Annotated, Any

from pydantic import AfterValidator, PlainSerializer, PlainValidator, ValidationInfo

from .library import Library
from .loader import ProfileError
from .model import fraction


def _ratio(value: Any) -> Fraction:
    ratio = fraction(value)
    if ratio <= 0:
        raise ValueError(f'{value!r}: write PRIMARY/SECONDARY in quotes, such as "250/5", or 1 without transformers')
    return ratio


def library(info: ValidationInfo) -> Library:
    """The profiles that the file under validation can name: without a file, those that come with Wayside."""
    return info.context if isinstance(info.context, Library) else Library()


def _profile(name: str, info: ValidationInfo) -> str:
    try:
        library(info).find(name)
    except ProfileError as error:
        raise ValueError("; ".join(error.problems)) from None
    return name


ProfileName = Annotated[str, AfterValidator(_profile)]
TransformerRatio = Annotated[Fraction, PlainValidator(_ratio), PlainSerializer(str)]
