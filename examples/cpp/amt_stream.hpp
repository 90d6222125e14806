// A published streaming model in C++: audio of any length in, frames out. Copy this file into your app.
//
// It needs ONNX Runtime and nlohmann/json, and reads everything else from the manifest that the ONNX file carries.

#pragma once

#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace amt {

// What to do about NaN and infinity: throw, or continue from silence with the next block. A recursive filter would keep
// them forever.
enum class Nonfinite { error, reset };

// The state with which a stream learns where its signal ends.
inline constexpr auto BEYOND_END = "state_beyond_end";

inline bool is_finite(const float* values, std::size_t size) {
  return std::all_of(values, values + size, [](float value) { return std::isfinite(value); });
}

class Stream {
 public:
  explicit Stream(const std::string& path, Nonfinite nonfinite = Nonfinite::error)
      : nonfinite_(nonfinite), session_(environment_, path.c_str(), options()) {
    Ort::AllocatorWithDefaultOptions allocator;
    const auto text =
        session_.GetModelMetadata().LookupCustomMetadataMapAllocated("amt_export.manifest", allocator);
    if (!text) throw std::runtime_error(path + ": was not made by amt_export");
    manifest_ = nlohmann::json::parse(text.get());
    name_ = manifest_.at("name");
    // The whole form carries the same manifest, and takes no states.
    if (manifest_.at("stream").is_null() || session_.GetInputCount() != 1 + stream().at("states").size()) {
      throw std::runtime_error(path + ": is no streaming form; open " + name_ + ".stream.onnx");
    }
    if (manifest_.at("padding") != "zero") {
      throw std::runtime_error(name_ + ": mirrors a signal at its ends, which only the Python and JavaScript packages do");
    }
    // The order of both lists is that of the file: audio, then states; outputs, then next states.
    const auto& audio = stream().at("inputs").at(0);
    inputs_.push_back(audio.at("name"));
    for (const auto& port : stream().at("outputs")) outputs_.push_back(port.at("name"));
    for (const auto& state : stream().at("states")) {
      inputs_.push_back(state.at("input"));
      outputs_.push_back(state.at("output"));
    }
    const auto shape = sizes(audio.at("shape"));
    block_ = static_cast<std::size_t>(shape.back());
    ears_ = shape.size() == 3 ? static_cast<std::size_t>(shape[1]) : 1;
    hop_ = manifest_.at("hop");
    pending_.resize(ears_ * block_);
    // The first output: numbers before, along and after its time axis.
    const auto& output = stream().at("outputs").at(0);
    const auto dims = sizes(output.at("shape"));
    std::size_t axis = 1;
    while (output.at("axes").at(axis) != "time" && output.at("axes").at(axis) != "frame") ++axis;
    for (std::size_t i = 1; i < axis; ++i) outer_ *= static_cast<std::size_t>(dims[i]);
    for (std::size_t i = axis + 1; i < dims.size(); ++i) inner_ *= static_cast<std::size_t>(dims[i]);
    start();
  }

  // Samples that the file takes at once, and ears that hear them.
  std::size_t block() const { return block_; }
  std::size_t ears() const { return ears_; }
  // Numbers in a frame of the first output: of all channels, or of both ears.
  std::size_t frame_size() const { return outer_ * inner_; }
  double sampling_rate() const { return manifest_.at("sampling_rate"); }
  const nlohmann::json& manifest() const { return manifest_; }
  // How often the stream restarted from silence.
  int resets() const { return resets_; }

  // The factor from samples relative to full scale to the unit of the model's input, where a sine at full scale is
  // so many dB SPL (NaN: the model's own convention). As in amt_export/audio/calibration.py.
  double gain(double full_scale_db = std::nan("")) const {
    const std::string unit = stream().at("inputs").at(0).at("unit");
    if (unit != "Pa" && unit != "full scale") {
      throw std::runtime_error(name_ + " takes " + unit + ", and a recording is sound pressure: take casp_44k, which has " +
                               "the ears in front of its DRNL, or feed samples as they are with --raw");
    }
    const auto& parameters = manifest_.at("parameters");
    const auto first_stage = parameters.value("spectrum_kwargs", nlohmann::json::object());
    const double own =
        parameters.value("db_max", first_stage.is_object() ? first_stage.value("db_max", 93.98) : 93.98);
    const double level = std::isnan(full_scale_db) ? own : full_scale_db;
    if (!(level >= -100.0 && level <= 200.0)) throw std::runtime_error("full scale: give a level from -100 to 200 dB SPL");
    return unit == "Pa" ? std::sqrt(2.0) * 2e-5 * std::pow(10.0, level / 20.0) : std::pow(10.0, (level - own) / 20.0);
  }

