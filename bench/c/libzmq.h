#ifndef HEDDLE_BENCH_LIBZMQ_H
#define HEDDLE_BENCH_LIBZMQ_H

#include "bench.h"

#include <zmq.h>

/* A context with one I/O thread, which is libzmq's default. */
void *new_context (void);
/* A socket whose high-water marks are `hwm` (0 = unlimited) and that drops nothing at the end of the process. */
void *new_socket (void *context, int type, int hwm);
/* Binds to `endpoint` and answers ready with the address it got. */
void bind_and_say (void *socket, const char *endpoint);
void check (int result, const char *what);
void send_bytes (void *socket, const void *bytes, size_t size);
/* Length of the next message; fails when it is not `size`, unless `size` is 0. */
size_t receive_size (void *socket, size_t size);

void zmq_stream_send (void);
void zmq_stream_receive (void);
void zmq_stream_inside (void);
void zmq_reply (void);
void zmq_request (void);
void zmq_request_inside (void);
void zmq_fan_send (void);
void zmq_fan_receive (void);
void zmq_subjects_send (void);
void zmq_subjects_receive (void);
void zmq_idle (void);

#endif
