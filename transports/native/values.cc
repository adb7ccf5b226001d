#include "values.h"

#include <cerrno>
#include <climits>
#include <cmath>
#include <cstdio>
#include <cstring>

namespace heddle {

namespace {

// strerrorname_np is missing in musl and in the glibc that Node's own binaries still serve.
const char* name(int error) {
  switch (error) {
#define NAME(code) \
  case code:       \
    return #code
    NAME(EACCES);
    NAME(EADDRINUSE);
    NAME(EADDRNOTAVAIL);
    NAME(EAGAIN);
    NAME(EBADF);
    NAME(EBUSY);
    NAME(ECONNREFUSED);
    NAME(ECONNRESET);
    NAME(EFAULT);
    NAME(EHOSTUNREACH);
    NAME(EINTR);
    NAME(EINVAL);
    NAME(EIO);
    NAME(EMFILE);
    NAME(EMSGSIZE);
    NAME(ENAMETOOLONG);
    NAME(ENETDOWN);
    NAME(ENETUNREACH);
    NAME(ENFILE);
    NAME(ENOBUFS);
    NAME(ENODEV);
    NAME(ENOENT);
    NAME(ENOMEM);
    NAME(ENOPROTOOPT);
    NAME(ENOSYS);
    NAME(ENOTCONN);
    NAME(ENOTSOCK);
    NAME(ENXIO);
    NAME(EOPNOTSUPP);
    NAME(EPERM);
    NAME(EPIPE);
    NAME(ESRCH);
    NAME(ETXTBSY);
#undef NAME
    default:
      return "EUNKNOWN";
  }
}

}  // namespace

napi_value fail(napi_env env, int error, const char* what) {
  char text[256];
  snprintf(text, sizeof text, "%s: %s, %s", what, name(error), strerror(error));
  napi_throw_error(env, name(error), text);
  return nullptr;
}

bool arguments(napi_env env, napi_callback_info info, size_t count, napi_value* values) {
  return napi_get_cb_info(env, info, &count, values, nullptr, nullptr) == napi_ok;
}

bool whole(napi_env env, napi_value value, int64_t least, int64_t most, int64_t* result) {
  double given;
  if (napi_get_value_double(env, value, &given) != napi_ok) return false;
  // Also false for NaN.
  if (!(given >= static_cast<double>(least) && given <= static_cast<double>(most))) return false;
  if (given != std::trunc(given)) return false;
  *result = static_cast<int64_t>(given);
  return true;
}

bool descriptor(napi_env env, napi_value value, int* result) {
  int64_t given;
  if (!whole(env, value, 0, INT_MAX, &given)) return false;
  *result = static_cast<int>(given);
  return true;
}

napi_value number(napi_env env, int64_t value) {
  napi_value result = nullptr;
  napi_create_int64(env, value, &result);
  return result;
}

napi_value boolean(napi_env env, bool value) {
  napi_value result = nullptr;
  napi_get_boolean(env, value, &result);
  return result;
}

napi_value undefined(napi_env env) {
  napi_value result = nullptr;
  napi_get_undefined(env, &result);
  return result;
}

void add(napi_env env, napi_value object, const char* key, napi_value value) {
  napi_set_named_property(env, object, key, value);
}

void add(napi_env env, napi_value object, const char* key, napi_callback function) {
  napi_value value = nullptr;
  if (napi_create_function(env, key, NAPI_AUTO_LENGTH, function, nullptr, &value) == napi_ok) add(env, object, key, value);
}

}  // namespace heddle
