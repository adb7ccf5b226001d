// Datagrams in batches.
#pragma once

#include <node_api.h>

namespace heddle {

void addDatagramFunctions(napi_env env, napi_value exports);

}  // namespace heddle
