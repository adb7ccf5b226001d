#include "sockets.h"

#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstring>

#include "values.h"

// musl lacks it; the number is Linux's on every architecture (4.20).
#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL 29
#endif

namespace heddle {

namespace {

napi_value closeDescriptor(napi_env env, napi_callback_info info) {
  napi_value given[1];
  int fd;
  if (!arguments(env, info, 1, given) || !descriptor(env, given[0], &fd)) return fail(env, EINVAL, "closeDescriptor");
  // EINTR: Linux has closed it all the same; a second close could hit another file.
  if (close(fd) != 0 && errno != EINTR) return fail(env, errno, "closeDescriptor");
  return undefined(env);
}

napi_value peerCredentials(napi_env env, napi_callback_info info) {
  napi_value given[1];
  int fd;
  if (!arguments(env, info, 1, given) || !descriptor(env, given[0], &fd)) return fail(env, EINVAL, "peerCredentials");
  napi_value result = nullptr;
  napi_get_null(env, &result);
  int domain = 0;
  socklen_t size = sizeof domain;
  // TCP answers as well, with nobody's numbers.
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0 || domain != AF_UNIX) return result;
  struct ucred peer;
  size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || size != sizeof peer) return result;
  if (peer.uid == static_cast<uid_t>(-1)) return result;
  napi_create_object(env, &result);
  add(env, result, "pid", number(env, peer.pid));
  add(env, result, "uid", number(env, peer.uid));
  add(env, result, "gid", number(env, peer.gid));
  return result;
}

// The hot one: no checks beyond what the kernel makes itself.
napi_value ring(napi_env env, napi_callback_info info) {
  napi_value given[1];
  size_t count = 1;
  int32_t fd = -1;
  napi_get_cb_info(env, info, &count, given, nullptr, nullptr);
  napi_get_value_int32(env, given[0], &fd);
  static const char byte = 0;
  ssize_t sent;
  do sent = send(fd, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  // A full socket holds bytes that the peer has not read: they wake it as well.
  return boolean(env, sent == 1 || errno == EAGAIN);
}

struct Option {
  const char* name;
  int level;
  int number;
};

// By name, since the numbers differ between architectures. Never asked for on the way of a message.
constexpr Option kOptions[] = {
    {"IP_MULTICAST_ALL", IPPROTO_IP, IP_MULTICAST_ALL},
    {"IP_TOS", IPPROTO_IP, IP_TOS},
    {"IPV6_MULTICAST_ALL", IPPROTO_IPV6, IPV6_MULTICAST_ALL},
    {"IPV6_TCLASS", IPPROTO_IPV6, IPV6_TCLASS},
    {"SO_DOMAIN", SOL_SOCKET, SO_DOMAIN},
    {"SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE},
    {"SO_RCVBUF", SOL_SOCKET, SO_RCVBUF},
    {"SO_RCVBUFFORCE", SOL_SOCKET, SO_RCVBUFFORCE},
    {"SO_SNDBUF", SOL_SOCKET, SO_SNDBUF},
    {"TCP_KEEPCNT", IPPROTO_TCP, TCP_KEEPCNT},
    {"TCP_KEEPIDLE", IPPROTO_TCP, TCP_KEEPIDLE},
    {"TCP_KEEPINTVL", IPPROTO_TCP, TCP_KEEPINTVL},
    {"TCP_USER_TIMEOUT", IPPROTO_TCP, TCP_USER_TIMEOUT},
};

const Option* optionOf(napi_env env, napi_value value) {
  char name[32];
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, name, sizeof name, &length) != napi_ok) return nullptr;
  for (const Option& option : kOptions) {
    if (strcmp(option.name, name) == 0) return &option;
  }
  return nullptr;
}

napi_value setOption(napi_env env, napi_callback_info info) {
  napi_value given[3];
  int fd;
  int64_t value;
  if (!arguments(env, info, 3, given) || !descriptor(env, given[0], &fd)) return fail(env, EINVAL, "setOption");
  const Option* option = optionOf(env, given[1]);
  if (option == nullptr || !whole(env, given[2], INT_MIN, INT_MAX, &value)) return fail(env, EINVAL, "setOption");
  const int number = static_cast<int>(value);
  if (setsockopt(fd, option->level, option->number, &number, sizeof number) != 0) return fail(env, errno, option->name);
  return undefined(env);
}

