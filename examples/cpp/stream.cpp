// Stream raw audio of any length through a published model, in constant memory.
//
//     stream MODEL.stream.onnx [--full-scale DB | --raw] [--reset] < IN.f32 > OUT.f32
//
// IN.f32 are samples (float32, interleaved for models of two ears) at the model's rate, relative to full scale; --raw:
// in the model's unit. OUT.f32 gets the first output, frame by frame: of all channels the first sample, then of all
// channels the second one. A sine at full scale is DB dB SPL, 93.98 unless said otherwise. With --reset, samples that are
// not finite do not end it: it continues from silence.

#include <cstdio>
#include <cstdlib>

#include "amt_stream.hpp"

namespace {

constexpr auto USAGE = "usage: stream MODEL.stream.onnx [--full-scale DB | --raw] [--reset] < IN.f32 > OUT.f32";

void write(const std::vector<float>& frames) {
  if (std::fwrite(frames.data(), sizeof(float), frames.size(), stdout) != frames.size()) {
    throw std::runtime_error("the output cannot be written");
  }
}

}  // namespace

int main(int count, char** arguments) try {
  bool raw = false;
  auto nonfinite = amt::Nonfinite::error;
  double level = std::nan("");
  std::string path;
  for (int i = 1; i < count; ++i) {
    const std::string word = arguments[i];
    if (word == "--raw") {
      raw = true;
    } else if (word == "--reset") {
      nonfinite = amt::Nonfinite::reset;
    } else if (word == "--full-scale" && i + 1 < count) {
      char* end = nullptr;
      level = std::strtod(arguments[++i], &end);
      if (end == arguments[i] || *end != '\0') throw std::runtime_error(USAGE);
    } else if (path.empty() && word.rfind("--", 0) != 0) {
      path = word;
    } else {
      path.clear();
      break;
    }
  }
  if (path.empty() || (raw && !std::isnan(level))) throw std::runtime_error(USAGE);
  amt::Stream stream(path, nonfinite);
  const double gain = raw ? 1.0 : stream.gain(level);
  std::vector<float> piece(16 * stream.block() * stream.ears());
  std::size_t got = 0;
  while ((got = std::fread(piece.data(), sizeof(float), piece.size(), stdin)) > 0) {
    for (std::size_t i = 0; i < got; ++i) piece[i] = static_cast<float>(gain * piece[i]);
    write(stream.push(piece.data(), got / stream.ears()));
  }
  write(stream.flush());
  if (stream.resets()) std::fprintf(stderr, "restarted from silence: %d\n", stream.resets());
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
