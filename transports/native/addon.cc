// The module: what transports/native/addon.ts declares. There are no globals: every worker thread loads it for itself.
#include "datagrams.h"
#include "memory.h"
#include "sockets.h"
#include "values.h"

namespace heddle {

// The interface of addon.ts. A binary of another version is not used: raise both when a function changes.
constexpr int kVersion = 1;

static napi_value init(napi_env env, napi_value exports) {
  add(env, exports, "version", number(env, kVersion));
  addMemoryFunctions(env, exports);
  addSocketFunctions(env, exports);
  addDatagramFunctions(env, exports);
  return exports;
}

}  // namespace heddle

NAPI_MODULE_INIT() { return heddle::init(env, exports); }
