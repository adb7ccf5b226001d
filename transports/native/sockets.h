// Sockets by their descriptors: what Node does not offer.
#pragma once

#include <node_api.h>

namespace heddle {

void addSocketFunctions(napi_env env, napi_value exports);

}  // namespace heddle
