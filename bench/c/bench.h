/* What every measuring program in C shares: arguments, clock, answers, control channel.
 * A program is called as `program role key=value ...` and answers with one JSON object a line on stdout:
 * {"ready": ...} when others may start, then {"result": {...}} or {"error": "..."}. */
#ifndef HEDDLE_BENCH_H
#define HEDDLE_BENCH_H

#include <stddef.h>
#include <stdint.h>

/* arguments */
void args_init (int argc, char **argv);
const char *arg_text (const char *name);
int64_t arg_number (const char *name);

/* clock */
int64_t now_ns (void);
/* User plus system time of this process so far, in microseconds. */
int64_t cpu_us (void);

/* answers */
void say (const char *format, ...) __attribute__ ((format (printf, 1, 2)));
void fail (const char *what) __attribute__ ((noreturn));
/* Answers and stays until the parent closes our stdin, so that nothing queued is lost by an early end. */
void wait_for_parent (void);

/* p50 and p99 of round trips in nanoseconds, answered in microseconds; sorts `samples`. */
void say_latency (uint32_t *samples, int64_t count, int64_t elapsed_ns);

/* plain sockets; endpoints are tcp://a.b.c.d:port (port 0 = any) and ipc:///path */
int listen_on (const char *endpoint, char *actual, size_t actual_size);
int connect_to (const char *endpoint);
void write_all (int fd, const void *bytes, size_t size);

/* control channel: the receiver tells the sender how far all of its subscribers are, as 4 bytes, little-endian */
void control_send (int fd, uint32_t value);
/* Newest value, waiting for at least one at most `timeout_ms`; -1 when none came. */
int64_t control_receive (int fd, int timeout_ms);

#endif
