// What Stream.kt calls of org.json, which is part of Android, as declarations.

package org.json

class JSONObject(@Suppress("UNUSED_PARAMETER") text: String) {
    fun getJSONObject(name: String): JSONObject = TODO()

    fun getJSONArray(name: String): JSONArray = TODO()

    fun getString(name: String): String = TODO()

    fun getInt(name: String): Int = TODO()

    fun getLong(name: String): Long = TODO()

    fun getDouble(name: String): Double = TODO()
}

class JSONArray {
    fun length(): Int = TODO()

    fun getJSONObject(index: Int): JSONObject = TODO()

    fun getString(index: Int): String = TODO()

    fun optInt(index: Int, fallback: Int): Int = TODO()
}
