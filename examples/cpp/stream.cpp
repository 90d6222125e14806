// A streaming model in C++, driven by the manifest that its ONNX file carries.
//
//     stream MODEL.stream.onnx [--raw] < IN.f32 > OUT.f32
//
// IN.f32 are samples (float32) at the model's rate, relative to full scale, or with --raw in the model's unit;
// for each block of them the first output, as the manifest shapes it, goes to OUT.f32.

#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

class Stream {
 public:
  explicit Stream(const char* path) : session_(environment_, path, Ort::SessionOptions{}) {
    Ort::AllocatorWithDefaultOptions allocator;
    const auto text = session_.GetModelMetadata().LookupCustomMetadataMapAllocated(
        "amt_export.manifest", allocator);
    if (!text) throw std::runtime_error("this file was not made by amt_export");
    manifest_ = nlohmann::json::parse(text.get());
    const auto& stream = manifest_.at("stream");  // throws where there is no streaming form
    // The order of both lists is that of the artifact: audio, then states; outputs, then next states.
    inputs_.push_back(stream.at("inputs").at(0).at("name"));
    for (const auto& port : stream.at("outputs")) outputs_.push_back(port.at("name"));
    for (const auto& state : stream.at("states")) {
      inputs_.push_back(state.at("input"));
      outputs_.push_back(state.at("output"));
    }
    reset();
  }

  std::size_t block() const { return manifest_.at("stream").at("block"); }

  // From samples relative to full scale to the unit of the model: a sine at full scale is 93.98 dB SPL.
  // As in amt_export/audio/calibration.py.
  float gain() const {
    const std::string unit = manifest_.at("stream").at("inputs").at(0).at("unit");
    if (unit == "full scale") return 1.0F;
    if (unit != "Pa") {
      throw std::runtime_error("this model takes " + unit +
                               ", and a recording is sound pressure: choose a model that takes Pa, or --raw");
    }
    return static_cast<float>(std::sqrt(2.0) * 2e-5 * std::pow(10.0, 93.98 / 20.0));
  }

  // Forget the signal.
  void reset() {
    states_.clear();
    for (const auto& state : manifest_.at("stream").at("states")) {
      states_.push_back(filled(state.at("shape"), state.at("initial")));
    }
  }

  // Run one block; the outputs are valid as long as they are kept.
  std::vector<Ort::Value> run(const std::vector<float>& block) {
    const auto& stream = manifest_.at("stream");
    std::vector<Ort::Value> feeds;
    feeds.push_back(filled(stream.at("inputs").at(0).at("shape"), 0.0F));
    std::copy(block.begin(), block.end(), feeds[0].GetTensorMutableData<float>());
    std::move(states_.begin(), states_.end(), std::back_inserter(feeds));
    const auto in = pointers(inputs_);
    const auto out = pointers(outputs_);
    auto answer =
        session_.Run(Ort::RunOptions{}, in.data(), feeds.data(), in.size(), out.data(), out.size());
    const auto first = answer.begin() + static_cast<std::ptrdiff_t>(stream.at("outputs").size());
    states_.assign(std::make_move_iterator(first), std::make_move_iterator(answer.end()));
    answer.erase(first, answer.end());
    return answer;
  }

 private:
  // A free batch is null in the manifest's shapes; here it is one signal.
  static Ort::Value filled(const nlohmann::json& sizes, float value) {
    std::vector<std::int64_t> shape;
    for (const auto& size : sizes) shape.push_back(size.is_null() ? 1 : size.get<std::int64_t>());
    Ort::AllocatorWithDefaultOptions allocator;
    auto tensor = Ort::Value::CreateTensor<float>(allocator, shape.data(), shape.size());
    const auto size = tensor.GetTensorTypeAndShapeInfo().GetElementCount();
    std::fill_n(tensor.GetTensorMutableData<float>(), size, value);
    return tensor;
  }

  static std::vector<const char*> pointers(const std::vector<std::string>& names) {
    std::vector<const char*> result;
    for (const auto& name : names) result.push_back(name.c_str());
    return result;
  }

  Ort::Env environment_{ORT_LOGGING_LEVEL_WARNING, "stream"};
  Ort::Session session_;
  nlohmann::json manifest_;
  std::vector<std::string> inputs_, outputs_;
  std::vector<Ort::Value> states_;
};

int main(int count, char** arguments) try {
  const bool raw = count == 3 && std::string(arguments[2]) == "--raw";
  if (count != 2 && !raw) {
    throw std::runtime_error("usage: stream MODEL.stream.onnx [--raw] < IN.f32 > OUT.f32");
  }
  Stream stream(arguments[1]);
  const float gain = raw ? 1.0F : stream.gain();
  std::vector<float> block(stream.block());
  while (std::fread(block.data(), sizeof(float), block.size(), stdin) == block.size()) {
    for (float& sample : block) sample *= gain;
    const auto outputs = stream.run(block);
    const auto size = outputs[0].GetTensorTypeAndShapeInfo().GetElementCount();
    std::fwrite(outputs[0].GetTensorData<float>(), sizeof(float), size, stdout);
  }
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
