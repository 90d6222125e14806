"""The manifest's numbers for a reader: a page in every published folder, and one of all of them."""

from amt_export.report.card import dois, model_card
from amt_export.report.page import published_folders, read_published, write_page
from amt_export.report.pictures import Pictures, draw
from amt_export.report.response import measure_response

__all__ = [
    "Pictures",
    "dois",
    "draw",
    "measure_response",
    "model_card",
    "published_folders",
    "read_published",
    "write_page",
]
