// Values between JavaScript and C++, and errors as JavaScript sees them.
#pragma once

#include <node_api.h>

#include <cstddef>
#include <cstdint>

namespace heddle {

// Throws `Error { code, message: "what: code, text" }` and gives nullptr, to be returned at once.
napi_value fail(napi_env env, int error, const char* what);

// Reads `count` arguments; missing ones are undefined.
bool arguments(napi_env env, napi_callback_info info, size_t count, napi_value* values);

// A whole number of [least, most], else false: peers choose some of these numbers, so nothing is rounded or wrapped.
bool whole(napi_env env, napi_value value, int64_t least, int64_t most, int64_t* result);

// A descriptor that JavaScript names. Its owner must not have closed it: the number may be another file by then.
bool descriptor(napi_env env, napi_value value, int* result);

napi_value number(napi_env env, int64_t value);
napi_value boolean(napi_env env, bool value);
napi_value undefined(napi_env env);

void add(napi_env env, napi_value object, const char* name, napi_value value);
void add(napi_env env, napi_value object, const char* name, napi_callback function);

}  // namespace heddle
