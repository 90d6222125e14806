"""A chart: values are where they belong, and axes have words."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET

import pytest

from amt_export.report.chart import Axis, Chart, decade_axis, frequency_axis


def axis() -> Axis:
    return Axis(0.0, 10.0, "x & <y>", [(5.0, "5")])


def points(svg: str, style: str) -> list[str]:
    tree = ET.fromstring(svg)
    return [
        path.attrib["d"]
        for path in tree.iter("{http://www.w3.org/2000/svg}path")
        if path.attrib.get("class") == style
    ]


def test_a_chart_is_a_picture_with_words():
    chart = Chart("a", "title <b>", "about & so", axis(), decade_axis(1e-7, 3e-4, "y"))
    chart.line([0, 5, 10], [1e-7, 1e-5, 1e-3], "c3", "onnx <1>", hint="h")
    chart.limit(1e-6, "allowed")
    tree = ET.fromstring(chart.svg())
    assert tree.attrib["role"] == "img"
    names = {e.attrib["id"]: e.text for e in tree if "id" in e.attrib}
    assert names == {"a-t": "title <b>", "a-d": "about & so"}
    assert set(tree.attrib["aria-labelledby"].split()) == set(names)
    texts = [e.text for e in tree.iter("{http://www.w3.org/2000/svg}text")]
    assert {"x & <y>", "onnx <1>", "allowed", "1e-7", "1e-3"} <= set(texts)


def test_values_are_where_they_belong():
    chart = Chart("a", "t", "d", axis(), decade_axis(1e-4, 1.0, "y"))
    chart.line([0, 5, 10], [1e-4, 1e-2, 1.0], "c3")
    (line,) = points(chart.svg(), "c3")
    (x0, y0), (x1, y1), (x2, y2) = (
        tuple(map(float, p.split(","))) for p in line.removeprefix("M").split()
    )
    assert x1 == pytest.approx((x0 + x2) / 2, abs=0.1)
    assert y1 == pytest.approx((y0 + y2) / 2, abs=0.1)
    assert y0 > y1 > y2, "up is down in a picture"


def test_gaps_and_nothing_at_all():
    chart = Chart("a", "t", "d", axis(), axis())
    chart.line([0, 1, 2, 3, 4], [1, 2, math.nan, 4, 5], "c1")
    chart.line([], [], "c2", "equal")
    chart.line([1], [math.nan], "c4")
    chart.dots([1, 2], [math.nan, 2], "c1", ["a", "b"])
    svg = chart.svg()
    assert "nan" not in svg
    assert points(svg, "c1")[0].count("M") == 2
    assert points(svg, "c2") == ["M0,-4 h22"], "its place in the legend only"
    assert not points(svg, "c4")
    assert svg.count("<circle") == 1


def test_frequency_axis():
    ticks = dict(frequency_axis(100.0, 8000.0).ticks)
    assert ticks == {
        100.0: "100",
        200.0: "200",
        500.0: "500",
        1000.0: "1k",
        2000.0: "2k",
        5000.0: "5k",
    }
