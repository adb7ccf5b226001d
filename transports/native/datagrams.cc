#include "datagrams.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include "values.h"

// Older headers lack it; the number is Linux's on every architecture (4.18).
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

namespace heddle {

namespace {

// Messages of one system call: what fits on the stack in comfort. A larger batch takes several calls.
constexpr size_t kMessages = 64;

// What the oldest kernels with segmentation cut one send into at most, and what one IPv4 datagram may carry.
constexpr size_t kSegments = 64;
constexpr size_t kLargest = 65'507;

// How addresses look to JavaScript (udp.ts): family (4, 6; 0 = another), an unused byte, port, scope (the interface of a
// link-local IPv6 address), address in the first 4 or all 16 bytes; high bytes first.
struct Address {
  uint8_t family;
  uint8_t unused;
  uint8_t port[2];
  uint8_t scope[4];
  uint8_t bytes[16];
};
static_assert(sizeof(Address) == 24, "udp.ts has the same number");

struct Bytes {
  uint8_t* data = nullptr;
  size_t length = 0;
};

// Any typed array; empty when it is none, or when its memory is gone.
Bytes bytesOf(napi_env env, napi_value value, napi_typedarray_type wanted, size_t width) {
  Bytes result;
  bool is = false;
  napi_typedarray_type type;
  void* data = nullptr;
  size_t length = 0;
  if (napi_is_typedarray(env, value, &is) != napi_ok || !is) return result;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr) != napi_ok) return result;
  if (type != wanted || data == nullptr) return result;
  result.data = static_cast<uint8_t*>(data);
  result.length = length * width;
  return result;
}

void store(const sockaddr_storage& from, Address* to) {
  Address result = {};
  if (from.ss_family == AF_INET) {
    const auto& four = reinterpret_cast<const sockaddr_in&>(from);
    result.family = 4;
    memcpy(result.port, &four.sin_port, 2);
    memcpy(result.bytes, &four.sin_addr, 4);
  } else if (from.ss_family == AF_INET6) {
    const auto& six = reinterpret_cast<const sockaddr_in6&>(from);
    memcpy(result.port, &six.sin6_port, 2);
    if (IN6_IS_ADDR_V4MAPPED(&six.sin6_addr)) {
      result.family = 4;
      memcpy(result.bytes, six.sin6_addr.s6_addr + 12, 4);
    } else {
      result.family = 6;
      const uint32_t scope = htonl(six.sin6_scope_id);
      memcpy(result.scope, &scope, 4);
      memcpy(result.bytes, &six.sin6_addr, 16);
    }
  }
  memcpy(to, &result, sizeof result);
}

socklen_t load(const uint8_t* from, sockaddr_storage* to) {
  Address address;
  memcpy(&address, from, sizeof address);
  memset(to, 0, sizeof *to);
  if (address.family == 4) {
    auto& four = reinterpret_cast<sockaddr_in&>(*to);
    four.sin_family = AF_INET;
    memcpy(&four.sin_port, address.port, 2);
    memcpy(&four.sin_addr, address.bytes, 4);
    return sizeof four;
  }
  if (address.family == 6) {
    auto& six = reinterpret_cast<sockaddr_in6&>(*to);
    six.sin6_family = AF_INET6;
    uint32_t scope;
    memcpy(&scope, address.scope, 4);
    six.sin6_scope_id = ntohl(scope);
    memcpy(&six.sin6_port, address.port, 2);
    memcpy(&six.sin6_addr, address.bytes, 16);
    return sizeof six;
  }
  return 0;
}

// receiveDatagrams(fd, bytes, slot, lengths, addresses): how many; 0 = none are there.
napi_value receiveDatagrams(napi_env env, napi_callback_info info) {
  const char* what = "receiveDatagrams";
  napi_value given[5];
  int fd;
  int64_t slot;
  if (!arguments(env, info, 5, given) || !descriptor(env, given[0], &fd) || !whole(env, given[2], 1, INT_MAX, &slot)) {
    return fail(env, EINVAL, what);
  }
  const Bytes bytes = bytesOf(env, given[1], napi_uint8_array, 1);
  const Bytes lengths = bytesOf(env, given[3], napi_int32_array, sizeof(int32_t));
  const Bytes addresses = bytesOf(env, given[4], napi_uint8_array, 1);
  const size_t size = static_cast<size_t>(slot);
  const size_t room = std::min({bytes.length / size, lengths.length / sizeof(int32_t), addresses.length / sizeof(Address)});
  if (room == 0) return fail(env, EINVAL, what);

  mmsghdr messages[kMessages];
  iovec pieces[kMessages];
  sockaddr_storage names[kMessages];
  size_t done = 0;
  while (done < room) {
    const size_t count = std::min(room - done, kMessages);
    memset(messages, 0, count * sizeof *messages);
    for (size_t index = 0; index < count; index++) {
      pieces[index] = {bytes.data + (done + index) * size, size};
      names[index].ss_family = AF_UNSPEC;
      msghdr& header = messages[index].msg_hdr;
      header.msg_name = &names[index];
      header.msg_namelen = sizeof names[index];
      header.msg_iov = &pieces[index];
      header.msg_iovlen = 1;
    }
    // MSG_TRUNC: the length that was sent, so that the reader sees what did not fit.
    const int got = recvmmsg(fd, messages, static_cast<unsigned>(count), MSG_DONTWAIT | MSG_TRUNC, nullptr);
    if (got < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || done > 0) break;
      return fail(env, errno, what);
    }
    for (int index = 0; index < got; index++) {
      const size_t at = done + static_cast<size_t>(index);
      const auto length = static_cast<int32_t>(messages[index].msg_len);
      memcpy(lengths.data + at * sizeof length, &length, sizeof length);
      store(names[index], reinterpret_cast<Address*>(addresses.data + at * sizeof(Address)));
    }
    done += static_cast<size_t>(got);
    if (static_cast<size_t>(got) < count) break;
  }
  return number(env, static_cast<int64_t>(done));
}

