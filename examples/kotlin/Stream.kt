// A streaming model in Kotlin, on Android's onnxruntime, driven by the manifest that its ONNX file carries.

import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtSession
import java.nio.FloatBuffer
import org.json.JSONArray
import org.json.JSONObject

class Stream(model: ByteArray) : AutoCloseable {
    private val environment = OrtEnvironment.getEnvironment()
    private val session = environment.createSession(model)
    private val info =
        JSONObject(session.metadata.getCustomMetadataValue("amt_export.manifest").get())
            .getJSONObject("stream")
    private val audio = info.getJSONArray("inputs").getJSONObject(0)
    private val output = info.getJSONArray("outputs").getJSONObject(0).getString("name")
    private val states = info.getJSONArray("states").let { List(it.length(), it::getJSONObject) }
    private var held = rest()
    private var last: OrtSession.Result? = null // owns the states in `held`

    val block: Int = info.getInt("block")

    /** Forget the signal. */
    fun reset() {
        release()
        held = rest()
    }

    /** Run one block of `block` samples, in the model's unit; return the first output, row by row. */
    fun run(samples: FloatArray): FloatArray {
        val answer = tensor(samples, audio.getJSONArray("shape")).use {
            session.run(held + (audio.getString("name") to it))
        }
        release()
        last = answer
        held = states.associate { it.getString("input") to answer.tensor(it.getString("output")) }
        val buffer = answer.tensor(output).floatBuffer
        return FloatArray(buffer.remaining()).also { buffer.get(it) }
    }

    override fun close() {
        release()
        session.close()
    }

    private fun rest(): Map<String, OnnxTensor> = states.associate {
        val shape = it.getJSONArray("shape")
        val size = (0 until shape.length()).fold(1) { product, i -> product * shape.getInt(i) }
        val initial = it.getDouble("initial").toFloat()
        it.getString("input") to tensor(FloatArray(size) { initial }, shape)
    }

    private fun tensor(values: FloatArray, shape: JSONArray): OnnxTensor {
        val sizes = LongArray(shape.length()) { shape.getLong(it) }
        return OnnxTensor.createTensor(environment, FloatBuffer.wrap(values), sizes)
    }

    private fun release() {
        last?.close() ?: held.values.forEach { it.close() }
        last = null
    }

    private fun OrtSession.Result.tensor(name: String) = get(name).get() as OnnxTensor
}
