// What Stream.kt calls of com.microsoft.onnxruntime:onnxruntime-android, as declarations: it is compiled against these
// where Android's libraries cannot be had.

package ai.onnxruntime

import java.nio.FloatBuffer
import java.util.Optional

open class OnnxValue : AutoCloseable {
    override fun close(): Unit = TODO()
}

class OnnxTensor : OnnxValue() {
    val floatBuffer: FloatBuffer get() = TODO()

    companion object {
        @JvmStatic
        fun createTensor(environment: OrtEnvironment, data: FloatBuffer, shape: LongArray): OnnxTensor = TODO()
    }
}

class OnnxModelMetadata {
    fun getCustomMetadataValue(key: String): Optional<String> = TODO()
}

class OrtEnvironment {
    fun createSession(model: ByteArray): OrtSession = TODO()

    companion object {
        @JvmStatic
        fun getEnvironment(): OrtEnvironment = TODO()
    }
}

class OrtSession : AutoCloseable {
    val metadata: OnnxModelMetadata get() = TODO()

    fun run(inputs: Map<String, OnnxTensor>): Result = TODO()

    override fun close(): Unit = TODO()

    class Result : AutoCloseable {
        fun get(name: String): Optional<OnnxValue> = TODO()

        override fun close(): Unit = TODO()
    }
}
