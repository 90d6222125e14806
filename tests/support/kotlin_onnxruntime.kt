// What Stream.kt calls of ONNX Runtime, with another process as the engine: the "model" is its manifest, and arrays go
// out on standard output in the order of the manifest (audio, states) and come back on standard input (outputs, next
// states), all as float32. As in the library, nobody may read what was closed.

package ai.onnxruntime

import java.io.DataInputStream
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.FloatBuffer
import java.util.Optional
import org.json.JSONArray
import org.json.JSONObject

abstract class OnnxValue : AutoCloseable

class OnnxTensor(private val values: FloatArray) : OnnxValue() {
    private var open = true

    val floatBuffer: FloatBuffer
        get() {
            check(open) { "a closed tensor is read" }
            return FloatBuffer.wrap(values.copyOf())
        }

    override fun close() {
        check(open) { "a tensor is closed twice" }
        open = false
    }

    companion object {
        @JvmStatic
        fun createTensor(environment: OrtEnvironment, data: FloatBuffer, shape: LongArray): OnnxTensor {
            val values = FloatArray(data.remaining()).also { data.get(it) }
            check(shape.fold(1L, Long::times) == values.size.toLong()) { "a tensor of another shape" }
            return OnnxTensor(values)
        }
    }
}

class OnnxModelMetadata(private val manifest: String) {
    fun getCustomMetadataValue(key: String): Optional<String> =
        if (key == "amt_export.manifest") Optional.of(manifest) else Optional.empty()
}

class OrtEnvironment {
    fun createSession(model: ByteArray) = OrtSession(String(model))

    companion object {
        @JvmStatic
        fun getEnvironment() = OrtEnvironment()
    }
}

class OrtSession(manifest: String) : AutoCloseable {
    val metadata = OnnxModelMetadata(manifest)
    private val stream = JSONObject(manifest).getJSONObject("stream")
    private val states = objects(stream.getJSONArray("states"))
    private val names = listOf(stream.getJSONArray("inputs").getJSONObject(0).getString("name")) +
        states.map { it.getString("input") }
    private val answers = objects(stream.getJSONArray("outputs")).map { it.getString("name") to size(it) } +
        states.map { it.getString("output") to size(it) }
    private val source = DataInputStream(System.`in`)

    fun run(inputs: Map<String, OnnxTensor>): Result {
        check(inputs.keys == names.toSet()) { "inputs are ${inputs.keys}" }
        for (name in names) {
            val values = inputs.getValue(name).floatBuffer
            val bytes = bytes(values.remaining())
            bytes.asFloatBuffer().put(values)
            System.out.write(bytes.array())
        }
        System.out.flush()
        return Result(answers.associate { (name, size) -> name to OnnxTensor(read(size)) })
    }

    override fun close() = Unit

    private fun read(size: Int): FloatArray {
        val bytes = bytes(size)
        source.readFully(bytes.array())
        return FloatArray(size).also { bytes.asFloatBuffer().get(it) }
    }

    private fun bytes(size: Int) = ByteBuffer.allocate(4 * size).order(ByteOrder.LITTLE_ENDIAN)

    private fun objects(array: JSONArray) = List(array.length()) { array.getJSONObject(it) }

    private fun size(port: JSONObject) =
        port.getJSONArray("shape").let { shape -> List(shape.length()) { shape.optInt(it, 1) }.fold(1, Int::times) }

    class Result(private val values: Map<String, OnnxTensor>) : AutoCloseable {
        fun get(name: String): Optional<OnnxValue> = Optional.ofNullable(values[name])

        override fun close() = values.values.forEach { it.close() }
    }
}
