// Memory that two processes share: a sealed memfd, mapped into an external ArrayBuffer.
#pragma once

#include <node_api.h>

namespace heddle {

void addMemoryFunctions(napi_env env, napi_value exports);

}  // namespace heddle
