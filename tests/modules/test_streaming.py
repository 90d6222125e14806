"""The streaming form of every module: joined blocks are the whole signal, whatever the block."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from amt_export.manifest.ports import Port
from amt_export.modules import (
    DRNLFilterbank,
    ERBIntegration,
    FastDRNLFilterbank,
    GammatoneFilterbank,
    Glasberg2002FrontEnd,
    Moore2016FrontEnd,
    Moore2016Spectrum,
    MultiResolutionFFT,
)
from amt_export.modules.forms import StreamForm
from amt_export.verify.parity.cases import audio_cases
from amt_export.verify.parity.metric import difference

FS = 16000
NEAR = (700.0, 2500.0)
FILTERS = {
    "gammatone": lambda dtype: GammatoneFilterbank(NEAR, FS, dtype=dtype),
    "gammatone poly": lambda dtype: GammatoneFilterbank(
        NEAR, FS, dtype=dtype, implementation="poly"
    ),
    "gammatone order 2": lambda dtype: GammatoneFilterbank(NEAR, FS, n=2, dtype=dtype),
    "drnl": lambda dtype: DRNLFilterbank(NEAR, FS, 3, dtype=dtype),
    "drnl jepsen": lambda dtype: DRNLFilterbank(NEAR, FS, 2, model="jepsen2008", dtype=dtype),
    "fast drnl": lambda dtype: FastDRNLFilterbank(NEAR, FS, 3, dtype=dtype, ir_length=512),
}
FRAMES = {
    "moore spectrum": (lambda: Moore2016Spectrum(), 32),
    "moore spectrum, 3 ms": (lambda: Moore2016Spectrum(segment_duration=3), 96),
    "moore front end": (lambda: Moore2016FrontEnd(), 32),
    "moore spectrum of the toolbox": (lambda: Moore2016Spectrum(reference="amt"), 32),
    "moore spectrum of the toolbox, 3 ms": (
        lambda: Moore2016Spectrum(segment_duration=3, reference="amt"),
        96,
    ),
    "moore front end of the toolbox": (lambda: Moore2016FrontEnd(reference="amt"), 32),
    "multires": (lambda: MultiResolutionFFT(), 1024),
    "multires, small hops": (lambda: MultiResolutionFFT(hop_fraction=0.25), 512),
    "multires, three hops in one": (lambda: MultiResolutionFFT(window_lengths=[768, 256]), 384),
    "multires, one window": (lambda: MultiResolutionFFT(window_lengths=[500]), 250),
    "multires, odd overlap": (
        lambda: MultiResolutionFFT(window_lengths=[600], hop_fraction=0.3),
        180,
    ),
    "glasberg": (lambda: Glasberg2002FrontEnd(), 1024),
}


def streamed(form: StreamForm, audio: torch.Tensor, later: int = 0) -> tuple[torch.Tensor, ...]:
    """The form's outputs for a signal and `later` samples of silence, filled up to whole blocks."""
    block = form.shape[-1]
    missing = -(audio.shape[-1] + later) % block + later
    return form.run(torch.nn.functional.pad(audio, (0, missing)))


def noise(*shape: int, seed: int = 0, dtype=torch.float32) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape)).to(dtype)


def apart(found: torch.Tensor, expected: torch.Tensor, port: Port) -> float:
    return difference(found.numpy(), expected.numpy(), port)


# ---------------------------------------------------------------- filters


@pytest.fixture(scope="module")
def filters():
    """Every filter in both precisions."""
    return {
        name: (make(torch.float32).eval(), make(torch.float64).eval())
        for name, make in FILTERS.items()
    }


BLOCKS = st.one_of(
    st.integers(1, 64),
    st.builds(lambda times: 32 * times, st.integers(3, 20)),
    st.sampled_from([99, 245, 1000]),
)


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(list(FILTERS)),
    block=BLOCKS,
    samples=st.integers(1, 1500),
    batch=st.integers(1, 2),
    level=st.sampled_from([1e-4, 0.02, 20.0]),
    seed=st.integers(0, 99),
)
def test_joined_blocks_are_the_whole_signal(filters, name, block, samples, batch, level, seed):
    assume(samples <= 60 * block)  # blocks of one sample are slow
    # A transform rounds relative to its loudest sample, and the first few that a filter lets out are small.
    assume(name != "fast drnl" or samples >= 300)
    module, precise = filters[name]
    audio = level * noise(batch, samples, seed=seed)
    form = StreamForm(module, block, (batch, samples))
    with torch.no_grad():
        whole, reference = module(audio), precise(audio.double())
    (found,) = streamed(form, audio)
    found = found[:, :, :samples]
    (port,) = module.output_ports
    # Each form is as far from float64 as float32 is.
    limit = 2e-5 if name == "fast drnl" else 5e-6
    assert apart(whole, reference, port) < limit
    assert apart(found, reference, port) < limit