napi_value getOption(napi_env env, napi_callback_info info) {
  napi_value given[2];
  int fd;
  if (!arguments(env, info, 2, given) || !descriptor(env, given[0], &fd)) return fail(env, EINVAL, "getOption");
  const Option* option = optionOf(env, given[1]);
  if (option == nullptr) return fail(env, EINVAL, "getOption");
  int value = 0;
  socklen_t size = sizeof value;
  if (getsockopt(fd, option->level, option->number, &value, &size) != 0) return fail(env, errno, option->name);
  return number(env, value);
}

napi_value bindToDevice(napi_env env, napi_callback_info info) {
  napi_value given[2];
  int fd;
  char name[IF_NAMESIZE + 1];
  size_t length = 0;
  if (!arguments(env, info, 2, given) || !descriptor(env, given[0], &fd) ||
      napi_get_value_string_utf8(env, given[1], name, sizeof name, &length) != napi_ok || length >= IF_NAMESIZE) {
    return fail(env, EINVAL, "bindToDevice");
  }
  if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, static_cast<socklen_t>(length)) != 0) {
    return fail(env, errno, "SO_BINDTODEVICE");
  }
  return undefined(env);
}

napi_value deviceOf(napi_env env, napi_callback_info info) {
  napi_value given[1];
  int fd;
  if (!arguments(env, info, 1, given) || !descriptor(env, given[0], &fd)) return fail(env, EINVAL, "deviceOf");
  char name[IF_NAMESIZE] = "";
  socklen_t size = sizeof name;
  if (getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &size) != 0) return fail(env, errno, "SO_BINDTODEVICE");
  napi_value result = nullptr;
  napi_create_string_utf8(env, name, strnlen(name, sizeof name), &result);
  return result;
}

napi_value createTcpSocket(napi_env env, napi_callback_info info) {
  napi_value given[1];
  int64_t family;
  if (!arguments(env, info, 1, given) || !whole(env, given[0], 4, 6, &family) || family == 5) {
    return fail(env, EINVAL, "createTcpSocket");
  }
  const int fd = socket(family == 6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  return fd < 0 ? fail(env, errno, "createTcpSocket") : number(env, fd);
}

// A Unix socket with `join` (bind or connect) done for an abstract name of exactly its own length: Node 20 fills it up
// with zeros, which makes it another name than that of all other programs.
napi_value abstractSocket(napi_env env, napi_callback_info info, int (*join)(int, const sockaddr*, socklen_t),
                          const char* what) {
  napi_value given[1];
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  // One byte more than fits behind the leading zero: a longer name is seen, not cut.
  char name[sizeof address.sun_path + 1];
  size_t length = 0;
  if (!arguments(env, info, 1, given) ||
      napi_get_value_string_utf8(env, given[0], name, sizeof name, &length) != napi_ok || length == 0) {
    return fail(env, EINVAL, what);
  }
  if (length >= sizeof address.sun_path) return fail(env, ENAMETOOLONG, what);
  memcpy(address.sun_path + 1, name, length);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return fail(env, errno, what);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + length);
  if (join(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0) return number(env, fd);
  const int error = errno;
  close(fd);
  return fail(env, error, what);
}

napi_value bindAbstract(napi_env env, napi_callback_info info) { return abstractSocket(env, info, bind, "bind"); }

// At once: to a Unix socket, it succeeds or fails without waiting. EAGAIN: too many wait there to be accepted.
napi_value connectAbstract(napi_env env, napi_callback_info info) {
  return abstractSocket(env, info, connect, "connect");
}

}  // namespace

void addSocketFunctions(napi_env env, napi_value exports) {
  add(env, exports, "closeDescriptor", closeDescriptor);
  add(env, exports, "peerCredentials", peerCredentials);
  add(env, exports, "ring", ring);
  add(env, exports, "setOption", setOption);
  add(env, exports, "getOption", getOption);
  add(env, exports, "bindToDevice", bindToDevice);
  add(env, exports, "deviceOf", deviceOf);
  add(env, exports, "createTcpSocket", createTcpSocket);
  add(env, exports, "bindAbstract", bindAbstract);
  add(env, exports, "connectAbstract", connectAbstract);
}

}  // namespace heddle
