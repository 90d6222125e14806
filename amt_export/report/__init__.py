"""The manifest's numbers for a reader: a page in every published folder, and one of all of them."""

from amt_export.report.markdown import parity_markdown
from amt_export.report.page import published_folders, read_published, write_page
from amt_export.report.pictures import Pictures, draw
from amt_export.report.response import measure_response

__all__ = [
    "Pictures",
    "draw",
    "measure_response",
    "parity_markdown",
    "published_folders",
    "read_published",
    "write_page",
]