@pytest.mark.parametrize("name", FILTERS)
def test_in_float64_nothing_is_lost(filters, name):
    _, precise = filters[name]
    audio = 0.05 * noise(1, 1536, dtype=torch.float64)
    form = StreamForm(precise, 192, (1, 1536))
    with torch.no_grad():
        whole = precise(audio)
    (found,) = streamed(form, audio)
    assert found.dtype == torch.float64
    assert apart(found, whole, precise.output_ports[0]) < 1e-11


@pytest.mark.parametrize("name", ["gammatone", "drnl"])
def test_tones_and_clicks_too(filters, name):
    """The signals that are hard for a recursion: far outside the band, and nothing after something.

    For a tone far outside all channels float32 itself is off by 1e-5 and more, in both forms alike.
    """
    module, precise = filters[name]
    form = StreamForm(module, 256, (1, 2048))
    cases = audio_cases((1, 2048), FS, module.input_ports[0].unit)
    for signal, audio in cases.items():
        audio = torch.from_numpy(audio.astype(np.float32))
        with torch.no_grad():
            whole, reference = module(audio), precise(audio.double())
        (found,) = streamed(form, audio)
        (port,) = module.output_ports
        assert apart(found, reference, port) < max(1e-5, 3.0 * apart(whole, reference, port)), (
            signal
        )


def test_a_wrong_state_would_be_seen(filters):
    module, _ = filters["gammatone"]
    audio = noise(1, 512)
    form = StreamForm(module, 256, (1, 512))
    first = form(audio[:, :256], *form.initial_states())
    with torch.no_grad():
        whole = module(audio)
    right = form(audio[:, 256:], *first[1:])[0]
    (port,) = module.output_ports
    assert apart(right, whole[:, :, 256:], port) < 1e-6
    for wrong in (form.initial_states(), [1.001 * state for state in first[1:]]):
        assert apart(form(audio[:, 256:], *wrong)[0], whole[:, :, 256:], port) > 1e-5