// One message of a sendmmsg: datagrams of equal length (the last may be shorter), which the kernel cuts apart.
struct Run {
  size_t datagrams;
  size_t bytes;
};

Run nextRun(const int32_t* lengths, size_t at, size_t count, bool segments) {
  const auto first = static_cast<size_t>(lengths[at]);
  Run run = {1, first};
  // An empty datagram cannot be a segment.
  while (segments && first > 0 && at + run.datagrams < count && run.datagrams < kSegments) {
    const auto next = static_cast<size_t>(lengths[at + run.datagrams]);
    if (next == 0 || next > first || run.bytes + next > kLargest) break;
    run.datagrams++;
    run.bytes += next;
    if (next < first) break;
  }
  return run;
}

bool refusesSegments(int error) {
  // A segment is larger than the path's packets, or the device does not make checksums, or the kernel is older.
  return error == EINVAL || error == EIO || error == EMSGSIZE || error == EOPNOTSUPP || error == ENOPROTOOPT;
}

// sendDatagrams(fd, bytes, lengths, count, address, segments): how many the operating system took; 0 = it is full.
napi_value sendDatagrams(napi_env env, napi_callback_info info) {
  const char* what = "sendDatagrams";
  napi_value given[6];
  int fd;
  int64_t wanted;
  if (!arguments(env, info, 6, given) || !descriptor(env, given[0], &fd) || !whole(env, given[3], 0, INT_MAX, &wanted)) {
    return fail(env, EINVAL, what);
  }
  const Bytes bytes = bytesOf(env, given[1], napi_uint8_array, 1);
  const Bytes sizes = bytesOf(env, given[2], napi_int32_array, sizeof(int32_t));
  const Bytes to = bytesOf(env, given[4], napi_uint8_array, 1);
  bool segments = false;
  napi_get_value_bool(env, given[5], &segments);
  const auto count = static_cast<size_t>(wanted);
  if (sizes.length / sizeof(int32_t) < count || to.length != sizeof(Address)) return fail(env, EINVAL, what);
  const auto* lengths = reinterpret_cast<const int32_t*>(sizes.data);
  size_t total = 0;
  for (size_t index = 0; index < count; index++) {
    if (lengths[index] < 0) return fail(env, EINVAL, what);
    total += static_cast<size_t>(lengths[index]);
  }
  if (total > bytes.length) return fail(env, EINVAL, what);
  sockaddr_storage name;
  const socklen_t nameLength = load(to.data, &name);
  if (nameLength == 0) return fail(env, EINVAL, what);

  union Control {
    char bytes[CMSG_SPACE(sizeof(uint16_t))];
    cmsghdr aligned;
  };
  mmsghdr messages[kMessages];
  iovec pieces[kMessages];
  Control controls[kMessages];
  Run runs[kMessages];
  size_t done = 0;
  size_t offset = 0;
  while (done < count) {
    size_t used = 0;
    memset(messages, 0, sizeof messages);
    for (size_t at = done, from = offset; at < count && used < kMessages; used++) {
      const Run run = nextRun(lengths, at, count, segments);
      runs[used] = run;
      pieces[used] = {bytes.data + from, run.bytes};
      msghdr& header = messages[used].msg_hdr;
      header.msg_name = &name;
      header.msg_namelen = nameLength;
      header.msg_iov = &pieces[used];
      header.msg_iovlen = 1;
      if (run.datagrams > 1) {
        memset(&controls[used], 0, sizeof controls[used]);
        header.msg_control = controls[used].bytes;
        header.msg_controllen = sizeof controls[used].bytes;
        cmsghdr* control = CMSG_FIRSTHDR(&header);
        control->cmsg_level = SOL_UDP;
        control->cmsg_type = UDP_SEGMENT;
        control->cmsg_len = CMSG_LEN(sizeof(uint16_t));
        const auto segment = static_cast<uint16_t>(lengths[at]);
        memcpy(CMSG_DATA(control), &segment, sizeof segment);
      }
      at += run.datagrams;
      from += run.bytes;
    }
    const int sent = sendmmsg(fd, messages, static_cast<unsigned>(used), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
      const int error = errno;
      if (error == EINTR) continue;
      if (segments && runs[0].datagrams > 1 && refusesSegments(error)) {
        segments = false;
        continue;
      }
      if (error == EAGAIN || error == ENOBUFS || done > 0) break;
      return fail(env, error, what);
    }
    for (int index = 0; index < sent; index++) {
      done += runs[index].datagrams;
      offset += runs[index].bytes;
    }
  }
  return number(env, static_cast<int64_t>(done));
}

}  // namespace

void addDatagramFunctions(napi_env env, napi_value exports) {
  add(env, exports, "receiveDatagrams", receiveDatagrams);
  add(env, exports, "sendDatagrams", sendDatagrams);
}

}  // namespace heddle
