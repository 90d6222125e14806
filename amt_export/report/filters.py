"""The filters of the page, by model and by format: two lists and rules of CSS.

The page shows what strangers' folders say, so no script may run in it, and none is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from amt_export.report.html import HEADINGS


def model_class(place: int) -> str:
    """Class of all that belongs to one model; names of models may not be names in CSS."""
    return f"m{place}"


def filter_form(names: Sequence[str]) -> str:
    """The two lists."""
    models = "".join(
        f"<option value={model_class(place)}>{escape(name)}" for place, name in enumerate(names)
    )
    formats = "".join(f"<option value={name}>{label}" for name, label in HEADINGS.items())
    return (
        "<form class=filters autocomplete=off>"
        f"<label>Model <select id=by-model><option value=all>all{models}</select></label>"
        f"<label>Format <select id=by-format><option value=all>all{formats}</select></label></form>"
    )


def filter_style(count: int) -> str:
    """Rules that hide what was not chosen.

    Parameters
    ----------
    count : int
        Of models.
    """
    rules = []
    for place in range(count):
        name = model_class(place)
        rules.append(f"{_chosen('by-model', name)} .model:not(.{name}){{display:none}}")
    for name in HEADINGS:
        chosen = _chosen("by-format", name)
        rules.append(f"{chosen} [data-format]:not([data-format={name}]){{display:none}}")
        rules.append(f"{chosen} section.model:not(:has([data-format={name}])){{display:none}}")
    return "\n".join(rules)


def _chosen(list_id: str, value: str) -> str:
    return f"body:has(#{list_id} option[value={value}]:checked)"