@pytest.mark.parametrize("name", ["gammatone", "drnl"])
def test_the_memory_of_a_state_decays(filters, name):
    """The map from state to state shrinks: what float32 rounds off in an hour is gone as fast as sound is."""
    module, _ = filters[name]
    form = StreamForm(module, 256, (1, 256))
    states = form(*(noise(*value.shape) for value in form.silence()))[-len(form.initial_states()) :]
    silence = torch.zeros(1, 256)
    blocks = -(-module.warm_up() // 256)
    largest = max(float(state.abs().max()) for state in states)
    for _ in range(blocks):
        states = form(silence, *states)[-len(states) :]
    left = max(float(state.abs().max()) for state in states)
    assert left < 1e-6 * largest
    # ... and nothing is left for good: denormal numbers would be slow, and never go.
    for _ in range(12 * blocks):
        states = form(silence, *states)[-len(states) :]
    assert all(not state.any() for state in states)


def test_the_error_after_a_minute_is_that_of_the_first_second(filters):
    module, precise = filters["gammatone"]
    block = FS // 8
    form, reference = StreamForm(module, block, (1, block)), StreamForm(precise, block, (1, block))
    states, reference_states = form.initial_states(), reference.initial_states()
    generator = np.random.default_rng(0)
    errors = []
    for _ in range(8 * 60):
        audio = torch.from_numpy(generator.standard_normal((1, block))).to(torch.float32)
        found, *states = form(audio, *states)
        expected, *reference_states = reference(audio.double(), *reference_states)
        errors.append(apart(found, expected, module.output_ports[0]))
    first, last = max(errors[:8]), max(errors[-8:])
    assert last < 2 * first
    assert max(errors) < 1e-6


# ---------------------------------------------------------------- frames


@settings(max_examples=18, deadline=None)
@given(
    name=st.sampled_from(list(FRAMES)),
    times=st.integers(1, 4),
    samples=st.integers(4500, 9000),
    seed=st.integers(0, 99),
)
def test_joined_frames_are_those_of_the_whole_signal(name, times, samples, seed):
    make, hop = FRAMES[name]
    module = make().eval()
    ears = (2,) if "ear" in module.input_ports[0].axes else ()
    audio = 0.02 * noise(1, *ears, samples, seed=seed)
    form = StreamForm(module, times * hop, audio.shape)
    with torch.no_grad():
        whole = module(audio)
    whole = whole if isinstance(whole, tuple) else (whole,)
    found = streamed(form, audio, module.latency())
    inside = slice(None)
    if module.padding() == "reflect":
        # Frames that see beyond an end know it as silence here, as a mirror image there.
        first = -(-module.warm_up() // hop)
        inside = slice(first, 1 + (samples - module.look_ahead()) // hop)
    for port, part, expected in zip(module.output_ports, found, whole, strict=True):
        if "frame" in port.axes:
            part = part[:, module.lead_frames() : module.lead_frames() + expected.shape[1]]
            assert part.shape == expected.shape
            part, expected = part[:, inside], expected[:, inside]
            assert part.shape[1] > 0
        assert apart(part, expected, port) <= (1e-3 if port.kind == "db" else 5e-6)


def test_latency_and_what_comes_before_the_first_frame():
    multires = MultiResolutionFFT()
    assert (multires.latency(), multires.lead_frames()) == (1024, 0)  # half the longest window
    quarter = MultiResolutionFFT(hop_fraction=0.25)
    assert (quarter.latency(), quarter.lead_frames()) == (1024, 1)
    spectrum = Moore2016Spectrum()
    assert (spectrum.latency(), spectrum.lead_frames()) == (2048, 64)  # one window
    assert (Moore2016FrontEnd().latency(), Glasberg2002FrontEnd().latency()) == (2048, 1024)
    slow = Moore2016Spectrum(segment_duration=3)
    assert (slow.latency(), slow.lead_frames()) == (22 * 96, 22)
    filterbank = GammatoneFilterbank(NEAR, FS)
    assert (filterbank.latency(), filterbank.lead_frames()) == (0, 0)


# ---------------------------------------------------------------- interface


@pytest.mark.parametrize("name", [*FILTERS, *FRAMES])
def test_states_have_names_and_meanings_and_keep_their_shapes(name):
    if name in FILTERS:
        module, block, shape = FILTERS[name](torch.float32), 64, (3, 64)
    else:
        make, block = FRAMES[name]
        module = make()
        shape = (3, 2, block) if "ear" in module.input_ports[0].axes else (3, block)
    form = StreamForm(module, block, shape)
    states = [name for name in form.input_names if name != "audio"]
    assert states
    assert all(name.startswith("state_") for name in states)
    assert form.input_names == ("audio", *states)
    outputs = tuple(port.name for port in module.output_ports)
    assert form.output_names == (*outputs, *(f"next_{name}" for name in states))
    assert all(form.meanings)
    rest = form.initial_states()
    assert all(not state.any() and state.dtype == torch.float32 for state in rest)
    results = form(*form.silence())
    assert [r.shape for r in results[len(outputs) :]] == [state.shape for state in rest]
    assert all(state.shape[0] == 3 for state in rest)  # the batch comes first
    assert not list(form.parameters())


@pytest.mark.parametrize(
    ("make", "block", "message"),
    [
        (lambda: GammatoneFilterbank(NEAR, FS), 2 * 257, "take a multiple of 32, or at most 64"),
        (lambda: DRNLFilterbank(NEAR, FS, 2), 2 * 257, "take a multiple of 32, or at most 64"),
        (lambda: FastDRNLFilterbank(NEAR, FS, 2, ir_length=1), 64, "ir_length is 1"),
        (lambda: Moore2016Spectrum(), 33, "multiple of the hop, 32"),
        (lambda: Moore2016Spectrum(segment_duration=2), 96, "multiple of the hop, 64"),
        (lambda: Moore2016FrontEnd(), 100, "multiple of the hop, 32"),
        (lambda: MultiResolutionFFT(), 512, "multiple of the hop, 1024"),
        (lambda: Glasberg2002FrontEnd(), 1000, "multiple of the hop, 1024"),
        (lambda: MultiResolutionFFT(reference="torch_amt"), 1024, "its windows stand at"),
        (lambda: MultiResolutionFFT(window_lengths=[100, 30]), 50, "does not divide"),
        (lambda: ERBIntegration(), 32, "ERBIntegration has no streaming form"),
    ],
)
@pytest.mark.filterwarnings("ignore:ir_length=1 cuts off")
def test_blocks_that_cannot_be(make, block, message):
    with pytest.raises(ValueError, match=message):
        StreamForm(make(), block, (1, block))


def test_the_module_stays_as_it_was(filters):
    module, _ = filters["drnl"]
    audio = noise(1, 300)
    with torch.no_grad():
        before = module(audio)
        StreamForm(module, 128, (1, 128)).run(noise(1, 256))
        assert torch.equal(module(audio), before)