  // Process the next `count` samples of each ear (interleaved for two), in the model's unit; returns the frames of the
  // first output that are complete by now, one after the other.
  std::vector<float> push(const float* samples, std::size_t count) {
    if (nonfinite_ == Nonfinite::error) {
      for (std::size_t i = 0; i < count * ears_; ++i) {
        if (!std::isfinite(samples[i])) {
          throw std::runtime_error(name_ + ": sample " + std::to_string(pushed_ + i / ears_) + " is NaN or infinite");
        }
      }
    }
    std::vector<float> frames;
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t ear = 0; ear < ears_; ++ear) pending_[ear * block_ + filled_] = samples[i * ears_ + ear];
      if (++filled_ == block_) run(frames);
    }
    pushed_ += count;
    return frames;
  }

  // End the signal: zeros follow the last sample until everything is known that the whole signal has frames for; then
  // start afresh.
  std::vector<float> flush() {
    const std::int64_t length = manifest_.at("frame_length");
    const auto samples = static_cast<std::int64_t>(pushed_);
    const std::int64_t due = pushed_ && samples >= length ? 1 + (samples - length) / hop_ : 0;
    std::vector<float> frames;
    auto beyond = -static_cast<std::int64_t>(filled_);
    while (known_ < due) {
      for (std::size_t ear = 0; ear < ears_; ++ear) {
        std::fill(pending_.begin() + static_cast<std::ptrdiff_t>(ear * block_ + filled_),
                  pending_.begin() + static_cast<std::ptrdiff_t>((ear + 1) * block_), 0.0F);
      }
      beyond += static_cast<std::int64_t>(block_);
      set_beyond_end(beyond);
      run(frames);
    }
    const auto surplus = static_cast<std::size_t>(std::max<std::int64_t>(0, known_ - due)) * frame_size();
    frames.resize(frames.size() - std::min(frames.size(), surplus));
    start();
    return frames;
  }

  // Forget the signal, as if nothing had been pushed.
  void start() {
    rest();
    filled_ = pushed_ = 0;
    known_ = -stream().at("skip").get<std::int64_t>();
  }

 private:
  const nlohmann::json& stream() const { return manifest_.at("stream"); }

  // A block is too little work to share out among threads.
  static Ort::SessionOptions options() {
    Ort::SessionOptions options;
    options.SetIntraOpNumThreads(1);
    return options;
  }

  // A free batch is null in the manifest's shapes; here it is one signal.
  static std::vector<std::int64_t> sizes(const nlohmann::json& shape) {
    std::vector<std::int64_t> result;
    for (const auto& size : shape) result.push_back(size.is_null() ? 1 : size.get<std::int64_t>());
    return result;
  }

  static Ort::Value filled(const nlohmann::json& shape, float value) {
    const auto dims = sizes(shape);
    Ort::AllocatorWithDefaultOptions allocator;
    auto tensor = Ort::Value::CreateTensor<float>(allocator, dims.data(), dims.size());
    std::fill_n(tensor.GetTensorMutableData<float>(), count(tensor), value);
    return tensor;
  }

  static std::size_t count(const Ort::Value& tensor) { return tensor.GetTensorTypeAndShapeInfo().GetElementCount(); }

  static std::vector<const char*> pointers(const std::vector<std::string>& names) {
    std::vector<const char*> result;
    for (const auto& name : names) result.push_back(name.c_str());
    return result;
  }

  void rest() {
    states_.clear();
    for (const auto& state : stream().at("states")) states_.push_back(filled(state.at("shape"), state.at("initial")));
  }

  // Tell a model that has a state for it how many samples of the next block lie behind the end of the signal.
  void set_beyond_end(std::int64_t samples) {
    for (std::size_t i = 0; i < states_.size(); ++i) {
      if (inputs_[1 + i] != BEYOND_END) continue;
      std::fill_n(states_[i].GetTensorMutableData<float>(), count(states_[i]), static_cast<float>(samples));
    }
  }

  // Run the block that is full, take over its states, and append its frames, time first.
  void run(std::vector<float>& frames) {
    filled_ = 0;
    std::vector<Ort::Value> feeds;
    feeds.push_back(filled(stream().at("inputs").at(0).at("shape"), 0.0F));
    std::copy(pending_.begin(), pending_.end(), feeds[0].GetTensorMutableData<float>());
    for (auto& state : states_) feeds.push_back(std::move(state));
    const auto in = pointers(inputs_);
    const auto out = pointers(outputs_);
    auto answer = session_.Run(Ort::RunOptions{}, in.data(), feeds.data(), in.size(), out.data(), out.size());
    bool finite = true;
    states_.clear();
    for (std::size_t i = stream().at("outputs").size(); i < answer.size(); ++i) {
      finite = finite && is_finite(answer[i].GetTensorData<float>(), count(answer[i]));
      states_.push_back(std::move(answer[i]));
    }
    if (!finite) {
      rest();
      ++resets_;
      if (nonfinite_ == Nonfinite::error) throw std::runtime_error(name_ + ": a state is not finite: the audio is too large");
    }
    const float* values = answer[0].GetTensorData<float>();
    const std::size_t steps = block_ / static_cast<std::size_t>(hop_);
    for (std::size_t step = 0; step < steps; ++step, ++known_) {
      if (known_ < 0) continue;  // about the time before the signal
      for (std::size_t i = 0; i < outer_; ++i) {
        const float* first = values + (i * steps + step) * inner_;
        frames.insert(frames.end(), first, first + inner_);
      }
    }
  }

  Ort::Env environment_{ORT_LOGGING_LEVEL_ERROR, "amt_stream"};
  Nonfinite nonfinite_;
  Ort::Session session_;
  nlohmann::json manifest_;
  std::string name_;
  std::vector<std::string> inputs_, outputs_;
  std::vector<Ort::Value> states_;
  std::vector<float> pending_;
  std::size_t block_ = 0, ears_ = 1, outer_ = 1, inner_ = 1, filled_ = 0, pushed_ = 0;
  std::int64_t hop_ = 1, known_ = 0;
  int resets_ = 0;
};

}  // namespace amt
