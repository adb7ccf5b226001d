#include "memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>

#include "values.h"

namespace heddle {

namespace {

// A ring's positions are 32 bits wide; more than this in one piece is a mistake or an attack.
constexpr int64_t kLargest = int64_t{1} << 30;

// With these the file cannot shrink below what is mapped: reading it can never raise SIGBUS for a missing page.
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW;

// Tells our ArrayBuffers from those that other addons have wrapped.
constexpr napi_type_tag kTag = {0x6865'6464'6c65'2d6d, 0x656d'6f72'7920'2d31};

// Belongs to one ArrayBuffer of one thread, whose finalizer deletes it.
struct Mapping {
  void* address;  // nullptr when it was released
  size_t size;
};

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    // Errors of close do not hide the error that is being reported.
    const int kept = errno;
    if (fd_ >= 0) close(fd_);
    errno = kept;
  }
  int get() const { return fd_; }
  int keep() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }

 private:
  int fd_;
};

int createSealed(int64_t size) {
  Descriptor file(memfd_create("heddle", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (file.get() < 0) return -1;
  if (ftruncate(file.get(), size) != 0) return -1;
  if (fcntl(file.get(), F_ADD_SEALS, kSeals | F_SEAL_SEAL) != 0) return -1;
  return file.keep();
}

// Kind, size and device without asking the file system behind it: a FUSE server could keep us waiting for ever.
bool look(int fd, struct statx* result) {
  return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_SIZE, result) == 0;
}

// All memory files of a kernel live on one device of its own, where files with names, devices, FUSE and huge pages
// (whose faults can raise SIGBUS) never are.
bool isOrdinaryMemory(const struct statx& file) {
  Descriptor ours(memfd_create("heddle-probe", MFD_CLOEXEC));
  struct statx own;
  if (ours.get() < 0 || !look(ours.get(), &own)) return false;
  return S_ISREG(file.stx_mode) && file.stx_dev_major == own.stx_dev_major && file.stx_dev_minor == own.stx_dev_minor;
}

void unmap(napi_env, void*, void* hint) {
  auto* mapping = static_cast<Mapping*>(hint);
  if (mapping->address != nullptr) munmap(mapping->address, mapping->size);
  delete mapping;
}

// An ArrayBuffer on the file's memory, or nullptr with an exception thrown.
napi_value map(napi_env env, int fd, size_t size, const char* what) {
  void* address = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (address == MAP_FAILED) return fail(env, errno, what);
  auto* mapping = new Mapping{address, size};
  napi_value buffer = nullptr;
  if (napi_create_external_arraybuffer(env, address, size, unmap, mapping, &buffer) != napi_ok) {
    // Runtimes with a memory cage (Electron) allow no memory of others.
    munmap(address, size);
    delete mapping;
    return fail(env, EOPNOTSUPP, what);
  }
  // From here on the finalizer unmaps.
  if (napi_type_tag_object(env, buffer, &kTag) != napi_ok ||
      napi_wrap(env, buffer, mapping, nullptr, nullptr, nullptr) != napi_ok) {
    return fail(env, ENOMEM, what);
  }
  return buffer;
}

napi_value createMemory(napi_env env, napi_callback_info info) {
  const char* what = "createMemory";
  napi_value given[1];
  int64_t size;
  if (!arguments(env, info, 1, given) || !whole(env, given[0], 1, kLargest, &size)) return fail(env, EINVAL, what);
  Descriptor file(createSealed(size));
  if (file.get() < 0) return fail(env, errno, what);
  napi_value memory = map(env, file.get(), static_cast<size_t>(size), what);
  if (memory == nullptr) return nullptr;
  napi_value result = nullptr;
  napi_create_object(env, &result);
  add(env, result, "memory", memory);
  add(env, result, "descriptor", number(env, file.keep()));
  return result;
}

napi_value openMemory(napi_env env, napi_callback_info info) {
  const char* what = "openMemory";
  napi_value given[3];
  int64_t pid, number, size;
  if (!arguments(env, info, 3, given) || !whole(env, given[0], 1, INT_MAX, &pid) ||
      !whole(env, given[1], 0, INT_MAX, &number) || !whole(env, given[2], 1, kLargest, &size)) {
    return fail(env, EINVAL, what);
  }
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/fd/%d", static_cast<int>(pid), static_cast<int>(number));
  // First a handle that opens nothing (opening a pipe or a device has effects and may wait), so that what is looked at
  // is what is opened: the other process can change what its number means at any time.
  Descriptor handle(open(path, O_PATH | O_CLOEXEC));
  if (handle.get() < 0) return fail(env, errno, what);
  struct statx file;
  if (!look(handle.get(), &file)) return fail(env, errno, what);
  if (!isOrdinaryMemory(file)) return fail(env, EINVAL, what);
  snprintf(path, sizeof path, "/proc/self/fd/%d", handle.get());
  Descriptor memory(open(path, O_RDWR | O_CLOEXEC));
  if (memory.get() < 0) return fail(env, errno, what);
  const int seals = fcntl(memory.get(), F_GET_SEALS);
  if (seals < 0 || (seals & kSeals) != kSeals) return fail(env, EINVAL, what);
  // Looked at again: before the seals were seen, the size could still change.
  if (!look(memory.get(), &file)) return fail(env, errno, what);
  if (file.stx_size != static_cast<uint64_t>(size)) return fail(env, EINVAL, what);
  return map(env, memory.get(), static_cast<size_t>(size), what);
}

napi_value releaseMemory(napi_env env, napi_callback_info info) {
  const char* what = "releaseMemory";
  napi_value given[1];
  bool is = false;
  if (!arguments(env, info, 1, given) || napi_is_arraybuffer(env, given[0], &is) != napi_ok || !is) {
    return fail(env, EINVAL, what);
  }
  bool detached = false;
  napi_is_detached_arraybuffer(env, given[0], &detached);
  if (detached) return undefined(env);
  bool ours = false;
  void* wrapped = nullptr;
  if (napi_check_object_type_tag(env, given[0], &kTag, &ours) != napi_ok || !ours ||
      napi_unwrap(env, given[0], &wrapped) != napi_ok) {
    return fail(env, EINVAL, what);
  }
  auto* mapping = static_cast<Mapping*>(wrapped);
  // Taken from the finalizer first, which runs after the detaching, when the address may be in use again.
  void* address = mapping->address;
  const size_t size = mapping->size;
  mapping->address = nullptr;
  if (napi_detach_arraybuffer(env, given[0]) != napi_ok) {
    mapping->address = address;
    return fail(env, EBUSY, what);
  }
  munmap(address, size);
  return undefined(env);
}

}  // namespace

void addMemoryFunctions(napi_env env, napi_value exports) {
  add(env, exports, "createMemory", createMemory);
  add(env, exports, "openMemory", openMemory);
  add(env, exports, "releaseMemory", releaseMemory);
}

}  // namespace heddle
