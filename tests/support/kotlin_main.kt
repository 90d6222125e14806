// A stream of examples/kotlin, run over a file: MANIFEST.json IN.f32 OUT.f32 [reset]
//
// IN.f32 holds samples in the model's unit, interleaved for two ears; OUT.f32 gets the frames of the first output.

import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder

fun main(arguments: Array<String>) {
    val bytes = ByteBuffer.wrap(File(arguments[1]).readBytes()).order(ByteOrder.LITTLE_ENDIAN)
    val samples = FloatArray(bytes.remaining() / 4).also { bytes.asFloatBuffer().get(it) }
    val nonfinite = if (arguments.size > 3) Nonfinite.RESET else Nonfinite.ERROR
    val stream = Stream(File(arguments[0]).readBytes(), nonfinite)
    // Pieces of a length that has nothing to do with the model's block.
    val pieces = samples.toList().chunked(777 * stream.ears).map { stream.push(it.toFloatArray()) }
    val frames = (pieces + listOf(stream.flush())).flatMap { it.asList() }
    stream.close()
    val out = ByteBuffer.allocate(4 * frames.size).order(ByteOrder.LITTLE_ENDIAN)
    frames.forEach { out.putFloat(it) }
    File(arguments[2]).writeBytes(out.array())
}
