"""Decisions at a threshold: within 0.01 dB they are counted and bounded, further away they are wrong."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from filter_checks import ROOT, noise
from folder_checks import sign

from amt_export.errors import ParityError
from amt_export.manifest import ParityRow, load_manifest
from amt_export.modules import GammatoneFilterbank, Moore2016FrontEnd, Moore2016Spectrum
from amt_export.parity import check_folder
from amt_export.parity.cases import module_cases
from amt_export.parity.check import load_vectors
from amt_export.parity.compare import Version, compare, failing, parity_error
from amt_export.parity.threshold import MARGIN_DB, Bounds, judge
from amt_export.publish import publish
from amt_export.spec import load_spec

SPECTRUM, FRONT_END = "moore2016_spectrum_32k", "moore2016_frontend_32k"
PORTS = Moore2016Spectrum.output_ports
FREQS, LEVELS = PORTS[:2]
TOLERANCE = {"frequency": 0.0, "db": 1e-3}


def audible_hiss(samples: int = 4000) -> np.ndarray:
    """A tone, and noise around 60 dB below it in every component: much to decide."""
    time = torch.arange(samples, dtype=torch.float64) / 32000
    tone = torch.sin(2 * torch.pi * 1000.0 * time)
    hiss = noise(1, 2, samples, seed=3)
    return (tone + 0.01 * hiss).numpy()


@pytest.fixture(scope="module")
def case():
    module = Moore2016Spectrum(dtype=torch.float64).frozen(4000)
    (case,) = module_cases({"hiss": {"audio": audible_hiss()}}, module, "float64")
    return case


def judged(outputs, case, port):
    return judge(outputs, case.outputs, case.bounds, port, PORTS)


def worst(outputs, case, port):
    return float(judged(outputs, case, port).errors.max())


def with_list(case, row, freqs, levels):
    """The outputs with another list of components in one frame of the left ear."""
    outputs = {name: value.copy() for name, value in case.outputs.items()}
    outputs["freqs_left"][0, row] = 0.0
    outputs["levels_left"][0, row] = 0.0
    order = np.argsort(freqs)
    outputs["freqs_left"][0, row, : len(freqs)] = np.asarray(freqs)[order]
    outputs["levels_left"][0, row, : len(freqs)] = np.asarray(levels)[order]
    return outputs


def lists(case, outputs, row):
    freqs = outputs["freqs_left"][0, row]
    count = np.count_nonzero(freqs)
    return freqs[:count], outputs["levels_left"][0, row, :count]


def undecided(case):
    """Frame and frequency of a component that may be there or not, and whether it is."""
    for row in range(case.outputs["freqs_left"].shape[1]):
        kept, _ = lists(case, case.outputs, row)
        strict, _ = lists(case, case.bounds.strict, row)
        lenient, _ = lists(case, case.bounds.lenient, row)
        for f in np.setdiff1d(lenient, strict):
            yield row, f, f in kept


def flipped(case, row, f):
    """The outputs with one component decided otherwise."""
    freqs, levels = lists(case, case.outputs, row)
    if f in freqs:
        return with_list(case, row, freqs[freqs != f], levels[freqs != f])
    known, level = lists(case, case.bounds.lenient, row)
    return with_list(case, row, np.append(freqs, f), np.append(levels, level[known == f]))


# Lists of components


def test_bounds_lie_on_both_sides(case):
    """What the strict module keeps the module keeps, and what the module keeps the lenient one keeps."""
    found = list(undecided(case))
    assert len(found) > 20
    assert {kept for _, _, kept in found} == {True, False}
    for row in range(case.outputs["freqs_left"].shape[1]):
        strict, kept, lenient = (
            set(lists(case, o, row)[0])
            for o in (case.bounds.strict, case.outputs, case.bounds.lenient)
        )
        assert strict <= kept <= lenient
    assert MARGIN_DB == 0.01
    # and both within the margin of the threshold, 60 dB below the frame's maximum
    for row, f, _ in found:
        known, levels = lists(case, case.bounds.lenient, row)
        assert abs(levels.max() - 60.0 - levels[known == f][0]) <= MARGIN_DB + 1e-9


def test_equal_is_zero_and_says_what_there_was_to_decide(case):
    for port in PORTS:
        judgement = judged(case.outputs, case, port)
        assert judgement.errors.shape == (958,)
        assert not judgement.errors.any()
        assert judgement.flips == 0
    assert judged(case.outputs, case, FREQS).undecided == len(list(undecided(case)))


@pytest.mark.parametrize("kept", [True, False])
def test_a_flip_within_the_margin_is_counted_and_passes(case, kept):
    row, f, _ = next(found for found in undecided(case) if found[2] is kept)
    outputs = flipped(case, row, f)
    assert not np.array_equal(outputs["freqs_left"], case.outputs["freqs_left"])
    for port in (FREQS, LEVELS):
        judgement = judged(outputs, case, port)
        assert judgement.flips == 1
        assert judgement.errors.max() < 1e-9
    assert judged(outputs, case, PORTS[2]).flips == 0, "the other ear"
    (freqs, levels, *_) = compare(
        lambda _: outputs, [case], PORTS, Version("onnx", "whole", "p"), TOLERANCE
    )
    assert (freqs.flips, freqs.within, levels.within) == (1, True, True)


@pytest.mark.parametrize("kept", [True, False])
def test_a_flip_hides_no_other_difference(case, kept):
    """After a flip all components behind it stand in other slots; each is compared with itself."""
    row, f, _ = next(found for found in undecided(case) if found[2] is kept)
    outputs = flipped(case, row, f)
    slot = np.count_nonzero(outputs["freqs_left"][0, row]) - 1
    outputs["levels_left"][0, row, slot] += 0.25
    judgement = judged(outputs, case, LEVELS)
    assert judgement.errors[slot] == pytest.approx(0.25)
    assert np.count_nonzero(judgement.errors > 1e-9) == 1
    outputs["freqs_left"][0, row, slot] += 1.0
    assert worst(outputs, case, FREQS) == math.inf


def test_a_component_dropped_far_from_the_threshold_is_wrong(case):
    freqs, levels = lists(case, case.outputs, 5)
    for gone in (int(levels.argmax()), int(np.abs(levels - levels.max() + 59.0).argmin())):
        keep = np.arange(len(freqs)) != gone
        outputs = with_list(case, 5, freqs[keep], levels[keep])
        assert worst(outputs, case, FREQS) == math.inf
        assert worst(outputs, case, LEVELS) == math.inf


def test_a_component_added_far_from_the_threshold_is_wrong(case):
    freqs, levels = lists(case, case.outputs, 5)
    lenient, _ = lists(case, case.bounds.lenient, 5)
    grid = np.arange(2, 960) * 15.625
    f = np.setdiff1d(grid, lenient)[0]
    for level in (levels.max() - 59.5, levels.max() - 60.0, levels.max() - 70.0):
        outputs = with_list(case, 5, np.append(freqs, f), np.append(levels, level))
        assert worst(outputs, case, FREQS) == math.inf


def test_a_flipped_component_must_have_its_own_level(case):
    row, f, _ = next(found for found in undecided(case) if not found[2])
    outputs = flipped(case, row, f)
    slot = int(np.flatnonzero(outputs["freqs_left"][0, row] == f)[0])
    outputs["levels_left"][0, row, slot] -= 0.5
    assert worst(outputs, case, LEVELS) == pytest.approx(0.5)


@pytest.mark.parametrize("spoil", ["order", "gap", "behind", "nan"])
def test_a_list_must_be_packed(case, spoil):
    row, f, _ = next(found for found in undecided(case) if found[2])
    outputs = flipped(case, row, f)
    freqs, levels = outputs["freqs_left"][0, row], outputs["levels_left"][0, row]
    count = np.count_nonzero(freqs)
    if spoil == "order":
        freqs[[3, 4]], levels[[3, 4]] = freqs[[4, 3]], levels[[4, 3]]
    elif spoil == "gap":
        freqs[[count - 1, count]], levels[[count - 1, count]] = (
            freqs[[count, count - 1]],
            levels[[count, count - 1]],
        )
    elif spoil == "behind":
        levels[count] = 3.0
    else:
        levels[2] = math.nan
    assert worst(outputs, case, LEVELS) == math.inf


def test_too_many_flips_are_refused(case):
    """Each of them may be, but a threshold that is 0.005 dB off takes half of them otherwise."""
    chosen = [found for found in undecided(case) if not found[2]]
    outputs = case.outputs
    for row, f, _ in chosen:
        outputs = flipped(replace(case, outputs=outputs), row, f)
    rows = compare(lambda _: outputs, [case], PORTS, Version("onnx", "whole", "p"), TOLERANCE)
    assert rows[0].flips == len(chosen)
    assert rows[0].worst == 0.0
    assert [row.output for row in failing(rows)] == ["freqs_left", "levels_left"]
    message = str(parity_error("m", rows))
    assert f"decides {len(chosen)} of {rows[0].undecided} otherwise" in message
    assert "\n" not in message


@pytest.mark.parametrize(("undecided", "most"), [(0, 2), (9, 2), (40, 6), (1000, 102)])
def test_how_many_flips_there_may_be(undecided, most):
    row = ParityRow("onnx", "whole", "p", "f", "frequency", 0.0, "hiss", 0.0, "execution")
    for flips in (0, most, most + 1):
        here = replace(row, flips=flips, undecided=undecided)
        assert here.within is (flips <= most)


def test_shapes_and_missing_bounds(case):
    outputs = {name: value[:, :, :-1] for name, value in case.outputs.items()}
    assert worst(outputs, case, FREQS) == math.inf
    row, f, _ = next(undecided(case))
    plain = replace(case, bounds=None)
    assert worst(flipped(case, row, f), plain, FREQS) == math.inf, "equal means equal"


def test_modules_without_a_threshold_have_no_bounds():
    module = GammatoneFilterbank((700.0, 1300.0), 16000).frozen(100)
    assert module.at_thresholds((0.01,), noise(1, 100)) is None
    (case,) = module_cases({"a": {"audio": noise(1, 100).numpy()}}, module, "float32")
    assert case.bounds is None


# Levels that components make


def level_case():
    expected = np.full((1, 4, 5), 60.0)
    strict, lenient = expected.copy(), expected.copy()
    strict[0, 1, 2] = 40.0  # a component that is there
    lenient[0, 2, 3] = 61.0  # one that is not
    lenient[0, 3, 3] = 60.0005  # one that nobody sees
    return {"e": expected}, Bounds({"e": strict}, {"e": lenient})


def test_levels_may_be_anywhere_between_the_bounds():
    (port,) = Moore2016FrontEnd.output_ports[:1]
    port = replace(port, name="e")
    expected, bounds = level_case()

    def of(frame, channel, value):
        found = expected["e"].copy()
        found[0, frame, channel] = value
        return judge({"e": found}, expected, bounds, port, [port])

    assert (of(0, 0, 60.0).flips, of(0, 0, 60.0).undecided) == (0, 2)
    for frame, channel, value, error, flips in (
        (1, 2, 40.0, 0.0, 1),
        (1, 2, 50.0, 0.0, 1),
        (1, 2, 39.0, 1.0, 1),
        (1, 2, 60.25, 0.25, 1),
        (1, 3, 59.75, 0.25, 0),
        (2, 3, 61.0, 0.0, 1),
        (2, 3, 61.5, 0.5, 1),
        (0, 0, 60.25, 0.25, 0),
        (3, 3, 60.0004, 0.0, 0),
    ):
        judgement = of(frame, channel, value)
        assert judgement.errors.max() == pytest.approx(error, abs=1e-9), (frame, channel, value)
        assert judgement.flips == flips, (frame, channel, value)
    assert of(1, 2, math.nan).errors.max() == math.inf
    assert of(1, 2, math.inf).errors.max() == math.inf


def test_every_choice_of_components_lies_between_the_bounds_of_the_front_end(case):
    """Excitation grows with every component: also when some are in and some are out."""
    audio = torch.from_numpy(audible_hiss())
    module = Moore2016FrontEnd(dtype=torch.float64).frozen(4000)
    (front,) = module_cases({"hiss": {"audio": audio.numpy()}}, module, "float64")
    found = list(undecided(case))
    assert found
    for name in ("excitation_left", "excitation_right"):
        rounding = 1e-9  # dB
        assert (front.bounds.strict[name] <= front.outputs[name] + rounding).all()
        assert (front.outputs[name] <= front.bounds.lenient[name] + rounding).all()
    own, one, far = module.at_thresholds((0.0, 0.004, 0.1), audio)
    for output, known in zip(own, module(audio), strict=True):
        torch.testing.assert_close(output, known, rtol=0.0, atol=1e-9)
    outputs = {"excitation_left": one[0].numpy(), "excitation_right": one[1].numpy()}
    for port in module.output_ports:
        judgement = judge(outputs, front.outputs, front.bounds, port, module.output_ports)
        assert judgement.errors.max() < 1e-9
    judgement = judge(
        {"excitation_left": far[0].numpy(), "excitation_right": far[1].numpy()},
        front.outputs,
        front.bounds,
        module.output_ports[0],
        module.output_ports,
    )
    assert judgement.errors.max() > 1e-3


# Published


@pytest.fixture(scope="module", params=[SPECTRUM, FRONT_END])
def folder(request, tmp_path_factory):
    out = tmp_path_factory.mktemp("threshold")
    spec = load_spec(ROOT / "models" / f"{request.param}.toml").resized(samples=2400)
    spec = replace(spec, stream_block=None)
    publish(spec, out, formats=["onnx"])
    return out / request.param


def test_flips_are_published(folder):
    manifest = load_manifest(folder)
    assert len(manifest.parity) == 2 * len(manifest.outputs)
    for row in manifest.parity:
        assert row.undecided > 0, "the suite has something to decide"
        assert row.flips <= row.most_flips
        assert row.kind == "frequency" or row.worst < 5e-4
    assert "undecided" in (folder / "manifest.json").read_text()
    text = (folder / "parity.md").read_text()
    first = manifest.parity[0]
    assert f"{first.flips} of {first.undecided}" in text
    assert "0.01 dB" in text
    check_folder(folder)


def test_vectors_keep_the_bounds(folder):
    manifest = load_manifest(folder)
    cases = load_vectors(folder, manifest)
    differing = 0
    for case in cases:
        assert case.bounds is not None
        for name, value in case.outputs.items():
            for side in (case.bounds.strict, case.bounds.lenient):
                assert side[name].shape == value.shape
                differing += np.count_nonzero(side[name] != value)
    assert differing > 0


@pytest.mark.parametrize(("shift", "message"), [(0.005, "decides"), (0.1, "infinity|differs")])
def test_a_shifted_threshold_is_rejected(folder, shift, message, tmp_path):
    copy = tmp_path / folder.name
    shutil.copytree(folder, copy)
    path = copy / f"{folder.name}.onnx"
    model = onnx.load(path)
    changed = 0
    for tensor in model.graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        if array.size == 1 and array.dtype == np.float32 and abs(array.item() / 1e-6 - 1) < 1e-3:
            value = (array * np.float32(10 ** (shift / 10))).astype(np.float32)
            tensor.CopyFrom(onnx.numpy_helper.from_array(value, tensor.name))
            changed += 1
    assert changed == 1
    onnx.save(model, path)
    sign(copy)
    with pytest.raises(ParityError, match=message):
        check_folder(copy)
