// A published streaming model in Kotlin, on Android's onnxruntime, driven by the manifest that its ONNX file carries.

import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtSession
import java.nio.FloatBuffer
import kotlin.math.min
import kotlin.math.pow
import kotlin.math.sqrt
import org.json.JSONArray
import org.json.JSONObject

/** What to do about NaN and infinity: throw, or continue from silence with the next block. */
enum class Nonfinite { ERROR, RESET }

class Stream(model: ByteArray, private val nonfinite: Nonfinite = Nonfinite.ERROR) : AutoCloseable {
    private val environment = OrtEnvironment.getEnvironment()
    private val session = environment.createSession(model)
    private val manifest =
        JSONObject(session.metadata.getCustomMetadataValue("amt_export.manifest").get())
    private val info = manifest.getJSONObject("stream")
    private val audio = info.getJSONArray("inputs").getJSONObject(0)
    private val output = info.getJSONArray("outputs").getJSONObject(0)
    private val states = info.getJSONArray("states").let { List(it.length(), it::getJSONObject) }
    private val hop = manifest.getInt("hop")
    private val axis = axes(output).indexOfFirst { it == "time" || it == "frame" }
    private val outer = sizes(output).slice(1 until axis).fold(1, Int::times)
    private val inner = sizes(output).drop(axis + 1).fold(1, Int::times)
    private var held = rest()
    private var last: OrtSession.Result? = null // owns the states in `held`
    private var filled = 0
    private var pushed = 0L
    private var known = -info.getLong("skip")

    /** Samples that the file takes at once, and ears that hear them. */
    val block: Int = info.getInt("block")
    val ears: Int = if (sizes(audio).size == 3) sizes(audio)[1] else 1

    /** Numbers in a frame of the first output: of all channels, or of both ears. */
    val frameSize: Int = outer * inner

    /** How often the stream restarted from silence. */
    var resets = 0
        private set

    private val pending = FloatArray(ears * block)

    init {
        require(manifest.getString("padding") == "zero") {
            "this model mirrors a signal at its ends, which only the Python and JavaScript packages do"
        }
    }

    /**
     * The factor from samples relative to full scale to the unit of the model's input, where a sine at full scale is so
     * many dB SPL.
     */
    fun gain(fullScale: Double = 93.98): Float {
        val unit = audio.getString("unit")
        require(unit == "Pa") { "this model takes $unit, and a recording is sound pressure: take one that takes Pa" }
        require(fullScale in -100.0..200.0) { "full scale: give a level from -100 to 200 dB SPL" }
        return (sqrt(2.0) * 2e-5 * 10.0.pow(fullScale / 20.0)).toFloat()
    }

    /**
     * Process any number of next samples in the model's unit, interleaved for two ears; returns the frames of the
     * first output that are complete by now, one after the other.
     */
    fun push(samples: FloatArray): FloatArray {
        if (nonfinite == Nonfinite.ERROR) {
            require(samples.all { it - it == 0f }) { "the audio holds a sample that is NaN or infinite" }
        }
        val frames = ArrayList<FloatArray>()
        for (i in 0 until samples.size / ears) {
            for (ear in 0 until ears) pending[ear * block + filled] = samples[i * ears + ear]
            filled += 1
            if (filled == block) frames += runBlock()
        }
        pushed += samples.size / ears
        return joined(frames)
    }

    /** End the signal: return the frames that are still missing, and start afresh. */
    fun flush(): FloatArray {
        val length = manifest.getLong("frame_length")
        val due = if (pushed == 0L || pushed < length) 0L else 1 + (pushed - length) / hop
        val frames = ArrayList<FloatArray>()
        var beyond = -filled
        while (known < due) {
            for (ear in 0 until ears) pending.fill(0f, ear * block + filled, (ear + 1) * block)
            beyond += block
            frames += runBlock(beyond)
        }
        val all = joined(frames)
        val surplus = maxOf(0L, known - due).toInt() * frameSize
        reset()
        return all.copyOf(all.size - min(all.size, surplus))
    }

    /** Start again from silence. */
    fun reset() {
        restart()
        filled = 0
        pushed = 0
        known = -info.getLong("skip")
    }

    override fun close() {
        release()
        session.close()
    }

    /**
     * Run the block that is full, of which `beyond` samples lie behind the end of the signal; the frames of its first
     * output, time first.
     */
    private fun runBlock(beyond: Int = 0): FloatArray {
        filled = 0
        val given = mutableMapOf(audio.getString("name") to tensor(pending, sizes(audio)))
        states.filter { beyond > 0 && it.getString("input") == BEYOND_END }
            .forEach { given[BEYOND_END] = constant(beyond.toFloat(), sizes(it)) }
        val answer = try {
            session.run(held + given)
        } finally {
            given.values.forEach { it.close() }
        }
        release()
        last = answer
        held = states.associate { it.getString("input") to answer.tensor(it.getString("output")) }
        val finite = held.values.all { state -> state.numbers().all { it - it == 0f } }
        val values = answer.tensor(output.getString("name")).numbers()
        if (!finite) {
            restart()
            resets += 1
            check(nonfinite == Nonfinite.RESET) { "a state is not finite: the audio is too large" }
        }
        val steps = block / hop
        val first = min(steps.toLong(), maxOf(0L, -known)).toInt() // about the time before the signal
        known += steps
        val frames = FloatArray((steps - first) * frameSize)
        for (step in first until steps) {
            for (row in 0 until outer) {
                val from = (row * steps + step) * inner
                values.copyInto(frames, (step - first) * frameSize + row * inner, from, from + inner)
            }
        }
        return frames
    }

    private fun restart() {
        release()
        held = rest()
    }

    private fun rest(): Map<String, OnnxTensor> = states.associate {
        it.getString("input") to constant(it.getDouble("initial").toFloat(), sizes(it))
    }

    private fun constant(value: Float, shape: List<Int>) = tensor(FloatArray(shape.fold(1, Int::times)) { value }, shape)

    private fun tensor(values: FloatArray, shape: List<Int>): OnnxTensor =
        OnnxTensor.createTensor(environment, FloatBuffer.wrap(values), LongArray(shape.size) { shape[it].toLong() })

    private fun release() {
        last?.close() ?: held.values.forEach { it.close() }
        last = null
    }

    private fun joined(pieces: List<FloatArray>): FloatArray {
        val all = FloatArray(pieces.map { it.size }.sum())
        var at = 0
        for (piece in pieces) {
            piece.copyInto(all, at)
            at += piece.size
        }
        return all
    }

    private fun OrtSession.Result.tensor(name: String) = get(name).get() as OnnxTensor

    private fun OnnxTensor.numbers() = floatBuffer.let { buffer -> FloatArray(buffer.remaining()).also { buffer.get(it) } }

    private companion object {
        /** The state with which a stream learns where its signal ends. */
        const val BEYOND_END = "state_beyond_end"

        fun axes(port: JSONObject) = port.getJSONArray("axes").let { List(it.length(), it::getString) }

        /** A free batch is null; here it is one signal. */
        fun sizes(port: JSONObject): List<Int> =
            port.getJSONArray("shape").let { shape -> List(shape.length()) { shape.optInt(it, 1) } }
    }
}
